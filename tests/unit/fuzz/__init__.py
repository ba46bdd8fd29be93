"""The corpus, replayed."""
