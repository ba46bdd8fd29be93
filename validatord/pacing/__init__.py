"""How fast and how much at once: lanes, breakers, buckets, backoff; asyncio only."""
