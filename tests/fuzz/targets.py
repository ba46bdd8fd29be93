"""What is fuzzed: one function of bytes for everything that reads what strangers wrote.

A target returns, whatever the bytes are; only what its docstring in the product allows to be raised is
caught here. Everything else is a finding.
"""

import contextlib
import io
import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.name
import dns.rdatatype

from validatord.bouncer import rows
from validatord.bouncer import wire as bouncer_wire
from validatord.errors import AddressSyntaxError, ConfigurationError, LookupFailed, ProtocolViolation
from validatord.intake import event_files, reading, wire
from validatord.lookup import resolver
from validatord.mail.parse import parse_address
from validatord.mail.verdict import Stage
from validatord.rules.replies import read_reply
from validatord.settings import load_settings
from validatord.smtp import capabilities, commands
from validatord.smtp.reply_parser import ReplyParser

Target = Callable[[bytes], None]
_NOW = datetime(2026, 5, 1, tzinfo=UTC)
_NAME = dns.name.from_text("example.com")
_FUNCTIONS = frozenset({"submit", "revalidate", "record_events"})


def reply(data: bytes) -> None:
    """An SMTP server's bytes, in two pieces; what each reply means at every stage; what EHLO offers."""
    cut = data[0] if data else 0
    parser = ReplyParser()
    try:
        for piece in (data[1 : cut + 1], data[cut + 1 :]):
            for found in parser.feed(piece):
                for stage in Stage:
                    read_reply(found, stage, mx_host="mx.example.com", recipient="a@example.com")
                capabilities.parse_capabilities(found)
    except ProtocolViolation:
        pass


def names(data: bytes) -> None:
    """A name server's bytes."""
    try:
        message = dns.message.from_wire(data, ignore_trailing=True)
    except dns.exception.DNSException:
        return
    for rdtype in ("MX", "A", "TXT", "CNAME"):
        with contextlib.suppress(LookupFailed):
            resolver._read_message(message, _NAME, dns.rdatatype.from_text(rdtype))


def config(data: bytes) -> None:
    """A settings file."""
    with tempfile.NamedTemporaryFile(suffix=".toml") as file:
        file.write(data)
        file.flush()
        with contextlib.suppress(ConfigurationError):
            load_settings(Path(file.name), {})


def address(data: bytes) -> None:
    """An address: what is accepted is its own normal form, and goes out without a control character."""
    try:
        mailbox = parse_address(data.decode("utf-8", "surrogateescape"))
    except AddressSyntaxError:
        return
    assert parse_address(str(mailbox)) == mailbox
    sent = commands.encode(commands.rcpt(mailbox))
    assert all(byte >= 0x20 for byte in sent.removesuffix(b"\r\n"))


def addresses(data: bytes) -> None:
    """A list as CSV, NDJSON or lines."""
    try:
        for row in reading.read_addresses(io.BytesIO(data)):
            address(row.address.encode("utf-8", "surrogateescape"))
        reading.read_head(io.BytesIO(data))
    except ConfigurationError:
        pass


def events(data: bytes) -> None:
    """A file of what campaigns met."""
    with contextlib.suppress(ConfigurationError):
        list(event_files.read_event_rows(io.BytesIO(data), event_files.ImportRules(), _NOW, "events"))


def job(data: bytes) -> None:
    """The payload of an arq job."""
    call = wire.read_job(data, _FUNCTIONS)
    if call["f"] == wire.REJECT:
        return
    for read in (wire.read_chunk, lambda arguments: wire.read_events(arguments, _NOW)):
        with contextlib.suppress(wire.Unreadable):
            read(call["a"][0])


def bouncer(data: bytes) -> None:
    """A body of the Bouncer API, in every place where one is read."""
    reads: tuple[Callable[[bytes], Any], ...] = (
        bouncer_wire.read_created,
        lambda body: bouncer_wire.read_status(body, "ref"),
        bouncer_wire.read_credits,
        lambda body: [bouncer_wire.classify(status, body) for status in (200, 400, 402, 403, 429, 503)],
        _read_rows,
    )
    for read in reads:
        with contextlib.suppress(bouncer_wire.Unreadable):
            read(data)


def _read_rows(data: bytes) -> None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    for number, row in enumerate(rows.iterate_rows(text)):
        found = rows.read_row(row, 1, number)
        json.dumps(found.extra)


TARGETS: dict[str, Target] = {
    "address": address,
    "addresses": addresses,
    "bouncer": bouncer,
    "config": config,
    "events": events,
    "job": job,
    "names": names,
    "reply": reply,
}
