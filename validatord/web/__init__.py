"""The HTTP door: the API, the console, and what Reacher's clients expect.

Order of use: `app.build_app(WebServices(...))` makes the application out of the sub-rooms' operations,
`server.WebServer` opens and closes the door. Each route is an `Operation` (`routes.py`): it names the
scope it needs and the models of what it takes and answers, from which the OpenAPI file is written.
"""
