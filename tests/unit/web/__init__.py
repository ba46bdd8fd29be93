"""The parts of the HTTP door, alone."""
