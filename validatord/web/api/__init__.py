"""The operations of the API, a module per noun; each has `OPERATIONS`."""
