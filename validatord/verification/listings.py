"""What a refusal says about our address everywhere: a shared block list that two unlike receivers name."""

from loguru import logger

from validatord.mail.reply import Reply
from validatord.mail.verdict import Meaning, ReplyReading
from validatord.rules.blocklists import find_blocklist
from validatord.rules.reply_text import normalise_text
from validatord.verification.context import Tools, Visit


def note_listing(reply: Reply, reading: ReplyReading, visit: Visit, tools: Tools, recipient: str = "") -> None:
    """Tell the lanes if a refusal names a shared block list; the second provider that does pauses the identity."""
    if reading.meaning is not Meaning.SENDER_IP_BLOCKED:
        return
    name = find_blocklist(normalise_text(reply, recipient))
    if name and tools.lanes.observe_listing(visit.identity.name, visit.provider.key, name):
        logger.bind(identity=visit.identity.name, blocklist=name, provider=visit.provider.key).error(
            "two providers say that our address is on this block list: nothing goes out from it until it is off"
        )
