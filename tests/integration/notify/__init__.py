"""Webhooks against a receiver that does what it likes."""
