"""What an address costs before anybody is asked: syntax, risk lists, suggestion; bounds are kept as ratios.

Run by `make bench`, never by `make test`. The reference is that of `test_judging`. Nothing is answered from memory:
names are as long as real ones, each is met once, and every fifth is a slip.
"""

import random
import string
import timeit
from collections.abc import Callable
from typing import Any

from tests.bench.test_judging import reference
from validatord.mail.parse import parse_address
from validatord.rules.risk import RiskLists
from validatord.rules.suggest import Suggester
from validatord.settings import PolicySettings

# References; where one takes 5.3 µs, as on the machine of docs/performance.md, these are 120 µs and 50 µs.
BOUND_RATIO, SUGGEST_RATIO = 22.0, 9.4
_COUNT = 2000
_SUFFIXES = ("com", "com", "com", "de", "fr", "co.uk", "net", "org", "info", "con")
_TARGETS = ("gmail.com", "yahoo.com", "hotmail.com", "outlook.com", "protonmail.com", "comcast.net", "wanadoo.fr")
_LISTS = RiskLists.load(PolicySettings())


def make_slip(rng: random.Random) -> str:
    """Make a name with one letter changed, too many or missing."""
    name, _, suffix = rng.choice(_TARGETS).partition(".")
    place = rng.randrange(1, len(name))
    middle = rng.choice(("", rng.choice(string.ascii_lowercase), rng.choice(string.ascii_lowercase) + name[place]))
    return f"{name[:place]}{middle}{name[place + 1 :]}.{suffix}"


def make_domains(share_of_slips: float) -> list[str]:
    """Make domains of 4 to 14 letters, some of them slips; the slips repeat, as they do in lists."""
    rng = random.Random(7)
    found: list[str] = []
    for _ in range(_COUNT):
        name = "".join(rng.choices(string.ascii_lowercase, k=rng.randint(4, 14)))
        found.append(make_slip(rng) if rng.random() < share_of_slips else f"{name}.{rng.choice(_SUFFIXES)}")
    return found


def make_addresses() -> list[str]:
    """Make addresses, every ninth that of a role."""
    return [
        f"{'info' if number % 9 == 0 else f'first.last{number}'}@{domain}"
        for number, domain in enumerate(make_domains(0.2))
    ]


def best_of(work: Callable[[], object], number: int = 1, rounds: int = 15) -> float:
    """Return seconds per call in the quickest round."""
    return min(timeit.repeat(work, number=number, repeat=rounds)) / number


def test_syntax_risk_and_suggestion_of_an_address(benchmark: Any) -> None:
    """Syntax, risk and suggestion cost an address at most so many references."""
    addresses = make_addresses()

    def work() -> None:
        lists = _LISTS.using(Suggester())
        for address in addresses:
            lists.flags(parse_address(address))

    benchmark(work)
    ratio = best_of(work) / len(addresses) / best_of(reference, number=2000)
    benchmark.extra_info["ratio"] = round(ratio, 2)
    assert ratio <= BOUND_RATIO


def test_suggestions_in_bulk(benchmark: Any) -> None:
    """20,000 unlike domains a second, half of them slips: each costs at most so many references."""
    domains = list(dict.fromkeys(make_domains(0.5)))
    fresh = Suggester()

    def work() -> None:
        for domain in domains:
            fresh._find(domain)  # past what is remembered

    benchmark(work)
    ratio = best_of(work) / len(domains) / best_of(reference, number=2000)
    benchmark.extra_info["ratio"] = round(ratio, 2)
    assert ratio <= SUGGEST_RATIO
