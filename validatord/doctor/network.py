"""Whether the world can be reached: port 25 out, and a resolver that is quick and honest."""

import random
import statistics
import string

from validatord import errors
from validatord.doctor.check import Check, Tools, fail, ok, warn
from validatord.lookup.answer import AnswerKind
from validatord.mail.mx import MXOutcome
from validatord.mail.transcript import Exchange
from validatord.settings import IdentitySettings
from validatord.smtp.connect import connect
from validatord.smtp.dialogue import Session
from validatord.smtp.session import Target
from validatord.smtp.wire import Wire

_SLOW_SECONDS = 0.3
_QUERIES = 5
_PORT_FIX = "have your provider open outgoing TCP port 25: no probe can work without it"


async def examine_port(identity: IdentitySettings, tools: Tools) -> list[Check]:
    """Connect to each target and read its greeting; nothing is asked there."""
    name = f"port {tools.settings.smtp.port} from {identity.name}"
    targets = tools.settings.doctor.targets
    if not targets:
        how = "set doctor.targets to a host of yours that listens there to have it examined"
        return [ok(name, f"not examined: nobody to connect to; {how}")]
    return [await _examine_target(name, text, identity, tools) for text in targets]


async def _examine_target(name: str, text: str, identity: IdentitySettings, tools: Tools) -> Check:
    host_name, port = _split_target(text, tools.settings.smtp.port)
    answer = await tools.mx.lookup(host_name)
    if answer.outcome is not MXOutcome.OK:
        what = f"{host_name} leads to no mail host: {answer.failure or answer.outcome}"
        return warn(name, what, "name another host in doctor.targets")
    host = answer.hosts[0]
    target = Target(host.name, host.addresses[0], port)
    try:
        exchange = await _read_greeting(target, identity, tools)
    except errors.ConnectTimeout:
        return fail(name, f"no connection to {target.host_name} [{target.address}] in time", _PORT_FIX)
    except errors.ConnectFailed as failure:
        return fail(name, f"{target.host_name}: {failure}", _PORT_FIX)
    return _judge_greeting(name, target, exchange)


def _split_target(text: str, default_port: int) -> tuple[str, int]:
    host_name, _, port = text.rpartition(":")
    return (host_name, int(port)) if host_name and port.isdigit() else (text, default_port)


async def _read_greeting(target: Target, identity: IdentitySettings, tools: Tools) -> Exchange:
    wire, smtp = Wire(), tools.settings.smtp
    await connect(wire, target.address, target.port, identity, smtp.connect_timeout.total_seconds())
    session = Session(target, identity, smtp, tools.clock, wire)
    try:
        return await session.listen()
    finally:
        await session.close()


def _judge_greeting(name: str, target: Target, exchange: Exchange) -> Check:
    if exchange.reply is None:
        what = f"{target.host_name} takes the connection and does not greet: {exchange.failure}"
        return warn(name, what, "a firewall on the way may answer in its place; try another target")
    said = str(exchange.reply).splitlines()[-1]
    if exchange.reply.is_positive:
        return ok(name, f"open: {target.host_name} greets with {said}")
    return fail(name, f"{target.host_name} refuses us: {said}", "look at the text: most often the address is on a list")


async def examine_resolver(tools: Tools) -> list[Check]:
    """Ask for names that cannot exist: an honest resolver says so, and how quickly tells the rest."""
    name = "resolver"
    try:
        await tools.resolver.ping()
        answers = [await _ask_for_nothing(tools) for _ in range(_QUERIES)]
    except errors.LookupFailed as failure:
        fix = "look at lookup.resolvers, and at what stands between us and them"
        return [fail(name, f"no answer from any name server: {failure.kind}", fix)]
    if any(kind is not AnswerKind.NXDOMAIN for kind, _ in answers):
        what = "a name that does not exist gets an answer: domains without mail would look as if they had some"
        return [fail(name, what, "use a resolver that passes NXDOMAIN on, best one of your own")]
    median = statistics.median(seconds for _, seconds in answers)
    if median > _SLOW_SECONDS:
        what = f"slow: {median * 1000:.0f} ms for a name it has not seen"
        return [warn(name, what, "use a caching resolver nearby, best on this machine")]
    return [ok(name, f"honest, and quick: {median * 1000:.0f} ms for a name it has not seen")]


async def _ask_for_nothing(tools: Tools) -> tuple[AnswerKind, float]:
    began = tools.clock.monotonic()
    answer = await tools.resolver.query(f"{_make_label(tools.rng)}.com", "A")
    return answer.kind, tools.clock.monotonic() - began


def _make_label(rng: random.Random) -> str:
    return "".join(rng.choices(string.ascii_lowercase, k=24))
