"""The servers of our own."""
