"""The HTTP API of Reacher, for its clients to go on working: same paths, same keys, same order, our verdicts."""
