"""Text to `Mailbox`: the one gate every address passes before anything is stored, looked up or sent.

The grammar is python-email-validator's (RFC 5321, 5322, 6531, IDNA 2008), without any look-up. Before it
stand our own checks, which name what is wrong in one sentence; behind it stands `is_wire_safe`, which
holds whatever the library thinks.

Nothing is repaired: an address with white space around it, in a mailto: link or with a name in front is
refused and says so, since a verdict must be about the text that was handed in. Legal and refused all the
same: quoted local parts (RFC 5321 4.1.2: nobody SHOULD define a mailbox that needs one; in lists they
are damage from an import) and address literals (`user@[192.0.2.1]` has no domain to look up).
"""

import re
import unicodedata

import email_validator
import idna

from validatord.errors import AddressSyntaxError
from validatord.mail.address import Mailbox

_MOST_CHARACTERS = 1000  # longer text is not even looked at
_MOST_LOCAL_OCTETS = 64  # RFC 5321 4.5.3.1.1
_MOST_DOMAIN_OCTETS = 253  # RFC 5321 4.5.3.1.2 says 255; two of them are DNS's own (RFC 1035 2.3.4)
_MOST_OCTETS = 254  # RFC 5321 4.5.3.1.3: a path of 256 holds the two angle brackets
_MOST_LABEL_OCTETS = 63  # RFC 1035 2.3.1

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_NAME_AND_ADDRESS = re.compile(r"[^<>]*<[^<>]*@[^<>]*>")
_UNSAFE_ON_THE_WIRE = re.compile(r"[\x00-\x20\x7f<>]")
_LDH_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))+")
# What nine of ten addresses look like; the library says yes to each of these and takes six times as long.
# No "--": it may be an A-label, and those are checked.
_PLAIN = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:(?!-)(?!.*--)[A-Za-z0-9-]{1,63}(?<!-)\.)+[A-Za-z]{2,63}"
)
_DOTTED_NUMBERS = re.compile(r"[0-9.]+")

# RFC 2606, 6761, 6762, 7686, 8375, 9476 and ICANN's .internal: no public mail can live there.
# example.com, .net and .org are left to DNS, as RFC 6761 6.5 wishes; they publish a null MX.
_NEVER_PUBLIC = frozenset({"alt", "arpa", "internal", "invalid", "local", "localhost", "onion"})
_FOR_TESTS = frozenset({"example", "test"})


def parse_address(text: str, *, allow_special_use: bool = False) -> Mailbox:
    """Return the mailbox that `text` names, its local part in NFC, its domain as lower-case A-labels.

    Args:
        text: the address alone.
        allow_special_use: let `*.example` and `*.test` pass, for tests and the sandbox.

    Raises:
        AddressSyntaxError: with a stable `rule` and a sentence for people; nothing else, whatever the text.
    """
    return _read_plain(text, allow_special_use=allow_special_use) or parse_in_full(
        text, allow_special_use=allow_special_use
    )


def parse_in_full(text: str, *, allow_special_use: bool = False) -> Mailbox:
    """Do what `parse_address` does, rule by rule: that one takes a short way with plain addresses.

    Raises:
        AddressSyntaxError: as `parse_address`.
    """
    _refuse_bad_text(text)
    _refuse_other_forms(text)
    local_part, domain = _split(text)
    _refuse_long_parts(local_part, domain)
    mailbox = _read(text, local_part, domain)
    _refuse_special_use(mailbox.domain, allow_special_use=allow_special_use)
    if not is_wire_safe(mailbox):
        raise AddressSyntaxError("unsafe_character", "The address holds a character that must not go on the wire.")
    return mailbox


def parse_domain(text: str) -> str:
    """Return a domain as lower-case A-labels, by the same rules; special-use names pass.

    Raises:
        AddressSyntaxError: as `parse_address`.
    """
    return parse_address(f"a@{text}", allow_special_use=True).domain


def unicode_domain(domain: str) -> str:
    """Return the domain as people write it; what is no IDNA comes back unchanged."""
    if "xn--" not in domain:
        return domain
    try:
        return idna.decode(domain)
    except UnicodeError:
        return domain


def is_wire_safe(mailbox: Mailbox) -> bool:
    """Whether the mailbox may stand between `<` and `>` of a RCPT command, byte by byte.

    Holds for every parsed mailbox; asked again by whoever has read one from elsewhere.
    """
    text = str(mailbox)
    if _UNSAFE_ON_THE_WIRE.search(text) or _SURROGATE.search(text):
        return False
    if "@" in mailbox.local_part or not mailbox.local_part or not _LDH_NAME.fullmatch(mailbox.domain):
        return False
    return len(text.encode()) <= _MOST_OCTETS and len(mailbox.local_part.encode()) <= _MOST_LOCAL_OCTETS


def _read_plain(text: str, *, allow_special_use: bool) -> Mailbox | None:
    """Return the mailbox of a text that no rule could refuse, or None where they must be asked.

    What the pattern takes is wire-safe: no space, bracket, second @ or byte beyond ASCII can be in it.
    """
    if len(text) > _MOST_OCTETS or not _PLAIN.fullmatch(text):
        return None
    local_part, _, domain = text.partition("@")
    domain = domain.lower()
    top = domain.rpartition(".")[2]
    is_special = top in _NEVER_PUBLIC or (top in _FOR_TESTS and not allow_special_use)
    if is_special or len(local_part) > _MOST_LOCAL_OCTETS or len(domain) > _MOST_DOMAIN_OCTETS:
        return None
    return Mailbox(local_part, domain)


