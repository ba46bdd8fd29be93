"""Loops on the real ledger."""
