"""The ledger in PostgreSQL; every statement stands in sql/queries."""
