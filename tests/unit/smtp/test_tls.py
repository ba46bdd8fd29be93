"""STARTTLS: used when offered, never trusted with what came before it."""

import asyncio
import contextlib
import socket
import ssl
import threading

import pytest

from tests.fakes.clock import FakeClock, settle
from tests.fakes.mx_script import DROP, HANG, RESET, TLS, WITH_TLS, Connection, MXScript, server_context
from tests.unit.smtp.talk import IDENTITY, MAIL, RSET, codes, make_settings, rcpt, session_with
from validatord.errors import Disconnected, ProtocolViolation, TLSFailed
from validatord.mail.verdict import Stage
from validatord.smtp.dialogue import Session
from validatord.smtp.session import Target, open_session
from validatord.smtp.tls import TLSLayer, opportunistic_context

INSIDE = "250-mx.example.com inside\n250-PIPELINING\n250 SMTPUTF8"


async def answer_in_plaintext(connection: Connection) -> None:
    """Answer the ClientHello with a reply."""
    await connection.reader.read(1)
    await connection.send(b"250 plaintext where TLS belongs\r\n")


async def test_tls_is_used_when_offered_and_forgets_the_first_ehlo() -> None:
    """A self-signed certificate is good enough; the capabilities are those of the second EHLO."""
    async with MXScript({"EHLO": [WITH_TLS, INSIDE], "RCPT": "550 no"}) as host, session_with(host) as session:
        assert session.tls.startswith("TLSv1")
        assert session.capabilities.has_smtputf8
        assert not session.capabilities.has_starttls
        assert [exchange.stage for exchange in session.opening] == [
            Stage.CONNECT,
            Stage.EHLO,
            Stage.STARTTLS,
            Stage.EHLO,
        ]
        assert codes(await session.group([MAIL, *rcpt("a")])) == [250, 550]
        assert session.is_reusable
        assert session.transcript("x@example.net").tls == session.tls
        assert session.tls in repr(session)
        await session.close()
    assert [command.split()[0] for command in host.seen] == ["EHLO", "STARTTLS", "EHLO", "MAIL", "RCPT", "QUIT"]


def serve_tls(listener: socket.socket, has_spoken: threading.Event) -> None:
    """A host with a thread of its own: its session tickets arrive whether our loop runs or not."""
    plain, _ = listener.accept()
    with plain:
        plain.sendall(b"220 mx.example.com\r\n")
        for answer in (b"250-mx.example.com\r\n250 STARTTLS\r\n", b"220 go\r\n"):
            plain.recv(1024)
            plain.sendall(answer)
        with contextlib.suppress(OSError), server_context().wrap_socket(plain, server_side=True) as wrapped:
            has_spoken.set()
            while wrapped.recv(1024):
                wrapped.sendall(b"250 mx.example.com\r\n")


async def test_session_tickets_are_nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tickets that lie in the kernel when EHLO is to go out end no session (RFC 8446 4.6.1)."""
    has_spoken = threading.Event()
    secure = Session.secure

    async def secure_slowly(self: Session) -> bool:
        is_secured = await secure(self)
        assert has_spoken.wait(5)  # and nothing is read meanwhile
        return is_secured

    monkeypatch.setattr(Session, "secure", secure_slowly)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve_tls, args=(listener, has_spoken))
        thread.start()
        target = Target("mx.example.com", "127.0.0.1", listener.getsockname()[1])
        session = await open_session(target, IDENTITY, make_settings(), FakeClock())
        assert session.tls == "TLSv1.3"
        assert codes(await session.group([MAIL])) == [250]
        session.abort()
        await asyncio.to_thread(thread.join)


@pytest.mark.parametrize(
    ("use_tls", "setting", "is_tls"),
    [
        (None, "opportunistic", True),
        (None, "only_when_required", False),
        (False, "opportunistic", False),
        (True, "only_when_required", True),
    ],
)
async def test_who_decides_about_tls(use_tls: bool | None, setting: str, is_tls: bool) -> None:
    """The caller's word wins over the settings."""
    script = {"EHLO": [WITH_TLS, INSIDE]}
    async with MXScript(script) as host, session_with(host, use_tls=use_tls, tls=setting) as session:
        assert bool(session.tls) is is_tls


@pytest.mark.parametrize(
    "injected", [b"250 injected\r\n", b"250-inj", b"\x00", b"250-a\r\n250-b\r\n", b"421 injected\r\n"]
)
async def test_plaintext_after_the_go_ahead_is_an_injection(injected: bytes) -> None:
    """Pitfall 38: bytes behind the 220 in the same packet close the session, and no TLS is begun."""
    async with MXScript({"EHLO": WITH_TLS, "STARTTLS": (b"220 go ahead\r\n" + injected, TLS)}) as host:
        with pytest.raises(ProtocolViolation):
            async with session_with(host):
                pass
    assert host.seen == ["EHLO verify.example.net", "STARTTLS"]
    assert len(host.connections[0].chunks) == 2  # no ClientHello


