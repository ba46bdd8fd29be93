"""Lanes, breakers, buckets and backoff, on a clock that stands still."""
