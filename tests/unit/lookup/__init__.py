"""The room lookup/, against a real name server on loopback."""
