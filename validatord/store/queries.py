"""The named SQL blocks of `sql/queries/*.sql`.

A block is `-- name --` on a line of its own, a comment of one sentence, then one statement.
No SQL text stands in Python; `tests/house` has every block prepared by a real server.
"""

import re

from validatord import data, errors

_HEADING = re.compile(r"^-- (\w+) --$", re.MULTILINE)


def load(family: str) -> dict[str, str]:
    """Return the statements of one file by their names."""
    return parse(data.read_text(f"sql/queries/{family}.sql"), family)


def parse(text: str, family: str) -> dict[str, str]:
    """Cut a file into its blocks; a name twice, or a block without its sentence, is an error."""
    parts = _HEADING.split(text)[1:]
    found: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        statement = body.strip()
        if name in found or not statement.startswith("-- "):
            raise errors.StoreError(f'sql/queries/{family}.sql: the block "{name}" is doubled or has no sentence')
        found[name] = f"/* {family}.{name} */ {statement.rstrip(';')}"
    return found
