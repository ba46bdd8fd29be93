"""What the rules cost, by pytest-benchmark: every test_*.py of this folder, which `make test` leaves alone."""

import sys
from pathlib import Path

import pytest

_OPTIONS = ("-q", "-p", "no:cacheprovider", "--benchmark-columns=min,median,ops", "--benchmark-disable-gc")

if __name__ == "__main__":
    sys.exit(pytest.main([str(Path(__file__).parent), *_OPTIONS]))
