"""Figures: what may be told, and what is read of them."""
