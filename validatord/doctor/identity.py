"""Whether each of our addresses looks like a mail host: PTR = HELO name = A, and on no block list."""

import asyncio
import re
import socket
from dataclasses import dataclass

from validatord import errors
from validatord.doctor.check import Check, Tools, fail, ok, warn
from validatord.doctor.names import find_name_problem
from validatord.lookup.addresses import is_public
from validatord.lookup.dnsbl import Listing, lookup_listings
from validatord.lookup.reverse import ReverseReport, lookup_reverse
from validatord.settings import IdentitySettings

# RFC 5782 5: every block list lists this address, so that it can be told from a dead zone.
_TEST_ADDRESS = "127.0.0.2"
# What hosting and access companies call addresses they have not given a name: the address, or the kind of line.
_GENERIC = re.compile(r"\d+[-.x]\d+[-.x]\d+|\b(dynamic|dyn|dhcp|dsl|ppp|pool|static|ip|broadband|cable|vps|clients?)\b")


@dataclass(frozen=True, slots=True)
class OwnAddress:
    """The address receivers see, and how we know; without an address `how` says why we do not."""

    address: str
    how: str


def find_local_address() -> str:
    """Return the address this machine goes out from, or an empty text; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket only asks the routing table. RFC 5737 3: an address of nobody.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


async def find_own_address(identity: IdentitySettings, tools: Tools) -> OwnAddress:
    """Return the address receivers will see: set, the machine's own, or the one the HELO name claims."""
    if not identity.proxy.get_secret_value():
        local = identity.source_address or tools.find_local_address()
        if local and _is_usable(local, tools):
            return OwnAddress(local, "source_address" if identity.source_address else "this machine's address")
    try:
        claimed = (await tools.resolver.query(identity.helo_name, "A")).values
    except errors.LookupFailed as failure:
        return OwnAddress("", f"the HELO name {identity.helo_name} cannot be looked up: {failure.kind}")
    usable = [address for address in claimed if _is_usable(address, tools)]
    if not usable:
        return OwnAddress("", f"behind NAT or a proxy, and the HELO name {identity.helo_name} has no public address")
    return OwnAddress(
        usable[0], f"what the HELO name {identity.helo_name} leads to, since we are behind NAT or a proxy"
    )


def _is_usable(address: str, tools: Tools) -> bool:
    return not tools.settings.lookup.public_addresses_only or is_public(address)


async def examine_identity(identity: IdentitySettings, tools: Tools) -> list[Check]:
    """Examine the names of one identity's address, and the block lists."""
    name = f"identity {identity.name}"
    if problem := find_name_problem(identity.helo_name):
        what = f"the HELO name {identity.helo_name} {problem}"
        return [fail(name, what, "set identities.helo_name to the name that the address's PTR record gives")]
    own = await find_own_address(identity, tools)
    if not own.address:
        what = f"which address receivers see is not known: {own.how}"
        return [fail(name, what, f"publish an A record: {identity.helo_name} → the public address")]
    names, listings = await asyncio.gather(_examine_names(name, identity, own, tools), _examine_listings(own, tools))
    return [*names, *listings]


async def _examine_names(name: str, identity: IdentitySettings, own: OwnAddress, tools: Tools) -> list[Check]:
    helo_name = identity.helo_name.lower().rstrip(".")
    set_it = f"have the owner of the address (your provider) set the PTR record of {own.address} to {helo_name}"
    try:
        report = await lookup_reverse(tools.resolver, own.address)
    except errors.LookupFailed as failure:
        return [warn(name, f"the PTR record of {own.address} cannot be looked up: {failure.kind}", "try again later")]
    if not report.names:
        return [fail(name, f"{own.address} ({own.how}) has no PTR record: many receivers refuse it", set_it)]
    if helo_name not in report.names:
        what = f"{own.address} ({own.how}) is called {', '.join(report.names)}, but says HELO {helo_name}"
        return [fail(name, what, f"{set_it}, or set identities.helo_name to {report.names[0]}")]
    if helo_name not in report.confirmed:
        what = f"{helo_name} does not lead back to {own.address}"
        return [fail(name, what, f"publish an address record: {helo_name} → {own.address}")]
    return _judge_look(name, helo_name, report) or [ok(name, f"PTR, HELO and A agree: {own.address} is {helo_name}")]


def _judge_look(name: str, helo_name: str, report: ReverseReport) -> list[Check]:
    if len(report.names) > 1:
        what = f"{report.address} has {len(report.names)} PTR records: {', '.join(report.names)}"
        return [warn(name, what, f"leave only {helo_name}: receivers look at any one of them")]
    if _GENERIC.search(helo_name):
        what = f"{helo_name} looks like a line nobody named: receivers that refuse dynamic addresses refuse it too"
        return [warn(name, what, "give the address a name of your own, in the PTR record and as helo_name")]
    return []


async def _examine_listings(own: OwnAddress, tools: Tools) -> list[Check]:
    zones = tools.settings.doctor.dnsbl_zones
    if not zones:
        return [ok("block lists", "not examined: doctor.dnsbl_zones is empty")]
    found, controls = await asyncio.gather(
        lookup_listings(tools.resolver, own.address, zones), lookup_listings(tools.resolver, _TEST_ADDRESS, zones)
    )
    return [_judge_listing(own.address, *pair) for pair in zip(found, controls, strict=True)]


def _judge_listing(address: str, found: Listing, control: Listing) -> Check:
    name = f"block list {found.zone}"
    if found.is_listed:
        what = f"{address} is listed ({', '.join(found.codes)}): receivers that use it refuse us"
        return fail(name, what, "find out why and ask for removal there; until then probes say little about mailboxes")
    failure = found.failure or control.failure or ("" if control.is_listed else "not a block list")
    if failure:
        what = f"it does not tell: {failure}"
        return warn(name, what, "use a resolver of your own (lookup.resolvers): the lists refuse public ones")
    return ok(name, f"{address} is not listed")
