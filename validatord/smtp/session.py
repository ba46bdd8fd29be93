"""Opening a session: connect, greeting, EHLO or HELO, STARTTLS.

Order of use: `open_session`, any number of `Session.group`s, then `Session.close` (or `begin_close`
where nobody can wait). A host that refuses us at the greeting or at EHLO gives a session too, one with
`refusal` set that is already closing; only a breakdown is raised.
"""

from dataclasses import dataclass, replace

from validatord import metrics
from validatord.clock import Clock
from validatord.errors import Disconnected, ProtocolViolation, ReplyTimeout, SessionFailed, TLSFailed
from validatord.mail.reply import Reply
from validatord.mail.transcript import Exchange
from validatord.mail.verdict import Stage
from validatord.settings import IdentitySettings, SMTPSettings
from validatord.smtp import commands
from validatord.smtp.capabilities import Capabilities, parse_capabilities
from validatord.smtp.connect import connect
from validatord.smtp.dialogue import Endpoint, Session
from validatord.smtp.reply_parser import KEPT_TEXT, keep
from validatord.smtp.wire import Wire

_GO_AHEAD = 220  # RFC 3207 4


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to speak with: the MX host's name, the address that was checked, the port."""

    host_name: str
    address: str
    port: int = 25


async def open_session(
    target: Endpoint,
    identity: IdentitySettings,
    settings: SMTPSettings,
    clock: Clock,
    *,
    use_tls: bool | None = None,
    allow_pipelining: bool = True,
) -> Session:
    """Open a session with `target`, greeting to EHLO.

    `use_tls`: True demands TLS, False goes without, None follows the settings. After `TLSFailed` the
    caller may open one more session with `use_tls=False`.

    Raises:
        SessionFailed: a breakdown; its `exchanges` are those up to there.
    """
    wire = Wire()
    session = Session(target, identity, settings, clock, wire)
    try:
        patience = settings.connect_timeout.total_seconds()
        await connect(wire, target.address, target.port, identity, patience)
        await _open(session, use_tls)
    except SessionFailed as failure:
        metrics.count_session(failure.kind)
        failure.exchanges = tuple(session.opening)
        session.abort()
        raise
    except BaseException:
        session.abort()
        raise
    session.is_pipelining = allow_pipelining and session.capabilities.has_pipelining
    metrics.count_session("opened" if session.refusal is None else "refused")
    if session.refusal is not None:
        session.begin_close()
    return session


async def _open(session: Session, use_tls: bool | None) -> None:
    """1. greeting · 2. EHLO · 3. STARTTLS and EHLO again, where wanted."""
    greeting = _note(session, await session.listen())
    if greeting.is_refusal:
        session.refusal = session.opening[-1]
        return
    await _say_hello(session)
    if session.refusal is None and _wants_tls(session, use_tls):
        try:
            await _upgrade(session, is_must=use_tls is True)
        except (Disconnected, ReplyTimeout) as failure:
            # A host that breaks off here may do well without TLS: let the caller try that once.
            raise TLSFailed(f"broken off at STARTTLS: {failure}") from failure


async def _say_hello(session: Session) -> None:
    """EHLO, and HELO where EHLO is not known (RFC 5321 3.2); sets `capabilities` or `refusal`."""
    name = session.identity.helo_name
    [exchange] = await session.group([(Stage.EHLO, commands.ehlo(name))])
    reply = _note(session, exchange)
    if reply.is_positive and exchange.reply is not None:
        session.capabilities = parse_capabilities(exchange.reply)
    elif reply.is_permanent and session.check_idle():
        await _say_helo(session)
    else:
        session.refusal = session.opening[-1]


async def _say_helo(session: Session) -> None:
    """HELO; if the host hangs up on it, its refusal of EHLO is what it had to say."""
    refused = session.opening[-1]
    session.capabilities = Capabilities()
    [exchange] = await session.group([(Stage.EHLO, commands.helo(session.identity.helo_name))])
    if exchange.reply is None:
        session.opening.append(exchange)
        session.refusal = refused
    elif _note(session, exchange).is_refusal:
        session.refusal = session.opening[-1]


def _wants_tls(session: Session, use_tls: bool | None) -> bool:
    if use_tls is None:
        return session.settings.tls == "opportunistic" and session.capabilities.has_starttls
    if use_tls and not session.capabilities.has_starttls:
        raise TLSFailed("the host does not offer STARTTLS")
    return use_tls


async def _upgrade(session: Session, *, is_must: bool) -> None:
    """STARTTLS, handshake, EHLO again (RFC 3207); a refusal leaves the session in plaintext."""
    [exchange] = await session.group([(Stage.STARTTLS, "STARTTLS")])
    reply = _note(session, exchange)
    if reply.code != _GO_AHEAD:
        if is_must:
            raise TLSFailed(f"the host refuses STARTTLS with {reply.code}")
        if session.failure is not None:
            session.refusal = session.opening[-1]
        return
    if not await session.secure():
        raise _breakdown(session)
    await _say_hello(session)


def _note(session: Session, exchange: Exchange) -> Reply:
    """Keep the exchange as evidence, its text bounded, and return its reply.

    Raises:
        SessionFailed: there is none, or it is no answer to an opening command.
    """
    reply = exchange.reply
    if reply is None:
        session.opening.append(exchange)
        raise _breakdown(session)
    short = replace(reply, lines=keep(list(reply.lines), KEPT_TEXT))
    session.opening.append(replace(exchange, reply=short))
    if not reply.is_positive and not reply.is_refusal:
        raise ProtocolViolation(f"{reply.code} answers nothing here", str(short))
    return reply


def _breakdown(session: Session) -> SessionFailed:
    return session.failure or Disconnected()
