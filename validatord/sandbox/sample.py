"""The world of the demo: every personality, every trouble of DNS, and a list of which the truth is known."""

import random

from validatord.mail.verdict import Reason, Status
from validatord.sandbox import faults
from validatord.sandbox.spec import DNSOutcome, DNSTrouble, DomainSpec
from validatord.sandbox.worlds import Sample, SampleAddress, World, people_like_name, share_out

_LATENCY = (0.005, 0.060)
_FREE = "freemail.example"
_TYPO = "freemial.example"
_DISPOSABLE = ("throwaway-001.example", "throwaway-002.example")

# Domains with hosts of their own: personality → how many.
_OWN = {
    "postfix": 30,
    "accept-all": 10,
    "tls-offered": 3,
    "tls-required": 2,
    "no-pipelining": 3,
    "sendmail": 3,
    "exchange": 2,
    "qmail": 2,
    "greylist": 3,
    "greylist-wait": 2,
    "greylist-silent": 2,
    "gmx": 2,
    "yandex": 2,
    "helo-only": 1,
    "limits": 1,
    "smtputf8": 1,
    "null-sender-refused": 1,
    "m365-lookalike": 1,
}
# What a local part begins with, and how often in a thousand; "" stands for people-like names.
_MIX = {
    "user": 640,
    "": 120,
    "unknown": 130,
    "full": 20,
    "brimful": 10,
    "disabled": 30,
    "busy": 5,
    "forward": 5,
    "moved": 5,
    "policy": 5,
    "slow": 5,
    "info": 10,
    "sales": 10,
    "postmaster": 5,
}
_ONCE = frozenset({"info", "sales", "postmaster"})  # role accounts have no numbers
_BAD_SYNTAX = (
    "no-at-sign.example",
    "@postfix-001.example",
    "user0001@",
    "user 0001@postfix-001.example",
    "user0001@@postfix-001.example",
    ".user0001@postfix-001.example",
    "user..0001@postfix-001.example",
    "user0001@-postfix.example",
    "user0001@postfix..example",
    "user0001@postfix-001.example>",
    "a" * 65 + "@postfix-001.example",
    "user0001@" + "b" * 64 + ".example",
)


