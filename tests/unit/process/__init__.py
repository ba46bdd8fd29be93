"""The process and whoever runs it: reloads, notes, the service manager."""
