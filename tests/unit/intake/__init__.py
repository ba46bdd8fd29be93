"""Chunks, payloads and jobs, without Redis."""
