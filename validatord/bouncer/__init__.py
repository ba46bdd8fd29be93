"""One batch of the paid second opinion: collect, create, poll, download, ingest, delete; money moves at most once."""
