"""Visits against the sandbox and a real ledger."""
