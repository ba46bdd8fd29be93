"""Who sits at the console: a sealed cookie that names a key, and the token that every form carries.

The cookie holds no secret: it says which key logged in and when, under a signature. Whether the key is
still good is asked anew with every page.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from itsdangerous import BadData, Signer, URLSafeSerializer

COOKIE = "validatord_console"
SECRET_NAME = "console_session"  # noqa: S105 the name of a row of `secrets`
LONGEST = timedelta(hours=12)
_NONCE_BYTES = 18


@dataclass(frozen=True, slots=True)
class Session:
    """One browser: `nonce` is its own, `key_id` the key it logged in with (None: nobody yet)."""

    nonce: str
    issued_at: datetime
    key_id: int | None = None


class Sealer:
    """Seals sessions into cookies and opens them again."""

    def __init__(self, secret: str) -> None:
        self._cookies = URLSafeSerializer(secret, salt="validatord console session")
        self._tokens = Signer(secret, salt="validatord console form")
        self._words = URLSafeSerializer(secret, salt="validatord console word")

    def __repr__(self) -> str:
        return "<Sealer>"

    def seal(self, session: Session) -> str:
        """Return the cookie's value."""
        return str(
            self._cookies.dumps(
                {"nonce": session.nonce, "issued": int(session.issued_at.timestamp()), "key": session.key_id}
            )
        )

    def open(self, cookie: str, now: datetime) -> Session | None:
        """Return the session of a cookie; None for one that is not ours, too old, or from the future."""
        try:
            data: Any = self._cookies.loads(cookie)
            key = data["key"]
            issued_at = datetime.fromtimestamp(int(data["issued"]), UTC)
            session = Session(str(data["nonce"]), issued_at, None if key is None else int(key))
        except (BadData, KeyError, TypeError, ValueError, OverflowError, OSError):
            return None
        age = now - session.issued_at
        return session if timedelta(seconds=-60) <= age < LONGEST else None

    def token_of(self, session: Session) -> str:
        """Return what a form of this session must carry: it proves that the page came from here."""
        return self._tokens.get_signature(f"{session.nonce}:{session.key_id}").decode()

    def is_token_of(self, session: Session, token: str) -> bool:
        """Whether a form's token is this session's; in constant time."""
        return hmac.compare_digest(self.token_of(session).encode(), token.encode("utf-8", "replace"))

    def wrap(self, words: list[str]) -> str:
        """Seal a few words that the next page shows."""
        return str(self._words.dumps(words))

    def unwrap(self, sealed: str) -> list[str] | None:
        """Return sealed words, or None for what is not ours."""
        try:
            found: Any = self._words.loads(sealed)
        except BadData:
            return None
        return found


SEALER = web.RequestKey("console sealer", Sealer)


def begin(now: datetime, key_id: int | None = None) -> Session:
    """Return a new session; a login never goes on with the nonce it had before."""
    return Session(secrets.token_urlsafe(_NONCE_BYTES), now, key_id)
