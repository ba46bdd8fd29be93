"""Names of control recipients: mailboxes that cannot exist, the same ones for a domain all month.

They must not be fresh at each attempt: a greylist remembers the triplet, so only the same name can
pass the second time.
"""

import base64
import hashlib
import hmac
from datetime import date

_CONSONANTS = "bdfghklmnprstvwz"
_VOWELS = "aeiou"
_LENGTH = 16


def control_recipients(secret: bytes, domain: str, month: date) -> tuple[str, str]:
    """Return two full addresses of different shape for `domain`, fixed for the month of `month`.

    The first is sixteen letters and digits and begins with a letter; the second looks like
    `firstname.lastname` with four digits, for hosts that judge names by their shape.
    """
    text = f"{domain.lower()}|{month.year:04d}-{month.month:02d}"
    return (
        f"{_opaque(_digest(secret, text, 'opaque'))}@{domain}",
        f"{_spoken(_digest(secret, text, 'spoken'))}@{domain}",
    )


def _digest(secret: bytes, text: str, shape: str) -> bytes:
    return hmac.new(secret, f"{shape}|{text}".encode(), hashlib.sha256).digest()


def _opaque(digest: bytes) -> str:
    name = base64.b32encode(digest).decode("ascii")[:_LENGTH].lower()
    return name if name[0].isalpha() else chr(ord("a") + int(name[0])) + name[1:]


def _spoken(digest: bytes) -> str:
    number = int.from_bytes(digest, "big")
    syllables: list[str] = []
    for _ in range(6):
        number, consonant = divmod(number, len(_CONSONANTS))
        number, vowel = divmod(number, len(_VOWELS))
        syllables.append(_CONSONANTS[consonant] + _VOWELS[vowel])
    return f"{''.join(syllables[:3])}.{''.join(syllables[3:])}{number % 10_000:04d}"
