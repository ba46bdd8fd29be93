"""One visit: the story of a domain's due mailboxes from DNS to record."""
