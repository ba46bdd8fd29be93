"""Whatever stands in a job, it is read into values or refused with a reason; nothing is executed."""

import pickle
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from validatord.intake import wire
from validatord.mail.request import Priority

FUNCTIONS = frozenset({"submit", "revalidate", "record_events"})
CONTACT = UUID("00000000-0000-4000-8000-000000000001")
NOW = datetime(2026, 5, 1, tzinfo=UTC)


def write_job(**changes: Any) -> bytes:
    """A good job with changes."""
    job = {"f": "submit", "a": [], "k": {"client": "crm"}, "t": None, "et": 1_700_000_000_000}
    return orjson.dumps({**job, **changes})


def make_arguments(**changes: Any) -> dict[str, Any]:
    """Good arguments of `submit` with changes."""
    return {"client": "crm", "submission": "spring", "addresses": ["a@example.com"], **changes}


class Bomb:
    """Unpickling it would create a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (self.path, "w"))


def test_good_job() -> None:
    """A good job becomes a call of its function with its arguments and the bytes it came in."""
    data = write_job()
    found = wire.read_job(data, FUNCTIONS)

    assert found == {"f": "submit", "a": ({"client": "crm"}, data), "k": {}, "t": None, "et": 1_700_000_000_000}


def test_pickle_is_never_read(tmp_path: Path) -> None:
    """A pickled job is refused by name, and what it would have done is not done."""
    path = tmp_path / "owned"
    data = pickle.dumps({"f": "submit", "a": (Bomb(str(path)),), "k": {}, "t": None, "et": 0})

    found = wire.read_job(data, FUNCTIONS)

    assert found["f"] == wire.REJECT
    assert "pickle" in found["a"][1]
    assert not path.exists()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no arq job"),
        (b"1", "no arq job"),
        (write_job(f="unheard_of"), "no such function"),
        (write_job(f=None), "no such function"),
        (write_job(f=wire.REJECT), "no such function"),
        (write_job(a=[1]), "by name"),
        (write_job(k=[]), "by name"),
        (b"{}", "no such function"),
    ],
)
def test_bad_jobs(data: bytes, reason: str) -> None:
    """What is no job for us becomes a call of `reject` that says why and keeps a bounded piece of it."""
    found = wire.read_job(data, FUNCTIONS)

    assert found["f"] == wire.REJECT
    assert reason in found["a"][1]
    assert len(found["a"][2]) <= 2000


@pytest.mark.parametrize("when", [10**30, -5, "soon", None, 1.5, int(time.time() * 1000) + 10**9])
def test_foreign_clocks(when: Any) -> None:
    """A time that cannot be is taken as now: arq counts with it."""
    found = wire.read_job(write_job(et=when) if not isinstance(when, int) or when < 2**63 else b"{}", FUNCTIONS)

    assert 0 < found["et"] <= time.time() * 1000


def test_foreign_tries_do_not_count() -> None:
    """A job cannot say that it was tried a million times already."""
    assert wire.read_job(write_job(t=10**9), FUNCTIONS)["t"] is None


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    """No bytes make reading a job fail."""
    assert wire.read_job(data, FUNCTIONS)["f"] in {*FUNCTIONS, wire.REJECT}


def test_whole_chunk() -> None:
    """Every argument arrives; what is no text stands as None in its place."""
    found = wire.read_chunk(
        make_arguments(
            addresses=["a@example.com", 5, None],
            contact_ids=[str(CONTACT), None, None],
            first_index=500,
            priority="high",
            expected=1200,
            campaign_at="2031-05-01T08:00:00+02:00",
        )
    )

    assert found == wire.SubmittedChunk(
        client="crm",
        submission="spring",
        addresses=("a@example.com", None, None),
        first_index=500,
        contact_ids=(CONTACT, None, None),
        priority=Priority.HIGH,
        expected=1200,
        campaign_at=datetime(2031, 5, 1, 6, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"addresses": []}, "addresses: is empty"),
        ({"addresses": "a@example.com"}, "addresses: must be a list"),
        ({"addresses": ["a"] * 10_001}, "addresses: more than 10000"),
        ({"client": ""}, "client: must be a text"),
        ({"client": "x" * 101}, "client: must be a text"),
        ({"client": "a\0b"}, "client: must be a text"),
        ({"submission": None}, "submission: must be a text"),
        ({"priority": "urgent"}, "priority: is none of"),
        ({"priority": []}, "priority: is none of"),
        ({"first_index": -1}, "first_index: must be a number"),
        ({"first_index": 2**31}, "first_index: must be a number"),
        ({"first_index": True}, "first_index: must be a number"),
        ({"contact_ids": ["x"]}, "contact_ids[0]: is no UUID"),
        ({"contact_ids": [1]}, "contact_ids[0]: is no UUID"),
        ({"contact_ids": [None, None]}, "contact_ids: are not as many"),
        ({"campaign_at": "2031-05-01"}, "campaign_at: is no ISO 8601 time with a zone"),
        ({"campaign_at": 5}, "campaign_at: is no ISO 8601 time with a zone"),
        ({"colour": 1}, "unknown argument 'colour'"),
    ],
)
def test_bad_chunks(changes: dict[str, Any], problem: str) -> None:
    """A wrong argument is named."""
    with pytest.raises(wire.Unreadable) as caught:
        wire.read_chunk(make_arguments(**changes))

    assert problem in str(caught.value)


def test_good_events_stand_beside_bad_ones() -> None:
    """One bad event costs nothing but itself, and is named by its place."""
    good = {"email": "A@EXAMPLE.com", "event_type": "click"}
    found = wire.read_events({"events": [good, {**good, "email": 5}, good, {**good, "event_type": "sent"}]}, NOW)

    assert [event.email for event in found.events] == ["A@example.com", "A@example.com"]
    assert [problem.split(":")[0] for problem in found.problems] == ["events[1].email", "events[3].event_type"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*sorted(make_arguments()), "contact_ids", "first_index", "priority"]), JSON))
def test_any_arguments(changes: dict[str, Any]) -> None:
    """Any JSON is a chunk or Unreadable, for chunks and for events."""
    for read in (
        lambda: wire.read_chunk(make_arguments(**changes)),
        lambda: wire.read_events({"events": [changes]}, NOW),
    ):
        try:
            read()
        except wire.Unreadable as error:
            assert str(error)  # noqa: PT017 either way is right


def test_events() -> None:
    """An event without a time happened when the job was sent; other zones become UTC."""
    found = wire.read_events(
        {
            "events": [
                {"email": "a@example.com", "event_type": "open"},
                {"email": "b@example.com", "event_type": "reply", "event_at": "2026-04-01T12:00:00+02:00"},
            ]
        },
        NOW,
    )

    assert found.problems == []
    assert [event.event_at for event in found.events] == [NOW, datetime(2026, 4, 1, 10, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (5, "events[0]: is no object"),
        ({"email": "a@example.com", "event_type": "bounce"}, "events[0].event_type"),
        ({"event_type": "open"}, "email: must be a text"),
        ({"email": "a", "event_type": "open"}, "events[0].email: There is no @"),
        ({"email": "a@example.com", "event_type": "open", "event_at": "2036-01-01T00:00:00Z"}, "lies in the future"),
        ({"email": "a@example.com", "event_type": "open", "event_at": "2026-04-01T12:00:00"}, "events[0].event_at"),
        (
            {"email": "a@example.com", "event_type": "open", "event_at": "0001-01-01T00:00:00+14:00"},
            "events[0].event_at",
        ),
        ({"email": "a@example.com", "event_type": "open", "campaign_id": "x"}, "events[0].campaign_id"),
    ],
)
def test_bad_events(event: Any, problem: str) -> None:
    """A wrong member is named with the place of its event."""
    with pytest.raises(wire.Unreadable) as caught:
        wire.read_events({"events": [event]}, NOW)

    assert problem in str(caught.value)
