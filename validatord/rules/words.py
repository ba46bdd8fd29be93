"""What every status, reason, meaning and failure says to people; one sentence or half-sentence each."""

from validatord.mail.verdict import Meaning, Reason, Scope, Stage, Status

STATUSES = {
    Status.VALID: "the address takes mail",
    Status.INVALID: "the address takes no mail",
    Status.ACCEPT_ALL: "the domain accepts every address, so this one may exist or not",
    Status.RISKY: "mail may arrive, with a known risk",
    Status.UNKNOWN: "nothing certain could be learned",
    Status.FREE_PROVIDER: "an address at a free provider, shown so by the client's policy",
}

REASONS = {
    Reason.ACCEPTED: "The host accepted the address and refuses made-up ones.",
    Reason.FORWARDED: "The host accepted the address and said it will forward.",
    Reason.RECIPIENT_RATE_LIMITED: "The mailbox exists; it gets more mail at present than its host allows.",
    Reason.ACCEPT_ALL: "The host accepts addresses it cannot know, so its yes says nothing about this one.",
    Reason.SYNTAX: "The text is no e-mail address.",
    Reason.DOMAIN_NOT_FOUND: "The domain does not exist.",
    Reason.NULL_MX: "The domain says in DNS that it takes no mail (null MX).",
    Reason.NO_MAIL_HOST: "The domain has neither a mail host nor an address of its own.",
    Reason.MX_NOT_PUBLIC: "The domain's mail hosts have only addresses that are not public.",
    Reason.MX_UNRESOLVABLE: "The domain names mail hosts, and none of the names has an address.",
    Reason.NO_SUCH_MAILBOX: "The host said that there is no such mailbox.",
    Reason.MAILBOX_DISABLED: "The host said that the mailbox is disabled.",
    Reason.USER_NOT_LOCAL: "The host said that the user is not there.",
    Reason.DOMAIN_NOT_HOSTED: "The mail host said that it does not take mail for this domain.",
    Reason.RELAY_DENIED: "The mail host refused to take mail for this domain.",
    Reason.SMTPUTF8_UNSUPPORTED: "The local part is not ASCII, and the host does not offer SMTPUTF8.",
    Reason.MAILBOX_FULL: "The mailbox exists and is full.",
    Reason.DISPOSABLE: "The domain is one for throw-away mailboxes.",
    Reason.HARD_BOUNCE: "A campaign's mail to this address came back for good.",
    Reason.DNS_FAILURE: "DNS gave no answer about the domain.",
    Reason.NO_CONNECTION: "No mail host could be connected to.",
    Reason.CONNECTION_LOST: "The connection was lost before the host answered.",
    Reason.CONNECTION_REJECTED: "The host turned us away at the greeting and did not say why.",
    Reason.GREYLISTED: "The host greylists: it wants to be asked again later.",
    Reason.RATE_LIMITED: "The host limits how much we may ask.",
    Reason.SENDER_IP_BLOCKED: "The host blocks our IP address; that says nothing about the mailbox.",
    Reason.SENDER_REJECTED: "The host rejects our sender or HELO name; that says nothing about the mailbox.",
    Reason.POLICY_REJECTED: "The host refused by a policy and did not say whether the mailbox exists.",
    Reason.RELAY_DENIED_SOFT: "The mail host refuses, for now, to take mail for this domain.",
    Reason.NO_SUCH_MAILBOX_SOFT: "The host said, as a temporary refusal, that it does not know the mailbox.",
    Reason.TEMPORARY_FAILURE: "The host has temporary trouble.",
    Reason.TLS_REQUIRED: "The host demands TLS, and it could not be set up.",
    Reason.AUTH_REQUIRED: "The host demands a login; it takes no mail from strangers.",
    Reason.PROTOCOL_ERROR: "The host did not keep to SMTP.",
    Reason.CANNOT_VERIFY: "The host said that it cannot verify the address.",
    Reason.ADDRESS_REFUSED: "The host does not like the form of the address, which is correct.",
    Reason.ACCEPT_ALL_UNDETERMINED: "The host accepted the address; whether it accepts every address is not known.",
    Reason.BACKUP_MX_ONLY: "Only a backup host could be asked, and those often accept everything.",
    Reason.PROVIDER_PAUSED: "The mail provider was not asked: we pause there.",
    Reason.NEVER_PROBE: "The settings say that this domain is never connected to.",
    Reason.OPTED_OUT: "The domain's owner asked not to be probed.",
    Reason.DAILY_CAP: "The number of addresses asked about there in one day is used up.",
    Reason.HANDED_OVER: "Our probe could not decide; Bouncer is asked.",
    Reason.UNREADABLE: "The request could not be read.",
}

