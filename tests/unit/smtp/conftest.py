"""Profiles of the property tests: `--hypothesis-profile=thorough` looks at 10,000 examples each."""

import hypothesis

hypothesis.settings.register_profile("thorough", max_examples=10_000, deadline=None)
