"""Unit tests of exports/."""
