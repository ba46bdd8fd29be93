"""Signatures of Standard Webhooks 1.0: HMAC-SHA256 over `id.timestamp.body`, as standardwebhooks.com describes them."""

import base64
import binascii
import hashlib
import hmac
import secrets

PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64  # bytes of a key


def make_secret() -> str:
    """Return a new secret as receivers are given it: `whsec_` and the key in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def is_secret(text: str) -> bool:
    """Whether a text is a secret of the right form and length."""
    return text.startswith(PREFIX) and _SHORTEST <= len(_read_key(text)) <= _LONGEST


def sign(keys: tuple[str, ...], event_id: str, timestamp: int, body: bytes) -> str:
    """Return the header `webhook-signature`: a signature for each secret, so that a change of secret loses nothing."""
    content = f"{event_id}.{timestamp}.".encode() + body
    digests = (hmac.new(_read_key(key), content, hashlib.sha256).digest() for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def _read_key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        return b""
