"""Where work comes in: arq jobs, submissions, and the client other services import."""
