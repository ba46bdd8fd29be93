"""The catalogue of personalities, by name."""

from validatord.sandbox import faults, vendors
from validatord.sandbox.personality import Personality

CATALOGUE: dict[str, Personality] = {one.name: one for one in (*vendors.VENDORS, *faults.FAULTS)}


def find_personality(name: str) -> Personality:
    """Return the personality of that name; a KeyError lists all names."""
    if name not in CATALOGUE:
        msg = f'no personality "{name}"; there are {", ".join(sorted(CATALOGUE))}'
        raise KeyError(msg)
    return CATALOGUE[name]
