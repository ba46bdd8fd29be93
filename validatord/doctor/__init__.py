"""Examines the machine and its surroundings before receivers do; asks nobody about a mailbox of others."""
