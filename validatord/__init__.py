"""validatord: an e-mail verification daemon that asks mail servers politely and never sends a message."""

__version__ = "0.1.0"
