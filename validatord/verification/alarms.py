"""What a refusal says about us everywhere, and an operator must hear: a shared block list, a sender nobody believes."""

from loguru import logger

from validatord.mail.reply import Reply
from validatord.mail.verdict import Meaning, ReplyReading
from validatord.rules.blocklists import find_blocklist
from validatord.rules.reply_text import normalise_text
from validatord.verification.context import Tools, Visit


def note_refusal(reply: Reply, reading: ReplyReading, visit: Visit, tools: Tools, recipient: str = "") -> None:
    """Hear what a refusal says about our address or sender; the second provider that says so makes it an alarm."""
    if reading.meaning is Meaning.SENDER_IP_BLOCKED:
        _note_listing(normalise_text(reply, recipient), visit, tools)
    elif reading.meaning is Meaning.SENDER_REJECTED and not reading.temporary:
        _note_sender(str(reply), visit, tools)


def _note_listing(text: str, visit: Visit, tools: Tools) -> None:
    name, identity, provider = find_blocklist(text), visit.identity.name, visit.provider.key
    is_paused = name and tools.lanes.observe_listing(identity, provider, name)
    if is_paused and identity in tools.lanes.paused_identities:
        logger.bind(identity=identity, blocklist=name, provider=provider).error(
            "two providers say that our address is on this block list: nothing goes out from it until it is off"
        )


def _note_sender(said: str, visit: Visit, tools: Tools) -> None:
    identity = visit.identity
    if tools.memory.note_sender_refused(identity.name, visit.provider.key):
        logger.bind(identity=identity.name, envelope_sender=identity.envelope_sender, reply=said[:200]).error(
            "two providers refuse our envelope sender: its domain needs MX, SPF and a mailbox; see `validatord doctor`"
        )
