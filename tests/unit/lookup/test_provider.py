"""The provider table."""

from datetime import timedelta
from pathlib import Path

import pytest

from validatord import errors
from validatord.lookup.provider import ProviderDirectory, network_key
from validatord.mail.mx import MXHost
from validatord.mail.provider import Pace
from validatord.mail.suffix import find_registrable_domain

SHIPPED = Path(__file__).parents[3] / "config" / "providers.toml"
DEFAULT = Pace(sessions=3, session_interval=timedelta(seconds=5), rcpt_per_minute=42, rcpt_per_envelope=7)


@pytest.fixture(scope="module")
def shipped() -> ProviderDirectory:
    return ProviderDirectory.load(SHIPPED.read_text(encoding="utf-8"), DEFAULT)


def host(name: str, canonical: str = "") -> MXHost:
    return MXHost(name, 10, (), canonical)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("aspmx.l.google.com", "google"),
        ("gmail-smtp-in.l.google.com", "google"),
        ("aspmx3.googlemail.com", "google"),
        ("example.s7a1.psmtp.com", "google"),
        ("example-com.mail.protection.outlook.com", "microsoft"),
        ("example-com.p-v1.mx.microsoft", "microsoft"),
        ("hotmail-com.olc.protection.outlook.com", "microsoft-olc"),
        ("mta5.am0.yahoodns.net", "yahoo"),
        ("mx1.mail.icloud.com", "apple"),
        ("mxa-00000000.gslb.pphosted.com", "proofpoint"),
        ("mx1-us1.ppe-hosted.com", "proofpoint"),
        ("eu-smtp-inbound-1.mimecast.com", "mimecast"),
        ("d1.ess.barracudanetworks.com", "barracuda"),
        ("mx1.example.iphmx.com", "cisco"),
        ("cluster1.eu.messagelabs.com", "messagelabs"),
        ("mailstore1.secureserver.net", "godaddy"),
        ("mx1.emailsrvr.com", "rackspace"),
        ("mx00.kundenserver.de", "united-internet"),
        ("mx00.gmx.net", "united-internet"),
        ("mx-ha02.web.de", "united-internet"),
        ("mx00.1and1.com", "united-internet"),
        ("mx00.t-online.de", "t-online"),
        ("mxs.mail.ru", "mail-ru"),
        ("mx.yandex.net", "yandex"),
        ("mx3.qq.com", "tencent"),
        ("163mx01.mxmail.netease.com", "netease"),
        ("qiye163mx01.mxmail.163.com", "netease"),
        ("mx.zoho.com", "zoho"),
        ("mx.zoho.eu", "zoho"),
        ("mx1.mail.ovh.net", "ovh"),
        ("mx1a1.comcast.net", "comcast"),
        ("cxr.mx.a.cloudfilter.cox.net", "cox"),
        ("smtp-in.orange.fr", "orange"),
        ("smtp4.laposte.net", "laposte"),
        ("smtp-in.sfr.fr", "sfr"),
        ("mx1.free.fr", "free"),
    ],
)
def test_shipped_table_knows_the_large_receivers(shipped: ProviderDirectory, name: str, key: str) -> None:
    """Each receiver of the table is found by its MX hosts; the longest suffix wins."""
    assert shipped.find(host(name)).key == key
    assert shipped.find(host(name.upper() + ".")).key == key


def test_shipped_table_says_what_is_known_of_them(shipped: ProviderDirectory) -> None:
    """Who accepts everything and where postmaster is no control is marked, and nobody else."""
    providers = [
        shipped.find_by_key(key) for key in ("google", "microsoft", "microsoft-olc", "yahoo", "mail-ru", "apple")
    ]

    assert [provider.key for provider in providers if provider.accepts_everything] == ["yahoo", "mail-ru"]
    assert [provider.key for provider in providers if not provider.postmaster_control] == ["microsoft", "microsoft-olc"]


