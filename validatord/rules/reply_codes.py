"""What a reply's codes say where its text says nothing: enhanced status codes, then bare ones.

RFC 3463 and RFC 5248 name the enhanced codes, RFC 5321 4.2.3 the bare ones. A security code (X.7.x) never
means "no such mailbox" by itself.
"""

from validatord.mail.reply import EnhancedCode
from validatord.mail.verdict import Meaning, Stage

_PERMANENT = 5
_DOMAIN_CODE = 556
_CLOSING = 421
_SECURITY = 7  # RFC 3463 3.8
# What an unknown client is told first (RFC 6647 2.1); 421 and 452 mean the host, not the triplet.
_FIRST_CONTACT = frozenset({450, 451})

# (subject, detail) -> meaning of a permanent refusal, meaning of a transient one.
_BY_DETAIL: dict[tuple[int, int], tuple[Meaning, Meaning]] = {
    (1, 0): (Meaning.NO_SUCH_MAILBOX, Meaning.NO_SUCH_MAILBOX),
    (1, 1): (Meaning.NO_SUCH_MAILBOX, Meaning.NO_SUCH_MAILBOX),
    (1, 2): (Meaning.DOMAIN_NOT_HOSTED, Meaning.DOMAIN_NOT_HOSTED),
    (1, 3): (Meaning.PROTOCOL_ERROR, Meaning.PROTOCOL_ERROR),
    (1, 6): (Meaning.NO_SUCH_MAILBOX, Meaning.NO_SUCH_MAILBOX),
    (1, 7): (Meaning.SENDER_REJECTED, Meaning.SENDER_REJECTED),
    (1, 8): (Meaning.SENDER_REJECTED, Meaning.SENDER_REJECTED),
    (1, 10): (Meaning.NO_SUCH_MAILBOX, Meaning.NO_SUCH_MAILBOX),
    (2, 0): (Meaning.POLICY_REJECTED, Meaning.TEMPORARY_FAILURE),
    # Google and Yandex answer 450 4.2.1 for a mailbox that gets too much mail.
    (2, 1): (Meaning.MAILBOX_DISABLED, Meaning.RECIPIENT_RATE_LIMITED),
    (2, 2): (Meaning.MAILBOX_FULL, Meaning.MAILBOX_FULL),
    (2, 121): (Meaning.RECIPIENT_RATE_LIMITED, Meaning.RECIPIENT_RATE_LIMITED),
    (2, 122): (Meaning.RECIPIENT_RATE_LIMITED, Meaning.RECIPIENT_RATE_LIMITED),
    (3, 2): (Meaning.TEMPORARY_FAILURE, Meaning.GREYLISTED),
    (5, 3): (Meaning.TOO_MANY_RECIPIENTS, Meaning.TOO_MANY_RECIPIENTS),
    (7, 0): (Meaning.POLICY_REJECTED, Meaning.GREYLISTED),
    (7, 1): (Meaning.POLICY_REJECTED, Meaning.GREYLISTED),
    (7, 8): (Meaning.AUTH_REQUIRED, Meaning.AUTH_REQUIRED),
    (7, 9): (Meaning.AUTH_REQUIRED, Meaning.AUTH_REQUIRED),
    (7, 10): (Meaning.TLS_REQUIRED, Meaning.TLS_REQUIRED),
    (7, 11): (Meaning.TLS_REQUIRED, Meaning.TLS_REQUIRED),
    (7, 57): (Meaning.AUTH_REQUIRED, Meaning.AUTH_REQUIRED),
    (7, 25): (Meaning.SENDER_IP_BLOCKED, Meaning.SENDER_IP_BLOCKED),
}
_BY_SUBJECT: dict[int, tuple[Meaning, Meaning]] = {
    3: (Meaning.TEMPORARY_FAILURE, Meaning.TEMPORARY_FAILURE),
    4: (Meaning.TEMPORARY_FAILURE, Meaning.TEMPORARY_FAILURE),
    5: (Meaning.PROTOCOL_ERROR, Meaning.PROTOCOL_ERROR),
    7: (Meaning.POLICY_REJECTED, Meaning.TEMPORARY_FAILURE),
}
# Ranges of X.7.x: RFC 7372 and 7601 for 20-30; the rest from the Exchange Online NDR list, 2024.
_RANGES_SEVEN: tuple[tuple[range, Meaning, Meaning], ...] = (
    (range(20, 31), Meaning.SENDER_REJECTED, Meaning.SENDER_REJECTED),
    (range(501, 504), Meaning.SENDER_IP_BLOCKED, Meaning.RATE_LIMITED),
    (range(504, 506), Meaning.POLICY_REJECTED, Meaning.RATE_LIMITED),
    (range(506, 507), Meaning.SENDER_REJECTED, Meaning.RATE_LIMITED),
    (range(508, 509), Meaning.RATE_LIMITED, Meaning.RATE_LIMITED),
    (range(509, 510), Meaning.SENDER_REJECTED, Meaning.RATE_LIMITED),
    (range(511, 512), Meaning.SENDER_IP_BLOCKED, Meaning.RATE_LIMITED),
    (range(515, 516), Meaning.SENDER_REJECTED, Meaning.RATE_LIMITED),
    (range(606, 650), Meaning.SENDER_IP_BLOCKED, Meaning.RATE_LIMITED),
    (range(500, 700), Meaning.POLICY_REJECTED, Meaning.RATE_LIMITED),
    (range(700, 800), Meaning.SENDER_IP_BLOCKED, Meaning.TEMPORARY_FAILURE),
    (range(850, 900), Meaning.POLICY_REJECTED, Meaning.RATE_LIMITED),
)

