"""Acceptance tests say what they found, also in the words they share."""

import pytest

pytest.register_assert_rewrite("tests.acceptance.play")
