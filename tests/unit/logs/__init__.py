"""What the log shows, and what systemd is told."""
