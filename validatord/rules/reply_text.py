"""The text of a reply made comparable: joined, folded, and with every address cut out.

A recipient such as `blocked@…` must not turn "user unknown" into a block (RFC 5321 lets servers echo the
path). Addresses other than the recipient's leave the token `<addr>`, URLs stay. Patterns of the rule
tables are folded the same way, so that they can be written with accents.
"""

import re
import unicodedata

from validatord.mail.reply import Reply

# Longer texts are cut, not refused: what a reply means stands at its beginning.
TEXT_LIMIT = 2048
OTHER_ADDRESS = " <addr> "

# Bounded on both sides of the @, so that hostile text costs linear time.
_ADDRESS = re.compile(r"<?[^\s<>()\[\]\"',;:=]{1,128}@[^\s<>()\[\]\"',;:]{1,255}>?")
_SPACES = re.compile(r"\s+")
_LEADING_CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?=\s)")
_EMPTY_BRACKETS = re.compile(r"<\s+>|\(\s+\)|\[\s+\]|\"\s+\"|'\s+'")
# What a third host said about itself: the address in it is neither ours nor the recipient's.
_RELAYED = re.compile(
    r"\bhost [^\s\[]{1,255}\[[^\]]{1,64}\](?::\d+)?(?=:? (?:said|refused to|returned|while|timed|lost))|"
    r"\b(connect to|lost connection with|conversation with) [^\s\[]{1,255}\[[^\]]{1,64}\](?::\d+)?:?"
)
# Letters without a decomposition in Unicode that people write with and without their strokes.
_STROKES = str.maketrans("łøđı\N{RIGHT SINGLE QUOTATION MARK}", "lodi'")

# "See RFC2821 4.1.1.1": the number of a section is no IP address.
_SECTION = re.compile(r"\brfc[ -]?\d{3,4}(?: ?\(\d{4}\))?,?(?: (?:section|sec\.?|s\.))? ?\d+(?:\.\d+)+")
# Local parts that are words of the replies themselves: cut only where they are clearly an echo.
_PLAIN_WORDS = frozenset(
    (  # noqa: SIM905 one to a line would be a page
        "a account accounts address addresses alias an available bad be box by client contact disabled "
        "dns does domain email exist exists for found full helo here host id in inbox invalid ip is it "
        "known list listed local mail mailbox mx name no non not of on ou our over policy postmaster ptr "
        "quota rcpt recipient rejected relay reply sender server service spf such sorry that the this to "
        "unavailable unknown user username users utilisateur usuario utente valid virtual you your "
        "benutzer empfaenger konto postfach "
    ).split()
)


def fold(text: str) -> str:
    """Return `text` case-folded, without accents and typographic apostrophes."""
    return strip_accents(text.casefold())


def strip_accents(text: str) -> str:
    """Return `text` decomposed and without combining marks; patterns keep their case this way."""
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFKD", text.translate(_STROKES))
    return "".join(char for char in decomposed if unicodedata.category(char) != "Mn")


def normalise_text(reply: Reply, recipient: str) -> str:
    """Return the reply's text for matching and for "same text" comparisons.

    The recipient is cut out wherever it stands: in angle brackets, bare, or its local part alone.
    """
    text = fold(_join(reply.lines)[:TEXT_LIMIT])
    recipient = fold(recipient)
    if "@" in text:
        if recipient:
            text = text.replace(f"<{recipient}>", " ").replace(recipient, " ")
        text = _ADDRESS.sub(OTHER_ADDRESS, text)
    if "rfc" in text:
        text = _SECTION.sub("rfc", text)
    if "[" in text:
        text = _RELAYED.sub(r" \1 ", text)
    local_part = recipient.rpartition("@")[0]
    if local_part and local_part in text:
        text = _cut_local_part(text, local_part)
    if " >" in text or " )" in text or " ]" in text or ' "' in text or " '" in text:
        text = _EMPTY_BRACKETS.sub(" ", text)
    return _SPACES.sub(" ", text).strip()


def _join(lines: tuple[str, ...]) -> str:
    """Return the lines as one, without the enhanced status code that each of them repeats (RFC 2034 4)."""
    repeated = _LEADING_CODE.match(lines[0]) if lines else None
    if repeated is None:
        return " ".join(lines)
    code = repeated[0]
    return " ".join([lines[0], *(line.removeprefix(code) for line in lines[1:])])


def name_recipient(reply: Reply, recipient: str) -> str | None:
    """Return the text with the word "mailbox" where the recipient's address stands, or None where it does not.

    "<user@example.com>: is closed" says of whom only by the address that `normalise_text` takes out.
    """
    whole = "\n".join(reply.lines)
    if "@" not in recipient or recipient.casefold() not in whole.casefold():
        return None
    if whole.isascii():
        # A pattern for every recipient would have to be compiled, which takes longer than all other rules.
        whole, sought = whole.lower(), recipient.lower()
        for echo in (f"<{sought}>", f"<{sought}", f"{sought}>", sought):
            whole = whole.replace(echo, " mailbox ")
    else:
        whole = re.sub(f"<?{re.escape(recipient)}>?", " mailbox ", whole, flags=re.IGNORECASE)
    return normalise_text(Reply(reply.code, tuple(whole.split("\n"))), recipient)


def cut_address(line: str, recipient: str) -> str:
    """Return one line without addresses: a local part such as `john5.1.1` is no enhanced status code."""
    if "@" not in line:
        return line
    if recipient:
        line = line.replace(recipient, " ")
    return _ADDRESS.sub(" ", line)


def _cut_local_part(text: str, local_part: str) -> str:
    quoted = re.escape(local_part)
    if local_part in _PLAIN_WORDS or local_part.isdigit():
        return re.sub(rf"(?<=[<\[(\"'`]){quoted}(?=[>\])\"'`])", " ", text)
    return re.sub(rf"(?<![\w.@/-]){quoted}(?![\w@/-]|\.\w)", " ", text)
