"""Unit tests of verification/."""
