"""From arq to committed rows, with a real Redis and a real PostgreSQL."""
