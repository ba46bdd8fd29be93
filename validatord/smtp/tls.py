"""Opportunistic TLS over bytes we already hold (RFC 3207, RFC 7435).

The TLS engine works on memory, not on a socket: so it is plain to see that nothing read before the
handshake survives it, and a session costs a few kilobytes instead of a stream's buffers.
"""

import functools
import ssl

_CHUNK = 16 * 1024


@functools.cache
def opportunistic_context() -> ssl.SSLContext:
    """Return the context of all sessions: no certificate is checked, old versions are let in.

    A probe carries no message, and the choice is this or plaintext (RFC 7435 3).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.options |= ssl.OP_NO_RENEGOTIATION  # so that writing never waits for reading
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


class TLSLayer:
    """One TLS client on memory: `feed` what came in, send what `outgoing` returns."""

    def __init__(self, host_name: str, context: ssl.SSLContext | None = None) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._engine = _wrap(context or opportunistic_context(), self._incoming, self._outgoing, host_name)
        self.is_established = False
        self.is_ended = False  # the other side said so (close_notify)

    def __repr__(self) -> str:
        return f"<TLSLayer {self.version or 'handshaking'}>"

    @property
    def version(self) -> str:
        """The version in use, such as `TLSv1.3`, or empty."""
        return (self._engine.version() or "") if self.is_established else ""

    def handshake(self) -> None:
        """Go on with the handshake as far as the bytes fed reach.

        Raises:
            ssl.SSLError: the handshake failed.
        """
        try:
            self._engine.do_handshake()
        except ssl.SSLWantReadError:
            return
        self.is_established = True

    def feed(self, data: bytes) -> bytes:
        """Take in bytes of the wire and return the plaintext in them.

        Raises:
            ssl.SSLError: what came is no TLS.
        """
        self._incoming.write(data)
        if not self.is_established:
            self.handshake()
        if not self.is_established:
            return b""
        found = bytearray()
        try:
            while chunk := self._engine.read(_CHUNK):
                found += chunk
            self.is_ended = True  # no bytes: the close_notify of RFC 8446 6.1
        except ssl.SSLWantReadError:
            pass
        return bytes(found)

    def encrypt(self, data: bytes) -> bytes:
        """Return the bytes that carry this plaintext.

        Raises:
            ssl.SSLError: the engine cannot send now.
        """
        self._engine.write(data)
        return self.outgoing()

    def outgoing(self) -> bytes:
        """Return the bytes that must go onto the wire now."""
        return self._outgoing.read()


def _wrap(context: ssl.SSLContext, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, host_name: str) -> ssl.SSLObject:
    """Name the MX host to the server (RFC 6066 3), unless the name cannot stand there."""
    try:
        return context.wrap_bio(incoming, outgoing, server_hostname=host_name or None)
    except (ValueError, UnicodeError):
        return context.wrap_bio(incoming, outgoing)
