"""A real PostgreSQL and a real Redis out of wheels, started and stopped by us."""
