"""Slots grow slowly and shrink at once; the line is fair."""

import asyncio

import pytest

from tests.fakes.clock import settle
from validatord.pacing.slots import Line, Slots, find_result


def good_turn(slots: Slots) -> bool:
    slots.hear_answer()
    return slots.end_turn()


def test_slots_grow_by_one_per_full_cohort() -> None:
    """One slot more needs as many good turns as there are slots; the ceiling holds."""
    slots = Slots(4, is_slow_start=True)
    limits = []
    for _ in range(12):
        good_turn(slots)
        limits.append(slots.limit)
    assert limits == [2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4]
    assert repr(slots) == "<Slots 4 of 4>"


def test_a_turn_without_an_answer_is_no_good_turn() -> None:
    """Many answers in one turn count once, and a turn that heard nothing counts not at all."""
    slots = Slots(4, is_slow_start=True)
    assert slots.end_turn() is False
    for _ in range(10):
        slots.hear_answer()
    assert slots.end_turn() is True
    assert slots.end_turn() is False
    assert slots.limit == 2


def test_a_run_of_failures_halves_once() -> None:
    """The slots are halved where a run of failures begins, never below one, and grow again after it."""
    slots = Slots(8, is_slow_start=False)
    slots.hear_failure()
    slots.hear_failure()
    assert slots.limit == 4
    assert repr(slots) == "<Slots 4 of 8, failing>"
    slots.hear_answer()
    slots.hear_failure()
    assert slots.limit == 2
    for _ in range(3):
        slots.hear_answer()
        slots.hear_failure()
    assert slots.limit == 1
    assert good_turn(slots)
    assert slots.limit == 2


def test_a_failure_spoils_the_cohort() -> None:
    """A turn in which something failed after the answers is no good one."""
    slots = Slots(4, is_slow_start=True)
    slots.hear_answer()
    slots.hear_failure()
    assert slots.end_turn() is False
    assert slots.limit == 1


@pytest.mark.parametrize(("is_slow_start", "limit"), [(True, 1), (False, 6)])
def test_where_slots_begin_and_begin_again(is_slow_start: bool, limit: int) -> None:
    """With slow start a lane begins with one slot, also after a breaker closed; without it with all."""
    slots = Slots(6, is_slow_start=is_slow_start)
    assert slots.limit == limit
    slots.hear_failure()
    slots.restart()
    assert slots.limit == limit


def test_another_ceiling_holds_at_once() -> None:
    """A lower ceiling cuts; a higher one is grown into, or taken at once without slow start."""
    slots = Slots(4, is_slow_start=True)
    for _ in range(9):
        good_turn(slots)
    slots.apply(2, is_slow_start=True)
    assert slots.limit == 2
    slots.apply(9, is_slow_start=True)
    assert slots.limit == 2
    slots.apply(9, is_slow_start=False)
    assert slots.limit == 9


async def test_the_line_is_by_priority_then_by_arrival() -> None:
    """Higher priorities go first; equal ones in the order they came."""
    line: Line[str] = Line()
    places = {name: line.join(priority) for name, priority in [("a", 50), ("b", 75), ("c", 50), ("d", 75)]}
    names = {place: name for name, place in places.items()}
    assert len(line) == 4
    order = []
    while (place := line.call_next()) is not None:
        order.append(names[place])
    assert order == ["b", "d", "a", "c"]


async def test_whoever_left_the_line_is_passed_over() -> None:
    """A cancelled place is not called."""
    line: Line[str] = Line()
    left, stays = line.join(50), line.join(50)
    left.cancel()
    assert len(line) == 1
    assert line.call_next() is stays
    assert line.call_next() is None


async def test_everybody_can_be_sent_home() -> None:
    """Each one who waits gets an error of its own."""
    line: Line[str] = Line()
    places = [line.join(50) for _ in range(3)]
    line.turn_away(lambda: ValueError("closed"))
    errors = [place.exception() for place in places]
    assert all(isinstance(error, ValueError) for error in errors)
    assert len({id(error) for error in errors}) == 3
    assert len(line) == 0


async def test_only_a_place_that_was_given_something_has_a_result() -> None:
    """A place still waited on, given up, or turned away holds nothing to give back."""
    line: Line[str] = Line()
    waiting, given, cancelled, refused = (line.join(50) for _ in range(4))
    given.set_result("turn")
    cancelled.cancel()
    refused.set_exception(ValueError("closed"))
    assert [find_result(place) for place in (waiting, given, cancelled, refused)] == [None, "turn", None, None]
    waiting.cancel()
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}
