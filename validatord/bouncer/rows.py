"""Rows of a download: read one after the other, tolerant of a row's oddities, strict about the whole.

One row that cannot be used is set aside and kept as it came; a body that is broken anywhere is not believed at all.
"""

import contextlib
import gzip
import hashlib
import json
import time
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, cast

import idna

from validatord.bouncer.wire import Unreadable, as_integer
from validatord.store.bouncer_ingest import Incoming
from validatord.store.values import clean_json, clean_text

Value = TypeVar("Value")

# Of two rows about one address the more decisive one counts; between yes and no the one that is safe to believe.
_WEIGHTS = {"undeliverable": 4, "deliverable": 3, "risky": 2, "unknown": 1}
_COLUMNS = frozenset(
    {"email", "status", "reason", "domain", "account", "dns", "provider", "score", "toxic", "toxicity"}
)
_TEXT_LIMIT = 300
_BREATH = 20  # items, about a millisecond
_EXTRA_LIMIT = 20_000  # bytes of JSON kept of members that have no column
_MOST_SCORE = 100


def unpack(parts: Iterable[bytes]) -> str:
    """Return the text of a stored download.

    Raises:
        Unreadable: it is no UTF-8.
    """
    try:
        return gzip.decompress(b"".join(parts)).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise Unreadable(f"the results are broken: {type(error).__name__}") from None


def _refuse_constant(name: str) -> float:
    raise Unreadable(f"the results hold {name}, which is no JSON")


def iterate_rows(text: str) -> Iterator[Any]:
    """Yield the members of a JSON array one after the other, so that no step takes long.

    Raises:
        Unreadable: it is no array, or broken anywhere.
    """
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    place = _skip_space(text, 0)
    if text[place : place + 1] != "[":
        raise Unreadable("the results are no array")
    place = _skip_space(text, place + 1)
    is_first = True
    while not (is_first and text[place : place + 1] == "]"):
        try:
            row, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"the results are broken: {type(error).__name__}") from None
        yield row
        is_first = False
        place = _skip_space(text, place)
        if text[place : place + 1] == "]":
            break
        if text[place : place + 1] != ",":
            raise Unreadable("the results are broken: an array without its end")
        place = _skip_space(text, place + 1)
    if _skip_space(text, place + 1) < len(text):
        raise Unreadable("there is more behind the results")


def _skip_space(text: str, place: int) -> int:
    while text[place : place + 1] in {" ", "\n", "\r", "\t"}:
        place += 1
    return place


def count_rows(parts: Iterable[bytes]) -> int:
    """Return how many rows a download holds.

    Raises:
        Unreadable: it is not whole.
    """
    return sum(1 for _ in breathe(iterate_rows(unpack(parts))))


def breathe(items: Iterable[Value]) -> Iterator[Value]:
    """Yield items, letting other threads go first every few: the event loop must not wait for us."""
    for number, item in enumerate(items):
        if number % _BREATH == 0:
            time.sleep(0)
        yield item


def make_key(email: str) -> str:
    """Return what an address is matched by, however it is echoed: case, spaces, dots and IDNA do not matter."""
    local_part, at, domain = email.strip().rpartition("@")
    domain = domain.rstrip(".")
    if not domain.isascii():
        # What is no domain stays as it is: it matches nothing and is counted as foreign.
        with contextlib.suppress(UnicodeError):
            domain = idna.encode(domain, uts46=True).decode()
    return _lower_ascii(clean_text(f"{unicodedata.normalize('NFC', local_part)}{at}{domain}"))


def _lower_ascii(text: str) -> str:
    """The same as the ledger's `lower(… COLLATE "C")`."""
    return text.lower() if text.isascii() else "".join(c.lower() if c.isascii() else c for c in text)


def read_row(raw: object, batch: int, seq: int) -> Incoming:
    """Read one row; what cannot be used at all is marked as quarantined and kept as it came."""
    row = cast("dict[str, Any]", raw) if isinstance(raw, dict) else {}
    email, status = row.get("email"), row.get("status")
    digest = hashlib.blake2b(json.dumps(raw, sort_keys=True).encode(), digest_size=12).hexdigest()
    is_good = isinstance(email, str) and isinstance(status, str) and bool(email) and bool(status)
    text = clean_text(str(email), _TEXT_LIMIT) if isinstance(email, str) else ""
    if not is_good:
        kept = _bound_extra({"row": raw})
        return Incoming(batch, seq, make_key(text), text, True, 0, digest, extra=kept, notes=["quarantined"])
    notes: list[str] = []
    status = clean_text(str(status), 50)
    return Incoming(
        batch_id=batch,
        seq=seq,
        key=make_key(text),
        email=text,
        is_quarantined=False,
        weight=_WEIGHTS.get(status, 0),
        digest=digest,
        bouncer_status=status,
        bouncer_reason=_read_text(row, "reason", notes),
        domain_info=_read_info(row, "domain", notes),
        account_info=_read_info(row, "account", notes),
        dns_info=_read_info(row, "dns", notes),
        provider=_read_text(row, "provider", notes),
        score=_read_score(row, notes),
        toxic=_read_text(row, "toxic", notes),
        toxicity=_read_number(row, "toxicity", notes),
        extra=_bound_extra({name: value for name, value in row.items() if name not in _COLUMNS}),
        notes=notes or None,
    )


def _read_text(row: dict[str, Any], name: str, notes: list[str]) -> str | None:
    value = _plain(row.get(name))
    if value is None or isinstance(value, str):
        return clean_text(value, 100) if value else None
    notes.append(f"odd_{name}")
    return None


def _plain(value: object) -> object:
    """Some clients of YAML turn yes and no into booleans."""
    return ("yes" if value else "no") if isinstance(value, bool) else value


def _read_info(row: dict[str, Any], name: str, notes: list[str]) -> dict[str, Any] | None:
    value = row.get(name)
    if value is None:
        return None
    if not isinstance(value, dict):
        notes.append(f"odd_{name}")
        return None
    members = cast("dict[str, Any]", value)
    return _bound_extra({key: _plain(member) for key, member in members.items()})


def _read_number(row: dict[str, Any], name: str, notes: list[str]) -> int | None:
    value = row.get(name)
    found = as_integer(value)
    if value is not None and found is None:
        notes.append(f"odd_{name}")
    return found


def _read_score(row: dict[str, Any], notes: list[str]) -> int | None:
    found = _read_number(row, "score", notes)
    if found is None or 0 <= found <= _MOST_SCORE:
        return found
    notes.append("odd_score")
    return None


def _bound_extra(members: dict[str, Any]) -> dict[str, Any] | None:
    """Keep what there is, as far as it is of a sane size."""
    if not members:
        return None
    cleaned = cast("dict[str, Any]", clean_json(members))
    if len(json.dumps(cleaned)) <= _EXTRA_LIMIT:
        return cleaned
    return dict.fromkeys(list(cleaned)[:20], "dropped: too long")
