"""Which shared block list a refusal names.

A receiver's own list concerns that receiver; a shared one is read by thousands. When unlike receivers
name the same one, our address is listed there, and going on elsewhere makes it worse.
"""

import re

# The name we give it, and how replies call it; the first that fits is taken.
_LISTS = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("spamhaus", r"spamhaus|\b(?:zen|sbl|xbl|pbl|css)[ -]?(?:list|advisory|lookup)"),
        ("spamcop", r"spamcop"),
        ("barracuda", r"barracudacentral|barracuda ?reputation"),
        ("sorbs", r"\bsorbs\b"),
        ("uceprotect", r"uce[ -]?protect"),
        ("cbl", r"\bcbl\b|abuseat"),
        ("abusix", r"abusix"),
        ("cloudmark", r"csi\.cloudmark|cloudmark sender intelligence"),
        ("invaluement", r"invaluement|\bivm(?:sip|uri)"),
        ("mailspike", r"mailspike"),
        ("psbl", r"\bpsbl\b|surriel"),
        ("senderscore", r"sender ?score"),
        ("hostkarma", r"hostkarma|junkemailfilter"),
        ("backscatterer", r"backscatterer"),
        ("nixspam", r"nixspam|dnsbl\.manitu"),
        ("cobion", r"dnsbl\.cobion"),
    )
)


def find_blocklist(text: str) -> str:
    """Return the shared block list that a reply's normalised text names, or "" for none that is known."""
    return next((name for name, pattern in _LISTS if pattern.search(text)), "")
