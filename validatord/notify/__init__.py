"""Tells others what happened: one message, to one place, once; when and to whom is decided elsewhere."""
