"""A self-signed certificate for the sandbox's STARTTLS, made at the start and never kept.

Python's ssl module can read certificates but not make them. A P-256 key and one signature (SEC 1, RFC 5480,
RFC 5280) are short enough to write down, which saves a dependency. Good for loopback and for nothing else:
the arithmetic is not hardened against anybody who measures it.
"""

import base64
import functools
import hashlib
import secrets
import ssl
import tempfile
from pathlib import Path

# NIST P-256; the b of the curve is not needed for adding points.
_FIELD = 2**256 - 2**224 + 2**192 + 2**96 - 1
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_BASE = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)

# Object identifiers, encoded (RFC 5480 2.1.1, RFC 5758 3.2, RFC 5280 4.2.1.6).
_EC_PUBLIC_KEY = bytes.fromhex("06072a8648ce3d0201")
_P256 = bytes.fromhex("06082a8648ce3d030107")
_ECDSA_SHA256 = bytes.fromhex("06082a8648ce3d040302")
_COMMON_NAME = bytes.fromhex("0603550403")
_ALTERNATIVE_NAME = bytes.fromhex("0603551d11")

_NAME = "sandbox.example"


@functools.cache
def server_context() -> ssl.SSLContext:
    """Return the TLS context of every MX host; the certificate lives as long as the process."""
    key = secrets.randbelow(_ORDER - 1) + 1
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        chain = Path(folder, "chain.pem")
        chain.write_text(_pem("EC PRIVATE KEY", _private_key(key)) + _pem("CERTIFICATE", _certificate(key)))
        context.load_cert_chain(chain)
    return context


def _certificate(key: int) -> bytes:
    algorithm = _der(0x30, _ECDSA_SHA256)
    name = _der(0x30, _der(0x31, _der(0x30, _COMMON_NAME, _der(0x0C, _NAME.encode()))))
    validity = _der(0x30, _der(0x17, b"200101000000Z"), _der(0x18, b"20991231235959Z"))
    public = _der(0x30, _der(0x30, _EC_PUBLIC_KEY, _P256), _der(0x03, b"\0" + _public_key(key)))
    alternative = _der(0x30, _ALTERNATIVE_NAME, _der(0x04, _der(0x30, _der(0x82, _NAME.encode()))))
    body = _der(
        0x30,
        _der(0xA0, _integer(2)),  # version 3
        _integer(secrets.randbits(63) | 1),
        algorithm,
        name,
        validity,
        name,
        public,
        _der(0xA3, _der(0x30, alternative)),
    )
    return _der(0x30, body, algorithm, _der(0x03, b"\0" + _sign(key, body)))


def _private_key(key: int) -> bytes:
    public = _der(0xA1, _der(0x03, b"\0" + _public_key(key)))
    return _der(0x30, _integer(1), _der(0x04, key.to_bytes(32, "big")), _der(0xA0, _P256), public)


def _sign(key: int, message: bytes) -> bytes:
    digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
    while True:
        nonce = secrets.randbelow(_ORDER - 1) + 1
        point = _multiply(nonce, _BASE)
        r = point[0] % _ORDER if point else 0
        s = pow(nonce, -1, _ORDER) * (digest + r * key) % _ORDER
        if r and s:
            return _der(0x30, _integer(r), _integer(s))


def _public_key(key: int) -> bytes:
    point = _multiply(key, _BASE)
    if point is None:
        msg = "a key of 0 has no public key"
        raise ValueError(msg)
    return b"\4" + point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")


def _multiply(factor: int, point: tuple[int, int] | None) -> tuple[int, int] | None:
    found = None
    while factor:
        if factor & 1:
            found = _add(found, point)
        point = _add(point, point)
        factor >>= 1
    return found


def _add(left: tuple[int, int] | None, right: tuple[int, int] | None) -> tuple[int, int] | None:
    if left is None or right is None:
        return left or right
    (x1, y1), (x2, y2) = left, right
    if x1 == x2 and (y1 + y2) % _FIELD == 0:
        return None
    # The tangent at one point (a is -3 on this curve), or the line through two.
    rise, run = (3 * (x1 * x1 - 1), 2 * y1) if left == right else (y2 - y1, x2 - x1)
    slope = rise * pow(run, -1, _FIELD)
    x3 = (slope * slope - x1 - x2) % _FIELD
    return x3, (slope * (x1 - x3) - y1) % _FIELD


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    if len(body) < 0x80:  # noqa: PLR2004 X.690 8.1.3: short form
        return bytes([tag, len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + body


def _integer(value: int) -> bytes:
    # One bit more than needed keeps the number positive.
    return _der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _pem(label: str, body: bytes) -> str:
    text = base64.encodebytes(body).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n"
