"""Whether the domains we name in MAIL FROM stand up to a receiver that looks at them, or calls back."""

import asyncio
from collections.abc import Sequence

from validatord import errors
from validatord.doctor.check import Check, Tools, fail, ok, warn
from validatord.doctor.identity import find_own_address
from validatord.doctor.names import find_name_problem
from validatord.doctor.spf import SPFResult, evaluate_spf
from validatord.lookup.health import lookup_health
from validatord.mail.mx import MXAnswer, MXOutcome
from validatord.mail.transcript import Exchange
from validatord.mail.verdict import Stage
from validatord.settings import IdentitySettings
from validatord.smtp import commands
from validatord.smtp.session import Target, open_session

_SPF_FIX = "publish a TXT record that names every source address, such as: v=spf1 ip4:{address} -all"


async def examine_sender(identity: IdentitySettings, tools: Tools) -> list[Check]:
    """Examine the domain of one identity's envelope sender; with the null path, that of its HELO name."""
    domain = identity.envelope_sender.rpartition("@")[2].lower() or identity.helo_name.lower()
    name = f"sender {domain}"
    if problem := find_name_problem(domain):
        what = f"the domain {domain} {problem}"
        return [fail(name, what, "set identities.envelope_sender to a real mailbox of a domain of yours")]
    answer, records, spf = await asyncio.gather(
        tools.mx.lookup(domain), _examine_records(name, domain, tools), _examine_spf(name, domain, identity, tools)
    )
    return [*await _examine_mail_hosts(name, domain, answer, identity, tools), *records, *spf]


async def _examine_records(name: str, domain: str, tools: Tools) -> list[Check]:
    health, soa = await asyncio.gather(lookup_health(tools.resolver, domain), _find(domain, "SOA", tools))
    found: list[Check] = []
    if soa is None:
        fix = "make it a zone of its own, or use the domain above it"
        found.append(warn(name, f"{domain} has no SOA record of its own: some receivers look for one", fix))
    if health.dmarc is None:
        fix = f"publish a TXT record at _dmarc.{domain}, such as: v=DMARC1; p=reject"
        found.append(warn(name, f"{domain} publishes no DMARC record", fix))
    return found


async def _find(domain: str, rdtype: str, tools: Tools) -> Sequence[str] | None:
    try:
        return (await tools.resolver.query(domain, rdtype)).values or None
    except errors.LookupFailed:
        return ()


async def _examine_spf(name: str, domain: str, identity: IdentitySettings, tools: Tools) -> list[Check]:
    own = await find_own_address(identity, tools)
    if not own.address:
        return []
    found = await evaluate_spf(tools.resolver, domain, own.address)
    return [_judge_spf(name, own.address, found)]


def _judge_spf(name: str, address: str, found: SPFResult) -> Check:
    fix = _SPF_FIX.format(address=address)
    what = f"SPF says {found.result} about {address}: {found.why}"
    if found.result == "pass":
        return ok(name, what)
    if found.passed_over:
        return warn(name, f"{what}; passed over: {' '.join(found.passed_over)}", fix)
    if found.result in {"fail", "softfail", "permerror"}:
        return fail(name, what, fix)
    return warn(name, what, "try again later" if found.result == "temperror" else fix)


async def _examine_mail_hosts(
    name: str, domain: str, answer: MXAnswer, identity: IdentitySettings, tools: Tools
) -> list[Check]:
    if answer.outcome is MXOutcome.FAILED:
        return [warn(name, f"the MX hosts of {domain} cannot be looked up: {answer.failure}", "try again later")]
    if answer.outcome is not MXOutcome.OK:
        fix = "publish an MX record: receivers that call back must reach the envelope sender and postmaster"
        return [fail(name, f"{domain} takes no mail: {answer.outcome}", fix)]
    found = await _call_back(name, domain, answer, identity, tools)
    if answer.is_implicit:
        fix = "publish an MX record"
        found.append(warn(name, f"{domain} has no MX record, only an address: some receivers want one", fix))
    return found


async def _call_back(name: str, domain: str, answer: MXAnswer, identity: IdentitySettings, tools: Tools) -> list[Check]:
    """Ask our own MX host what a receiver that calls back would ask it: MAIL FROM:<>, RCPT, nothing more."""
    host, smtp = answer.hosts[0], tools.settings.smtp
    asked = [identity.envelope_sender, f"postmaster@{domain}", f"abuse@{domain}"]
    addresses = [address for address in dict.fromkeys(asked) if address]
    try:
        session = await open_session(Target(host.name, host.addresses[0], smtp.port), identity, smtp, tools.clock)
    except errors.SessionFailed as failure:
        what = f"our own MX host {host.name} cannot be reached from here: {failure.kind}"
        return [warn(name, what, "see from elsewhere whether it answers: receivers that call back need it")]
    try:
        if session.refusal is not None:
            return [_judge_answer(name, host.name, "the session", session.refusal)]
        [mail] = await session.group([(Stage.MAIL, commands.mail(""))])
        if mail.reply is None or mail.reply.is_refusal:
            return [_judge_answer(name, host.name, "MAIL FROM:<>", mail)]
        answers = await session.group([(Stage.RCPT, commands.rcpt(address)) for address in addresses])
        return [_judge_answer(name, host.name, *pair) for pair in zip(addresses, answers, strict=True)]
    finally:
        await session.close()


def _judge_answer(name: str, host_name: str, asked: str, exchange: Exchange) -> Check:
    if exchange.reply is None:
        what = f"{host_name} broke off at {asked}: {exchange.failure}"
        return warn(name, what, "our own MX host should answer whoever calls back")
    said = f"{host_name} says {str(exchange.reply).splitlines()[-1]} to {asked}"
    if exchange.reply.is_positive:
        return ok(name, said)
    if exchange.reply.is_transient:
        return warn(name, said, "take our own domain out of greylisting and limits: receivers that call back give up")
    return fail(name, said, "RFC 5321 4.5.1: accept mail for postmaster, and for the envelope sender from <> too")
