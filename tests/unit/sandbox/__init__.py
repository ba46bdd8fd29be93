"""The sandbox, looked at from outside."""