_BARE: dict[int, Meaning] = {
    450: Meaning.GREYLISTED,
    451: Meaning.GREYLISTED,
    500: Meaning.PROTOCOL_ERROR,
    501: Meaning.PROTOCOL_ERROR,
    502: Meaning.PROTOCOL_ERROR,
    503: Meaning.PROTOCOL_ERROR,
    504: Meaning.PROTOCOL_ERROR,
    555: Meaning.PROTOCOL_ERROR,
    530: Meaning.AUTH_REQUIRED,
    534: Meaning.AUTH_REQUIRED,
    535: Meaning.AUTH_REQUIRED,
    523: Meaning.TLS_REQUIRED,
    538: Meaning.TLS_REQUIRED,
    551: Meaning.NO_SUCH_MAILBOX,
    _DOMAIN_CODE: Meaning.DOMAIN_NOT_HOSTED,
}
# Without any text these say only what their name says (RFC 5321 4.2.3).
_WORDLESS: dict[int, Meaning] = {
    550: Meaning.NO_SUCH_MAILBOX,
    553: Meaning.NO_SUCH_MAILBOX,
    552: Meaning.MAILBOX_FULL,
}


def read_enhanced(enhanced: EnhancedCode, code: int) -> Meaning | None:
    """Return what an enhanced status code means beside reply `code`, or None where it says nothing."""
    if (enhanced.subject, enhanced.detail) == (1, 10) and code == _DOMAIN_CODE:
        return Meaning.DOMAIN_NOT_HOSTED  # RFC 7505 4.1
    found = _BY_DETAIL.get((enhanced.subject, enhanced.detail))
    if found is None and enhanced.subject == _SECURITY:
        found = _find_range(enhanced.detail)
    if found is None:
        found = _BY_SUBJECT.get(enhanced.subject)
    if found is None:
        return None
    meaning = found[0] if enhanced.klass == _PERMANENT else found[1]
    if meaning is Meaning.RECIPIENT_RATE_LIMITED and code == _CLOSING:
        return Meaning.TEMPORARY_FAILURE
    if meaning is Meaning.GREYLISTED and enhanced.subject != _SECURITY and code not in _FIRST_CONTACT:
        return Meaning.TEMPORARY_FAILURE
    return meaning


def _find_range(detail: int) -> tuple[Meaning, Meaning] | None:
    for details, permanent, transient in _RANGES_SEVEN:
        if detail in details:
            return permanent, transient
    return None


def read_bare(code: int, stage: Stage, *, has_text: bool) -> Meaning:
    """Return what a refusal's code alone means; unknown codes go by their first digit (RFC 5321 4.2.1)."""
    if not has_text and code in _WORDLESS:
        return _WORDLESS[code]
    found = _BARE.get(code)
    if found is Meaning.GREYLISTED and stage is not Stage.RCPT:
        found = None
    if found is not None:
        return found
    if 400 <= code < 500:  # noqa: PLR2004 RFC 5321 4.2.1
        return Meaning.TEMPORARY_FAILURE
    return Meaning.POLICY_REJECTED if 500 <= code < 600 else Meaning.PROTOCOL_ERROR  # noqa: PLR2004 RFC 5321 4.2.1
