"""Unit tests of loops/."""
