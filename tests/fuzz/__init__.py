"""Fuzzing of everything that reads what strangers wrote; the corpus is replayed by tests/unit/fuzz."""