@pytest.mark.parametrize(
    "reaction",
    [
        ("220 go", answer_in_plaintext),
        ("220 go", DROP),
        ("220 go", RESET),
        ("220 go", HANG),
        DROP,
        HANG,
    ],
)
async def test_a_broken_handshake_is_told_apart(reaction: object) -> None:
    """Whatever breaks between STARTTLS and TLS is a TLSFailed: the caller may try plaintext once."""
    async with MXScript({"EHLO": WITH_TLS, "STARTTLS": reaction}) as host:  # type: ignore[dict-item]
        with pytest.raises(TLSFailed) as raised:
            async with session_with(host, ehlo_timeout=0.05):
                pass
        assert codes(list(raised.value.exchanges))[:2] == [220, 250]
        async with session_with(host, use_tls=False) as session:
            assert session.tls == ""
            assert codes(await session.group([MAIL])) == [250]


async def test_a_host_that_breaks_off_after_the_handshake_fails_at_tls() -> None:
    """The EHLO inside TLS is part of the attempt at TLS."""
    async with MXScript({"EHLO": [WITH_TLS, DROP]}) as host:
        with pytest.raises(TLSFailed):
            async with session_with(host):
                pass


async def test_a_refused_starttls_leaves_plaintext() -> None:
    """454 to STARTTLS: the session goes on as it is, unless TLS is demanded."""
    async with MXScript({"EHLO": WITH_TLS, "STARTTLS": "454 4.7.0 not now"}) as host:
        async with session_with(host) as session:
            assert session.tls == ""
            assert codes(await session.group([MAIL, *rcpt("a")])) == [250, 250]
        with pytest.raises(TLSFailed, match="454"):
            async with session_with(host, use_tls=True):
                pass


async def test_tls_demanded_but_not_offered() -> None:
    """Demanding TLS of a host without it is a TLSFailed, not a plaintext session."""
    async with MXScript() as host:
        with pytest.raises(TLSFailed, match="does not offer"):
            async with session_with(host, use_tls=True):
                pass


async def test_the_host_may_end_at_starttls() -> None:
    """421 to STARTTLS is a refusal at the door."""
    async with MXScript({"EHLO": WITH_TLS, "STARTTLS": ("421 4.3.2 closing", DROP)}) as host:
        session = await open_session(host.target(), IDENTITY, make_settings(), FakeClock())
        assert session.refusal is not None
        assert session.refusal.stage is Stage.STARTTLS
        await session.close()


async def test_surplus_and_end_inside_tls() -> None:
    """Inside TLS the same rules hold: a 421 nobody asked for ends the session, not the answers before it."""
    script = {"EHLO": [WITH_TLS, INSIDE], "RSET": ("250 ok\n421 bye", DROP)}
    async with MXScript(script) as host, session_with(host) as session:
        assert codes(await session.group([RSET])) == [250]
        await settle()
        assert not session.is_reusable
        assert isinstance(session.failure, Disconnected)


async def test_the_end_of_tls_is_an_end() -> None:
    """A close_notify answers QUIT as well as a closed connection does, and forbids reuse."""

    async def hang_up_tls(connection: Connection) -> None:
        connection.writer.close()  # asyncio sends close_notify and then waits for ours
        await asyncio.Event().wait()

    script = {"EHLO": [WITH_TLS, INSIDE], "RSET": ("250 ok", hang_up_tls), "QUIT": hang_up_tls}
    async with MXScript(script) as host, session_with(host) as session, session_with(host) as other:
        await session.group([RSET])
        await settle()
        assert not session.is_reusable
        began = asyncio.get_running_loop().time()
        await other.close()
        assert asyncio.get_running_loop().time() - began < 0.5


@pytest.mark.parametrize("verb", ["RSET", "QUIT"])
async def test_junk_inside_tls(verb: str) -> None:
    """Bytes that are no TLS end the session, whether it is saying goodbye or not."""

    def send_junk(connection: Connection) -> None:
        connection.writer.get_extra_info("socket")._sock.send(b"no TLS record\r\n")

    script = {"EHLO": [WITH_TLS, INSIDE], verb: (send_junk, HANG)}
    async with MXScript(script) as host, session_with(host) as session:
        if verb == "RSET":
            assert codes(await session.group([RSET])) == ["tls_failed"]
            assert isinstance(session.failure, TLSFailed)
        await session.close()
        assert session.state == "closed"


async def test_a_tls_engine_that_cannot_send() -> None:
    """A failure of the engine while sending leaves the commands unanswered; nothing is raised."""
    async with MXScript({"EHLO": [WITH_TLS, INSIDE]}) as host, session_with(host) as session:
        layer = session._wire._tls
        assert layer is not None
        layer._engine = TLSLayer("mx.example.com")._engine  # one that has not shaken hands
        assert codes(await session.group([RSET])) == ["tls_failed"]
        assert isinstance(session.failure, TLSFailed)


@pytest.mark.parametrize("host_name", ["", ".leading", "a" * 70 + ".example", "under_score.example"])
async def test_a_name_that_cannot_be_named_in_tls(host_name: str) -> None:
    """An odd MX name costs the name in the handshake, not the session."""
    async with MXScript({"EHLO": [WITH_TLS, INSIDE]}) as host:
        target = Target(host_name, "127.0.0.1", host.port)
        session = await open_session(target, IDENTITY, make_settings(), FakeClock())
        assert session.tls
        await session.close()


def test_the_context_checks_nothing_and_is_made_once() -> None:
    """Opportunistic TLS asks for no certificate (RFC 7435)."""
    assert opportunistic_context() is opportunistic_context()
    assert opportunistic_context().verify_mode is ssl.CERT_NONE
    assert repr(TLSLayer("mx.example.com")) == "<TLSLayer handshaking>"
