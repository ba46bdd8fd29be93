"""The doctor's examinations, against a name server and an MX host on loopback."""