def _refuse_bad_text(text: str) -> None:
    if len(text) > _MOST_CHARACTERS:
        raise AddressSyntaxError("too_long", f"The text is longer than {_MOST_CHARACTERS} characters.")
    if not text.strip():
        raise AddressSyntaxError("empty", "There is no address.")
    if _CONTROL.search(text):
        raise AddressSyntaxError("control_character", "The address holds a control character, such as a line break.")
    if _SURROGATE.search(text):
        raise AddressSyntaxError("broken_text", "The address is broken text: it cannot be written in UTF-8.")


def _refuse_other_forms(text: str) -> None:
    if text != text.strip():
        raise AddressSyntaxError("surrounding_space", "There is white space before or after the address.")
    if text.casefold().startswith("mailto:"):
        raise AddressSyntaxError("mailto", "This is a mailto: link; only the address in it is wanted.")
    if _NAME_AND_ADDRESS.fullmatch(text):
        raise AddressSyntaxError("display_name", "The address stands in angle brackets; write it without them.")
    if "<" in text or ">" in text:
        raise AddressSyntaxError("angle_bracket", "The address holds an angle bracket.")


def _split(text: str) -> tuple[str, str]:
    if text.startswith('"'):
        raise AddressSyntaxError("quoted_local_part", "Quoted local parts are not verified here.")
    local_part, at_sign, domain = text.rpartition("@")
    if not at_sign:
        # U+FF20 and U+FE6B are what some keyboards make of an @.
        hint = "; it has a character that only looks like one" if "\uff20" in text or "\ufe6b" in text else ""
        raise AddressSyntaxError("no_at_sign", f"There is no @ in it{hint}.")
    if "@" in local_part:
        raise AddressSyntaxError("several_at_signs", "There is more than one @ in it.")
    if not local_part:
        raise AddressSyntaxError("no_local_part", "There is nothing before the @.")
    if not domain:
        raise AddressSyntaxError("no_domain", "There is nothing after the @.")
    if domain.startswith("["):
        raise AddressSyntaxError("address_literal", "The domain is an IP address in brackets; it names no mail domain.")
    if domain.endswith("."):
        raise AddressSyntaxError("trailing_dot", "The domain ends with a dot; write it without.")
    return local_part, domain


def _refuse_long_parts(local_part: str, domain: str) -> None:
    if len(local_part.encode()) > _MOST_LOCAL_OCTETS:
        raise AddressSyntaxError(
            "local_part_too_long", f"The part before the @ is longer than {_MOST_LOCAL_OCTETS} octets."
        )
    # Before IDNA, where a label only grows.
    if len(domain) > _MOST_DOMAIN_OCTETS:
        raise AddressSyntaxError("domain_too_long", f"The domain is longer than {_MOST_DOMAIN_OCTETS} octets.")
    if any(len(label) > _MOST_LABEL_OCTETS for label in domain.split(".")):
        raise AddressSyntaxError(
            "label_too_long", f"A part of the domain between two dots is longer than {_MOST_LABEL_OCTETS} octets."
        )
    if _DOTTED_NUMBERS.fullmatch(domain):
        raise AddressSyntaxError("domain_is_address", "The domain is a number or an IP address, not a name.")
    if "." not in domain and domain.isascii():
        raise AddressSyntaxError("domain_without_dot", "The domain has no dot; it is a host name or a bare top level.")


def _read(text: str, local_part: str, domain: str) -> Mailbox:
    if len(text) <= _MOST_OCTETS and _PLAIN.fullmatch(text):
        return Mailbox(local_part, domain.lower())
    try:
        found = email_validator.validate_email(text, check_deliverability=False, test_environment=True)
    except email_validator.EmailNotValidError as error:
        raise _name_part(error, local_part, domain) from None
    # The library folds the case of RFC 2142 names; the local part is the receiver's to compare (RFC 5321 2.4).
    # RFC 6532 3.1: NFC, so that one mailbox has one spelling.
    mailbox = Mailbox(unicodedata.normalize("NFC", local_part), found.ascii_domain.lower())
    if len(mailbox.local_part.encode()) > _MOST_LOCAL_OCTETS:
        raise AddressSyntaxError(
            "local_part_too_long", f"The part before the @ is longer than {_MOST_LOCAL_OCTETS} octets."
        )
    return mailbox


def _name_part(error: Exception, local_part: str, domain: str) -> AddressSyntaxError:
    """Say which part the library did not like; it only says so in prose."""
    sentence = " ".join(str(error).split())
    if len(local_part.encode()) + 1 + len(domain.encode()) > _MOST_OCTETS:
        return AddressSyntaxError("too_long", f"The address is longer than {_MOST_OCTETS} octets.")
    if local_part.startswith(".") or local_part.endswith(".") or ".." in local_part:
        return AddressSyntaxError("local_part_dots", "A dot before the @ stands first, last or next to another one.")
    try:
        email_validator.validate_email(f"a@{domain}", check_deliverability=False, test_environment=True)
    except email_validator.EmailNotValidError as of_domain:
        if _is_special_use(domain):
            return _special_use(domain)
        return AddressSyntaxError("domain", " ".join(str(of_domain).split()))
    return AddressSyntaxError("local_part", sentence)


def _refuse_special_use(domain: str, *, allow_special_use: bool) -> None:
    if "." not in domain:
        raise AddressSyntaxError("domain_without_dot", "The domain has no dot; it is a host name or a bare top level.")
    if domain.rpartition(".")[2] in _FOR_TESTS and allow_special_use:
        return
    if _is_special_use(domain):
        raise _special_use(domain)


def _is_special_use(domain: str) -> bool:
    return domain.rpartition(".")[2].casefold() in _NEVER_PUBLIC | _FOR_TESTS


def _special_use(domain: str) -> AddressSyntaxError:
    name = domain.rpartition(".")[2].casefold()
    return AddressSyntaxError("special_use", f"Names under .{name} are reserved and take no mail.")
