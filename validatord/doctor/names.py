"""Who we say we are: HELO names that make every receiver refuse us are found before the first packet."""

import ipaddress

from validatord.settings import Settings

_BIG = (
    "gmail.com",
    "google.com",
    "outlook.com",
    "hotmail.com",
    "microsoft.com",
    "yahoo.com",
    "icloud.com",
    "apple.com",
)


def check_identity_names(settings: Settings) -> list[str]:
    """Return a sentence for each HELO name that must not be used; empty: all are fine."""
    return [
        f'identities "{identity.name}": helo_name "{identity.helo_name}" {fault}'
        for identity in settings.identities
        if (fault := _find_fault(identity.helo_name))
    ]


def _find_fault(name: str) -> str:
    folded = name.lower().rstrip(".")
    if folded == "localhost" or "." not in folded:
        return "is no full name; set it to the PTR name of the source address"
    try:
        ipaddress.ip_address(folded.strip("[]"))
    except ValueError:
        pass
    else:
        return "is an address; set it to the PTR name of the source address"
    if any(folded == big or folded.endswith("." + big) for big in _BIG):
        return "is another provider's name"
    return ""
