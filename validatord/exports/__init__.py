"""Results as files: CSV, JSON lines and Parquet, streamed by ranges of keys in flat memory."""