def sample_list(seed: int = 1, addresses: int = 2_200, speed: float = 1.0) -> Sample:
    """Make the demo's sandbox and a list of about so many addresses for it, all kinds mixed."""
    rng = random.Random(seed)  # noqa: S311 nothing here is a secret
    world = World(rng, _LATENCY)
    healthy = _add_healthy(world)
    found = [*_add_faulty(world), *_add_dns_cases(world), *_odd_addresses(world)]
    rest = addresses - len(found) - addresses // 50
    for domain, count in zip(healthy, share_out(rest, len(healthy)), strict=True):
        found += _fill(world, domain, count)
    found += _duplicates(rng, found, addresses // 50)
    rng.shuffle(found)
    return Sample(world.build(speed), tuple(found), _DISPOSABLE, (_FREE,))


def _add_healthy(world: World) -> list[str]:
    """Add the domains that answer properly, the large ones first."""
    google = world.add_provider("google-like.example", "google", 3)
    names = [
        world.add_domain(_FREE, google),
        world.add_domain("hotbox.example", world.add_provider("outlook-like.example", "outlook", 2)),
        world.add_domain("yoohoo.example", world.add_provider("yahoo-like.example", "yahoo", 2)),
    ]
    names += [world.add_domain(f"google-{number:03}.example", google) for number in range(1, 31)]
    names += [world.add_domain(f"google-open-{number:03}.example", google, accepts_all=True) for number in range(1, 4)]
    names += [world.add_tenant(f"m365-tenant-{number:03}.example", "m365") for number in range(1, 13)]
    names += [world.add_tenant(f"m365-open-{number:03}.example", "m365-open") for number in range(1, 4)]
    names += [world.add_tenant("m365-new-001.example", "m365-new-sender")]
    for hoster, personality, count in (("one", "postfix-limits", 20), ("two", "exim", 10)):
        hosts = world.add_provider(f"hoster-{hoster}.example", personality, 2)
        names += [world.add_domain(f"hosted-{hoster}-{number:03}.example", hosts) for number in range(1, count + 1)]
    small = [
        world.add_own(f"{personality}-{number:03}.example", personality)
        for personality, count in _OWN.items()
        for number in range(1, count + 1)
    ]
    world.rng.shuffle(small)
    return names + small


def _add_faulty(world: World) -> list[SampleAddress]:
    """Add a domain for every fault, and two mailboxes of each."""
    names = [world.add_own(f"{one.name.replace('_', '-')}.example", one.name) for one in faults.FAULTS]
    found = [world.judge(local_part, name) for name in names for local_part in ("user0001", "unknown0002")]
    fallback = world.add_own("fallback.example", "refused", "postfix")
    only_backup = world.add_own("only-backup.example", "refused", "backup")
    accepted, refused = (Status.VALID, Reason.ACCEPTED), (Status.INVALID, Reason.NO_SUCH_MAILBOX)
    backup = (Status.UNKNOWN, Reason.BACKUP_MX_ONLY), (Status.ACCEPT_ALL, Reason.ACCEPT_ALL)
    return [
        *found,
        SampleAddress(f"user0001@{fallback}", "fallback", (accepted, backup[0])),
        SampleAddress(f"unknown0002@{fallback}", "fallback", (refused,)),
        SampleAddress(f"user0001@{only_backup}", "backup", backup),
    ]


def _add_dns_cases(world: World) -> list[SampleAddress]:
    """Add the domains of which the name server alone decides, or makes it hard."""
    host = world.add_host("mx1.dns-cases.example", "postfix")
    at_host = ((10, host),)
    world.records["alias.dns-cases.example", "CNAME"] = (f"{host}.",)
    invalid, failed = Status.INVALID, (Status.UNKNOWN, Reason.DNS_FAILURE)
    good = (Status.VALID, Reason.ACCEPTED)
    implicit = world.add_host("implicit-mx.example", "postfix")
    cases: list[tuple[str, DomainSpec | None, tuple[Status, Reason]]] = [
        ("no-such-domain.example", None, (invalid, Reason.DOMAIN_NOT_FOUND)),
        ("null-mx.example", DomainSpec(((0, "."),)), (invalid, Reason.NULL_MX)),
        ("no-mail-host.example", DomainSpec(), (invalid, Reason.NO_MAIL_HOST)),
        ("mx-unresolvable.example", DomainSpec(((10, "mx1.nowhere.example"),)), (invalid, Reason.MX_UNRESOLVABLE)),
        ("servfail.example", DomainSpec(at_host, trouble=DNSTrouble(DNSOutcome.SERVFAIL)), failed),
        ("dns-refused.example", DomainSpec(at_host, trouble=DNSTrouble(DNSOutcome.REFUSED)), failed),
        ("dns-timeout.example", DomainSpec(at_host, trouble=DNSTrouble(DNSOutcome.TIMEOUT)), failed),
        ("dns-late.example", DomainSpec(at_host, trouble=DNSTrouble(delay_seconds=0.5)), good),
        ("dns-truncated.example", DomainSpec(at_host, trouble=DNSTrouble(DNSOutcome.TRUNCATED)), good),
        ("mx-alias.example", DomainSpec(((10, "alias.dns-cases.example"),)), good),
        (implicit, DomainSpec(), good),
        ("xn--bcher-kva.example", DomainSpec(at_host), good),
    ]
    world.domains.update({name: spec for name, spec, _ in cases if spec is not None})
    return [SampleAddress(f"user{number:04}@{name}", "dns", (it,)) for name, _, it in cases for number in (1, 2)]


def _odd_addresses(world: World) -> list[SampleAddress]:
    """Return what is wrong or special about the address itself."""
    for name in _DISPOSABLE:
        world.add_own(name, "accept-all")
    invalid = Status.INVALID
    found = [SampleAddress(address, "syntax", ((invalid, Reason.SYNTAX),)) for address in _BAD_SYNTAX]
    found += [
        SampleAddress(f"user{number:04}@{name}", "disposable", ((Status.RISKY, Reason.DISPOSABLE),))
        for name in _DISPOSABLE
        for number in range(1, 6)
    ]
    found += [
        SampleAddress(
            f"user{number:04}@{_TYPO}", "typo", ((invalid, Reason.DOMAIN_NOT_FOUND),), f"user{number:04}@{_FREE}"
        )
        for number in range(1, 4)
    ]
    found.append(SampleAddress("user0003@bücher.example", "idn", ((Status.VALID, Reason.ACCEPTED),)))
    return [*found, world.judge("büro", "smtputf8-001.example"), world.judge("büro", "postfix-001.example")]


def _fill(world: World, domain: str, count: int) -> list[SampleAddress]:
    """Make so many different mailboxes of one domain."""
    found: dict[str, SampleAddress] = {}
    number = 0
    while len(found) < count:
        number += 1
        kind = world.rng.choices(list(_MIX), list(_MIX.values()))[0]
        local_part = kind if kind in _ONCE else f"{kind}{number:04}" if kind else people_like_name(world.rng)
        if local_part not in found:
            found[local_part] = world.judge(local_part, domain, kind or "people-like")
    return list(found.values())


def _duplicates(rng: random.Random, found: list[SampleAddress], count: int) -> list[SampleAddress]:
    """Repeat some addresses, half of them with the domain in capitals."""
    chosen = rng.sample([one for one in found if one.kind != "syntax"], count)
    copies: list[SampleAddress] = []
    for index, one in enumerate(chosen):
        local_part, _, domain = one.address.rpartition("@")
        address = f"{local_part}@{domain.upper()}" if index % 2 else one.address
        copies.append(SampleAddress(address, "duplicate", one.outcomes, one.suggestion))
    return copies
