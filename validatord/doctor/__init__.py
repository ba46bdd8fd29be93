"""Is this machine fit to probe: names, addresses, DNS, stores; each finding with its fix."""
