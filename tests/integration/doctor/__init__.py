"""The doctor at the bed of real stores."""
