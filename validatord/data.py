"""Where the files live that are data and not code: SQL, the provider table, lists, the example settings.

An installed package carries them in `_data/`; a checkout has them beside the package. Read-only.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
# The wheel's copy first: what stands beside an installed package is not ours.
_ROOTS = (_PACKAGE / "_data", _PACKAGE.parent)


def get_path(relative: str) -> Path:
    """Return the path of a data file or folder such as "sql/migrations".

    Raises:
        FileNotFoundError: it is in neither place; the package is not whole.
    """
    for root in _ROOTS:
        found = root / relative
        if found.exists():
            return found
    msg = f"{relative} belongs to validatord and is missing: the installation is not whole"
    raise FileNotFoundError(msg)


def read_text(relative: str) -> str:
    """Return the text of a data file such as "config/providers.toml"."""
    return get_path(relative).read_text(encoding="utf-8")


def list_files(folder: str, suffix: str) -> list[Path]:
    """Return the files of a data folder with that suffix, sorted by name."""
    return sorted(path for path in get_path(folder).iterdir() if path.suffix == suffix)
