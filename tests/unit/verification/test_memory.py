"""What the process remembers of its way out and of hosts."""

from datetime import timedelta

from validatord.verification.memory import Memory


def test_silence_of_many_is_told_once(logged: list[str]) -> None:
    """Twenty hosts without a word: the way out is closed, said once and no more."""
    memory = Memory()
    for number in range(50):
        memory.note_silence("default", f"mx{number}.example")
        memory.note_silence("default", f"mx{number}.example")
    assert len([line for line in logged if "port 25" in line]) == 1
    assert not memory.has_greeting("default")


def test_one_greeting_is_enough(logged: list[str]) -> None:
    """From then on silence is the host's own; other identities have ways of their own."""
    memory = Memory()
    memory.note_greeting("one")
    for number in range(50):
        memory.note_silence("one", f"mx{number}.example")
    assert memory.has_greeting("one")
    assert not memory.has_greeting("two")
    assert logged == []


def test_the_memory_of_hosts_is_bounded() -> None:
    """Ten thousand hosts at most; the one noted longest ago is forgotten."""
    memory = Memory()
    for number in range(10_001):
        memory.note_tls(f"mx{number}.example", wanted=False)
    assert memory.find_tls("mx0.example") is None
    assert memory.find_tls("mx10000.example") is False


def test_what_was_taken_lately() -> None:
    """A recipient accepted within the window, in this lane."""
    memory = Memory()
    window = timedelta(minutes=10)
    assert not memory.took_lately("here/a", 0.0, window)
    memory.note_taken("here/a", 100.0)
    assert memory.took_lately("here/a", 699.0, window)
    assert not memory.took_lately("here/a", 700.0, window)
    assert not memory.took_lately("here/b", 101.0, window)


def test_the_second_provider_makes_an_alarm_of_a_refused_sender() -> None:
    """One alone may err, and a third adds nothing."""
    memory = Memory()
    heard = [memory.note_sender_refused("default", key) for key in ("a", "a", "b", "c", "a")]
    assert heard == [False, False, True, False, False]
