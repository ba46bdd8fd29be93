"""A small internet in one process, for the demo and the tests; imports floor 0 only."""
