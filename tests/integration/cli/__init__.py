"""Commands on a real ledger."""
