"""Opens lists of addresses for commands: given as words, a file, or standard input."""

import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from validatord.errors import ConfigurationError
from validatord.intake.reading import InputRow, read_addresses


@contextmanager
def open_rows(sources: Sequence[str], column: str) -> Generator[Iterator[InputRow]]:
    """Open addresses given as they are, one file, or standard input."""
    if len(sources) == 1 and sources[0] == "-":
        yield read_addresses(sys.stdin.buffer, column=column, name="standard input")
    elif len(sources) == 1 and (Path(sources[0]).is_file() or "@" not in sources[0]):
        try:
            with Path(sources[0]).open("rb") as stream:
                yield read_addresses(stream, column=column, name=sources[0])
        except OSError as error:
            raise ConfigurationError([f"{sources[0]}: {error.strerror}"]) from error
    else:
        yield (InputRow(number, address.strip()) for number, address in enumerate(sources, start=1))
