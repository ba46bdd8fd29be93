"""The loops on a real ledger."""
