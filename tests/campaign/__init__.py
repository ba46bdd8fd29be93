"""Long runs: by hand, or at night."""
