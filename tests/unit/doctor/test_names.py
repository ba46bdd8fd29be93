"""Names that receivers refuse are found without asking anybody."""

import pytest

from validatord.doctor.names import check_identity_names, find_name_problem
from validatord.settings import Settings


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("localhost", "no dot"),
        ("LOCALHOST.", "no dot"),
        ("mailer", "no dot"),
        ("192.0.2.1", "IP address"),
        ("[192.0.2.1]", "IP address"),
        ("[IPv6:2001:db8::1]", "IP address"),
        ("2001:db8::1", "IP address"),
        ("probe.local", "nobody outside"),
        ("probe.home.arpa", "nobody outside"),
        ("mail.office.internal", "nobody outside"),
        ("localhost.localdomain", "nobody outside"),
        ("mail.google.com", "large mail provider"),
        ("mx1.hotmail.com", "large mail provider"),
        ("GMAIL.COM", "large mail provider"),
        ("mail.protection.outlook.com", "large mail provider"),
        ("probe.verify.example.com", ""),
        ("local.example.com", ""),
        ("notgmail.com", ""),
        ("mail.notgmail.com.", ""),
    ],
)
def test_names(name: str, problem: str) -> None:
    """A name must have a dot, be no address, be known outside and belong to us."""
    found = find_name_problem(name)
    assert (problem in found) if problem else found == ""


def test_every_identity_is_examined() -> None:
    """Each problem names its identity and its key; the null path is no problem."""
    settings = Settings.of(
        identities=[
            {"name": "good", "helo_name": "probe.example.com", "envelope_sender": "probe@example.com"},
            {"name": "null", "helo_name": "probe.example.com", "envelope_sender": ""},
            {"name": "bad", "helo_name": "mailer", "envelope_sender": "someone@gmail.com"},
        ]
    )
    first, second = check_identity_names(settings)
    assert first.startswith('identity "bad": helo_name mailer has no dot')
    assert second.startswith('identity "bad": the domain of envelope_sender someone@gmail.com belongs to')


def test_the_defaults_cannot_be_used() -> None:
    """Who starts without any settings is told, before a receiver has to."""
    assert len(check_identity_names(Settings())) == 2
