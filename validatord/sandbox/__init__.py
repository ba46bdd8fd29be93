"""A small internet in one process, on loopback: DNS and MX hosts of many kinds, for the demo and the tests."""