MEANINGS = {
    Meaning.OK: "accepted",
    Meaning.NO_SUCH_MAILBOX: "no such mailbox",
    Meaning.MAILBOX_FULL: "the mailbox is full",
    Meaning.MAILBOX_DISABLED: "the mailbox is disabled",
    Meaning.RECIPIENT_RATE_LIMITED: "the mailbox gets too much mail at present",
    Meaning.GREYLISTED: "greylisted, come back later",
    Meaning.RATE_LIMITED: "we ask too much",
    Meaning.SENDER_IP_BLOCKED: "our IP address is blocked",
    Meaning.SENDER_REJECTED: "our sender is rejected",
    Meaning.POLICY_REJECTED: "refused by a policy",
    Meaning.RELAY_DENIED: "this host does not relay for the domain",
    Meaning.DOMAIN_NOT_HOSTED: "the domain has no mail here",
    Meaning.TEMPORARY_FAILURE: "temporary trouble of the host",
    Meaning.TOO_MANY_RECIPIENTS: "too many recipients at once, no answer",
    Meaning.TLS_REQUIRED: "TLS is demanded",
    Meaning.AUTH_REQUIRED: "a login is demanded",
    Meaning.PROTOCOL_ERROR: "a fault of the protocol",
}

SCOPES = {
    Scope.RECIPIENT: "about the mailbox",
    Scope.HOST: "about the host",
    Scope.DOMAIN: "about the domain",
    Scope.PROVIDER: "about the provider",
    Scope.OURSELVES: "about us",
}

STAGES = {
    Stage.CONNECT: "at the greeting",
    Stage.EHLO: "to EHLO",
    Stage.STARTTLS: "to STARTTLS",
    Stage.MAIL: "to the sender",
    Stage.RCPT: "to the address",
    Stage.RSET: "to RSET",
    Stage.QUIT: "to QUIT",
}

FAILURES = {
    "connect_failed": "the connection was refused",
    "connect_timeout": "the connection did not come about in time",
    "reply_timeout": "no answer came in time",
    "disconnected": "the host closed the connection",
    "tls_failed": "the TLS handshake failed",
    "protocol_violation": "what came was not SMTP",
    "smtputf8_unsupported": "the address was not asked about, since the host does not offer SMTPUTF8",
    "not_sendable": "the address was not asked about, since it must not go on the wire",
}

# Reasons beside the main one that need a sentence; the rest are flags and names of evidence.
NOTES = {
    "retries_exhausted": "It was asked again by the whole schedule and stayed so.",
    "given_up": "It waited so long in vain that we gave up.",
    "repeated": "The same text came again after the longest wait.",
    "postmaster_accepted": "The host accepted postmaster@ in the same session, so the refusal is about the mailbox.",
    "same_for_postmaster": "postmaster@ got the very same text, so the refusal is about us.",
    "control_accepted": "The host accepted a made-up name in the same session, so the refusal is about the mailbox.",
    "plain_name_heard": "A plain name was not refused for its form in the same session.",
    "provider_accepts_everything": "This provider says yes to every name and refuses only the message.",
    "implicit_mx": "The domain names no mail host; its web host does not listen for mail.",
    "disposable": "The domain is one for throw-away mailboxes.",
    "role": "The address names a function, not a person.",
    "free": "The domain is a free provider's.",
    "address_only": "The domain has no MX record; it is its own mail host.",
    "positive_history": "Somebody opened or answered a campaign's mail at this address.",
    "hard_bounce": "A campaign's mail to this address came back for good.",
    "low_confidence": "This verdict rests on weak evidence.",
}
