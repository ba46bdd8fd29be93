"""The HTTP door on a real ledger."""
