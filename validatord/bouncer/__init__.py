"""One batch: the story of uncertain addresses through the paid API."""
