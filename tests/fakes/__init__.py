"""Stand-ins for what a test cannot own: time."""
