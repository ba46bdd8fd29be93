"""Bytes inside TLS that hold no reply, such as TLS 1.3's session tickets, are no answer."""

from tests.unit.smtp.talk import IDENTITY, make_settings
from validatord.clock import SystemClock
from validatord.mail.verdict import Stage
from validatord.sandbox.internet import Sandbox
from validatord.sandbox.spec import DomainSpec, HostSpec, SandboxSpec
from validatord.smtp.session import Target, open_session


async def test_session_tickets_do_not_stand_for_the_reply_to_ehlo() -> None:
    """A host that takes its time for EHLO after the handshake is waited for."""
    name = "mx1.tickets.example"
    spec = SandboxSpec(
        hosts={name: HostSpec.of("tls-offered", latency_seconds=0.05)},
        domains={"tickets.example": DomainSpec(((10, name),))},
    )
    async with Sandbox(spec) as sandbox:
        target = Target(name, sandbox.addresses[name], sandbox.smtp_port)
        session = await open_session(target, IDENTITY, make_settings(), SystemClock())

        assert session.refusal is None
        assert session.tls == "TLSv1.3"
        assert session.opening[-1].stage is Stage.EHLO
        assert session.opening[-1].reply is not None
        await session.close()