def test_pace_is_large_default_or_small(shipped: ProviderDirectory) -> None:
    """Large known receivers take more, known ones the settings, unknown small hosts least."""
    large, known, small = (
        shipped.find(host(name)).pace for name in ("aspmx.l.google.com", "mx1.free.fr", "mx.example.net")
    )

    assert (large.sessions, large.session_interval, large.rcpt_per_minute) == (4, timedelta(seconds=1), 120)
    assert known == DEFAULT
    assert (small.sessions, small.session_interval, small.sessions_per_hour) == (1, timedelta(seconds=10), 20)
    assert (small.rcpt_per_minute, small.refusals_per_session) == (20, 3)
    assert (small.unknown_ratio, small.unknown_window, small.rcpt_per_envelope) == (0.5, 8, 7)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("mx1.mail.example.com", "example.com"),
        ("mx.example.co.uk", "example.co.uk"),
        ("customer.github.io", "github.io"),
        ("mx.notgoogle.com", "notgoogle.com"),
        ("google.com.example.net", "example.net"),
        ("single", "single"),
    ],
)
def test_unknown_host_is_named_after_its_registrable_domain(shipped: ProviderDirectory, name: str, key: str) -> None:
    """A suffix counts on label borders only; private suffixes are one provider."""
    found = shipped.find(host(name))

    assert (found.key, found.name) == (key, key)
    assert shipped.find_by_key(key) == found


def test_alias_leads_to_the_provider_behind_it(shipped: ProviderDirectory) -> None:
    """A vanity name is paced as the pool it is an alias for; an unknown pool does not change its name."""
    assert shipped.find(host("mx.example.com", "aspmx.l.google.com")).key == "google"
    assert shipped.find(host("mx.example.com", "pool.example.net")).key == "example.com"


def test_own_table_of_a_provider_wins() -> None:
    """A provider's own word goes before [large], [large] before the default; without [small] the default holds."""
    text = """
        [large]
        sessions = 8
        rcpt_per_day = 100
        [providers.big]
        suffixes = ["example.com", "example.net"]
        is_large = true
        sessions = 5
        session_interval = "250ms"
    """
    directory = ProviderDirectory.load(text, DEFAULT)

    big = directory.find(host("mx.example.net")).pace
    assert (big.sessions, big.rcpt_per_day, big.session_interval) == (5, 100, timedelta(milliseconds=250))
    assert directory.find(host("mx.example.org")).pace == DEFAULT
    assert repr(directory) == "ProviderDirectory(providers=1, suffixes=2)"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('[providers.a]\nsuffixes = ["example.com"]\nspeed = 1', ("[providers.a] speed", "unknown key")),
        ("[tiny]\nsessions = 1", ("[tiny]", "unknown key")),
        ("[small]\nsessions = 0", ("[small] sessions", "greater than or equal to 1")),
        ("[small]\nunknown_ratio = 2.0", ("[small] unknown_ratio", "less than or equal to 1")),
        ('[large]\nsession_interval = "soon"', ("[large] session_interval", "duration")),
        ('[providers.a]\nname = "A"', ("[providers.a] suffixes", "required")),
        ("[providers.a]\nsuffixes = []", ("[providers.a] suffixes", "at least 1")),
        ('[providers.a]\nsuffixes = ["Example.COM"]', ("[providers.a] suffixes", "pattern")),
        ('[providers."A b"]\nsuffixes = ["example.com"]', ("[providers] A b", "pattern")),
        (
            '[providers.a]\nsuffixes = ["example.com"]\n[providers.b]\nsuffixes = ["example.com"]',
            ("[providers.b] suffixes", '"example.com" belongs to "a" already'),
        ),
        ("[small", ("Expected",)),
        ("[small]\nsessions = 1\nsessions = 2", ("Cannot overwrite",)),
    ],
)
def test_what_is_wrong_is_named_with_file_table_and_key(text: str, parts: tuple[str, ...]) -> None:
    """A typing error in the table stops the start and says where it is."""
    with pytest.raises(errors.ConfigurationError) as failure:
        ProviderDirectory.load(text, DEFAULT, file="my-providers.toml")

    assert failure.value.problems[0].startswith("my-providers.toml: ")
    for part in parts:
        assert part in str(failure.value)


def test_every_wrong_key_is_named_at_once() -> None:
    """One start shows all that is wrong."""
    with pytest.raises(errors.ConfigurationError) as failure:
        ProviderDirectory.load("[small]\nsessions = 0\nspeed = 3", DEFAULT)

    assert len(failure.value.problems) == 2


def test_network_key_is_the_neighbourhood() -> None:
    """Vanity names of one pool share the /24 or the /48."""
    assert network_key("192.0.2.77") == network_key("192.0.2.1") == "192.0.2.0/24"
    assert network_key("2001:db8:1:2::3") == "2001:db8:1::/48"


def test_public_suffix_alone_stays_as_it_is() -> None:
    """A name that is nobody's registration is its own key."""
    assert find_registrable_domain("CO.UK.") == "co.uk"
    assert find_registrable_domain("") == ""
