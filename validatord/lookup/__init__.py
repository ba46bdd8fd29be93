"""DNS: where a domain takes its mail, who runs those hosts, what the domain publishes about itself."""
