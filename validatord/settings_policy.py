"""What is never probed, whose lists are believed, and caps."""

from pydantic import Field

from validatord.settings_types import Section, Words


class PolicySettings(Section):
    """What is never probed, and caps."""

    never_probe: Words = Field(default=(), description="Domains, or .suffixes, that are never connected to.")
    never_probe_file: str = Field(default="", description="The same, one a line.")
    opt_out: Words = Field(default=(), description="Domains whose owners asked not to be probed.")
    is_disposable_probed: bool = Field(default=False, description="Probe disposable domains too.")
    rcpt_per_domain_per_day: int = Field(default=0, ge=0, description="0: no cap.")
    requests_per_client_per_day: int = Field(default=0, ge=0, description="0: no cap.")
    allow: Words = Field(
        default=(), description="Domains that are never taken for disposable, whatever any list or MX host says."
    )
    allow_file: str = Field(default="", description="The same, one a line.")
    deny: Words = Field(default=(), description="Domains that are taken for disposable, unless they are allowed.")
    deny_file: str = Field(default="", description="The same, one a line.")
    is_mailchecker_used: bool = Field(
        default=False, description="Use the larger list of disposable domains, too (extra `lists`)."
    )
    disposable_file: str = Field(
        default="", description="More disposable domains, one a line; `!domain` takes one out."
    )
    disposable_mx_file: str = Field(
        default="", description="More MX hosts of throw-away mail, one a line; `!host` takes one out."
    )
    role_file: str = Field(default="", description="More role accounts, one a line; `!name` takes one out.")
    free_file: str = Field(default="", description="More free mail providers, one a line; `!domain` takes one out.")
    suggest_from: int = Field(
        default=50,
        ge=0,
        description="Valid mailboxes from which on a domain of yours is suggested where it was mistyped; 0: never.",
    )
