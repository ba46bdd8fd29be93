"""Which mailboxes exist."""

import pytest

from validatord.mail.verdict import Reason, Status
from validatord.sandbox import mailboxes, personalities
from validatord.sandbox.mailboxes import MailboxState
from validatord.sandbox.spec import DomainSpec
from validatord.sandbox.truth import expected_outcomes


@pytest.mark.parametrize(
    ("local_part", "state"),
    [
        ("user0001", MailboxState.ACCEPTED),
        ("USER.x+tag", MailboxState.ACCEPTED),
        ("postmaster", MailboxState.ACCEPTED),
        ("büro", MailboxState.ACCEPTED),
        ("username", MailboxState.UNKNOWN),
        ("unknown7", MailboxState.UNKNOWN),
        ("full12", MailboxState.FULL),
        ("brimful1", MailboxState.FULL_FOR_NOW),
        ("disabled-3", MailboxState.DISABLED),
        ("busy1", MailboxState.BUSY),
        ("forward1", MailboxState.FORWARDED),
        ("moved1", MailboxState.NOT_LOCAL),
        ("policy1", MailboxState.UNCLEAR),
        ("slow1", MailboxState.SLOW),
        ("qz3k7mmx2vb4ytha", MailboxState.UNKNOWN),
        ("amber.finch4821", MailboxState.UNKNOWN),
    ],
)
def test_state_follows_from_the_local_part(local_part: str, state: MailboxState) -> None:
    """The beginning of the name decides; shapes of control recipients never exist."""
    assert mailboxes.find_state(local_part) is state


def test_people_like_names_mostly_exist() -> None:
    """A name of two words is decided by its hash: most exist, some do not, always the same."""
    words = ("amber", "bold", "calm", "dune", "elm", "fern", "grove", "heath", "iris", "juniper")
    states = [mailboxes.find_state(f"{left}.{right}") for left in words for right in words]

    assert 75 <= states.count(MailboxState.ACCEPTED) <= 98
    assert set(states) == {MailboxState.ACCEPTED, MailboxState.UNKNOWN}


def test_truth_knows_the_domain_and_the_host() -> None:
    """The same mailbox is judged by what its domain and its MX host let anybody see."""
    plain, open_domain = DomainSpec(), DomainSpec(accepts_all=True)
    postfix, utf8 = personalities.find_personality("postfix"), personalities.find_personality("smtputf8")

    assert expected_outcomes("unknown1", plain, postfix)[0] == (Status.INVALID, Reason.NO_SUCH_MAILBOX)
    assert expected_outcomes("unknown1", open_domain, postfix)[0] == (Status.ACCEPT_ALL, Reason.ACCEPT_ALL)
    assert expected_outcomes("büro", plain, postfix)[0] == (Status.INVALID, Reason.SMTPUTF8_UNSUPPORTED)
    assert expected_outcomes("büro", plain, utf8)[0] == (Status.VALID, Reason.ACCEPTED)
    assert expected_outcomes("postmaster", plain, personalities.find_personality("m365"))[0][0] is Status.INVALID


def test_unknown_personality_is_named_with_all_others() -> None:
    """A wrong name says which names there are."""
    with pytest.raises(KeyError, match="postfix"):
        personalities.find_personality("sendfix")
