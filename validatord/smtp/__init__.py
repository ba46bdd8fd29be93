"""Talking SMTP without judging: one connection, one conversation, the pool of held sessions."""
