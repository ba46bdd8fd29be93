"""Exports out of a real ledger."""
