"""Loading, checking, showing and reloading settings."""
