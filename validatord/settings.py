"""Every setting, in two trees: static (a restart) and reloadable (SIGHUP).

Order of sources, the first wins: values given in code, environment, `.env`-style names of the plans,
the TOML file, systemd credentials for secrets, the defaults here. Unknown keys are errors.
Constructors elsewhere take the values they use, not this object; a unit of work sees one snapshot.
"""

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, SecretStr

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def parse_duration(value: object) -> object:
    """Read "15m", "2h30m", "250ms" or a number of seconds; anything else is left to the model."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    if isinstance(value, int | float):
        return timedelta(seconds=value)
    text = value.strip().lower().replace(" ", "")
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        msg = f'"{value}" is no duration; write it like 250ms, 30s, 15m, 2h or 7d'
        raise ValueError(msg)
    return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))


def format_duration(value: timedelta) -> str:
    """Write a duration the way `parse_duration` reads it."""
    milliseconds = round(value.total_seconds() * 1000)
    if milliseconds == 0:
        return "0s"
    found = ""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, milliseconds = divmod(milliseconds, size)
        found += f"{count}{unit}" if count else ""
    return found


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration, return_type=str)]


class Section(BaseModel):
    """One table of the TOML file."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


# --- static: read once at start ------------------------------------------------------------------


class ServiceSettings(Section):
    """The process itself."""

    node: str = Field(default="validatord", description="Name of this daemon; one instance runs per name.")
    state_dir: str = Field(
        default="", description="Where embedded stores keep their data; empty: a folder of the user's."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least level that is logged."
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="One line of text or one JSON object per event."
    )
    stop_grace: Duration = Field(
        default=timedelta(seconds=8), description="How long running visits may finish at a stop."
    )


class DatabaseSettings(Section):
    """PostgreSQL, the ledger."""

    url: SecretStr = Field(
        default=SecretStr(""), description="postgresql://…; empty: a PostgreSQL of our own (extra `embedded`)."
    )
    pool_size: int = Field(default=10, ge=2, le=200, description="Most connections.")
    statement_timeout: Duration = Field(default=timedelta(seconds=30), description="Longest statement.")
    lock_timeout: Duration = Field(default=timedelta(seconds=5), description="Longest wait for a lock.")


class RedisSettings(Section):
    """Redis, the doorbell of arq."""

    url: SecretStr = Field(
        default=SecretStr(""), description="redis://… or unix://…; empty: a Redis of our own, where one is found."
    )
    queue: str = Field(default="validatord:queue", description="Name of the arq queue.")
    poll_delay: Duration = Field(default=timedelta(milliseconds=100), description="How often arq looks for jobs.")
    max_jobs: int = Field(default=20, ge=1, le=1000, description="Most chunks taken in at the same time.")
    is_enabled: bool = Field(default=True, description="Take work from arq at all.")


# --- reloadable: read again at SIGHUP --------------------------------------------------------------


class IdentitySettings(Section):
    """Who we are to the receivers; one per source address."""

    name: str = Field(default="default", description="Stable name; lanes and pins carry it.")
    source_address: str = Field(default="", description="Local IP address to connect from; empty: the system's choice.")
    helo_name: str = Field(default="localhost", description="What we say in EHLO: the PTR name of the source address.")
    envelope_sender: str = Field(
        default="probe@localhost", description="MAIL FROM of our probes: a real mailbox of ours."
    )
    proxy: SecretStr = Field(default=SecretStr(""), description="socks5://…; empty: none.")


class LookupSettings(Section):
    """DNS."""

    resolvers: tuple[str, ...] = Field(default=(), description="host or host:port; empty: the system's.")
    confirm_resolvers: tuple[str, ...] = Field(
        default=(), description="Second opinion for NXDOMAIN; empty: the same again."
    )
    timeout: Duration = Field(default=timedelta(seconds=3), description="One query to one server.")
    total: Duration = Field(default=timedelta(seconds=8), description="Everything about one domain.")
    cache_ttl: Duration = Field(
        default=timedelta(hours=24), description="How long the ledger's facts of a domain hold."
    )
    cache_size: int = Field(default=50_000, ge=0, description="Domains kept in the process.")
    concurrency: int = Field(default=100, ge=1, description="Most queries at the same time.")
    is_ipv4_preferred: bool = Field(default=True, description="Try IPv4 addresses first.")
    is_ipv6_enabled: bool = Field(default=False, description="Connect over IPv6 at all; needs PTR and SPF for it.")
    public_addresses_only: bool = Field(
        default=True, description="Off only for the sandbox and tests: logged at start."
    )
    deny_addresses: tuple[str, ...] = Field(
        default=(), description="Networks never connected to, besides the non-public ones."
    )


class SMTPSettings(Section):
    """The conversation."""

    port: int = Field(
        default=25, ge=1, le=65535, description="Port of the MX hosts; anything but 25 is for the sandbox."
    )
    tls: Literal["opportunistic", "only_when_required"] = Field(
        default="opportunistic", description="When to use STARTTLS."
    )
    connect_timeout: Duration = Field(default=timedelta(seconds=10), description="TCP connect.")
    greeting_timeout: Duration = Field(default=timedelta(seconds=30), description="From connect to the whole greeting.")
    ehlo_timeout: Duration = Field(
        default=timedelta(seconds=20), description="EHLO, STARTTLS and the TLS handshake, each."
    )
    mail_timeout: Duration = Field(default=timedelta(seconds=20), description="Reply to MAIL.")
    rcpt_timeout: Duration = Field(
        default=timedelta(seconds=30), description="Each reply to RCPT, from the previous one."
    )
    rset_timeout: Duration = Field(default=timedelta(seconds=10), description="Reply to RSET.")
    quit_timeout: Duration = Field(
        default=timedelta(seconds=2), description="Reply to QUIT and the closing of the other side."
    )
    session_timeout: Duration = Field(default=timedelta(seconds=120), description="A whole session.")
    visit_timeout: Duration = Field(default=timedelta(seconds=150), description="One attempt over all MX hosts.")
    idle_timeout: Duration = Field(
        default=timedelta(seconds=4), description="How long a session is kept for the next mailbox."
    )
    refusals_per_session: int = Field(default=8, ge=1, description="Most refused RCPT in a session.")
    resets_per_session: int = Field(default=8, ge=1, description="Most RSET in a session.")
    rcpt_per_session: int = Field(default=20, ge=1, description="Most RCPT in a session.")
    rcpt_per_envelope: int = Field(default=5, ge=1, le=100, description="Most RCPT after one MAIL.")
    max_addresses: int = Field(default=5, ge=1, description="Most addresses tried in one attempt.")
    max_hosts: int = Field(default=2, ge=1, description="Most hosts spoken with past EHLO in one attempt.")


class PacingSettings(Section):
    """How much at once, and how fast."""

    global_concurrency: int = Field(default=96, ge=1, le=5000, description="Most visits at the same time.")
    per_domain_concurrency: int = Field(default=1, ge=1, le=20, description="Most conversations with one domain.")
    visit_size: int = Field(default=100, ge=1, le=1000, description="Most mailboxes of one visit.")
    sessions: int = Field(
        default=2, ge=1, description="Sessions per lane, unless config/providers.toml says otherwise."
    )
    session_interval: Duration = Field(default=timedelta(seconds=2), description="Between two new sessions of a lane.")
    rcpt_per_minute: float = Field(default=60, gt=0, description="RCPT per minute and lane.")
    jitter: float = Field(default=0.2, ge=0, le=0.5, description="Share by which waits are spread.")
    unknown_ratio: float = Field(
        default=0.30, gt=0, le=1, description="Pause a lane above this share of unknown users …"
    )
    unknown_window: int = Field(default=20, ge=1, description="… among its last so many RCPT.")
    failures_to_open: int = Field(
        default=5, ge=1, description="Failures in a row that open a host's or domain's breaker."
    )
    open_for: Duration = Field(default=timedelta(minutes=45), description="How long that breaker stays open.")
    is_slow_start: bool = Field(default=True, description="Lanes start with one session and grow with success.")


class RetrySettings(Section):
    """Deferrals: what is not decided now is asked again."""

    delays: tuple[Duration, ...] = Field(
        default=(timedelta(minutes=15), timedelta(hours=2), timedelta(hours=8)),
        min_length=1,
        max_length=10,
        description="Waits before the second, third, … attempt; after the last the outcome is `unknown`.",
    )
    jitter: float = Field(default=0.2, ge=0, le=0.5, description="Share by which each wait is spread.")
    min_wait: Duration = Field(
        default=timedelta(seconds=60), description="A wait asked for in a reply's text is not shorter …"
    )
    max_wait: Duration = Field(default=timedelta(hours=2), description="… and not longer than this.")
    give_up_after: Duration = Field(
        default=timedelta(hours=48), description="A mailbox that could not even be asked ends then."
    )


class AcceptAllSettings(Section):
    """The control recipient."""

    secret: SecretStr = Field(
        default=SecretStr(""), description="Key of the control recipients' names; empty: made once and kept."
    )
    first_ttl: Duration = Field(default=timedelta(hours=24), description="How long a first `accepts all` holds.")
    ttl: Duration = Field(default=timedelta(days=7), description="How long a confirmed answer holds.")
    is_confirmed_by_second_shape: bool = Field(default=True, description="Ask a second, differently shaped name.")
    is_postmaster_control: bool = Field(default=True, description="Ask postmaster@ after an unrecognised refusal.")


class FreshnessSettings(Section):
    """How long a verdict is reused instead of asked again."""

    valid: Duration = Field(default=timedelta(days=7), description="valid.")
    invalid: Duration = Field(default=timedelta(days=3), description="invalid.")
    risky: Duration = Field(default=timedelta(hours=24), description="risky.")
    accept_all: Duration = Field(default=timedelta(days=7), description="accept_all.")
    ttl: Duration = Field(
        default=timedelta(days=60), description="When a row in email_validation counts as out of date."
    )


class ScoreSettings(Section):
    """Weights and thresholds of the confidence."""

    syntax: int = Field(default=40, description="Good syntax.")
    mx: int = Field(default=25, description="The domain has MX hosts.")
    address_only: int = Field(default=10, description="Only an A or AAAA record.")
    accepted: int = Field(default=30, description="RCPT accepted.")
    accept_all: int = Field(default=-25, description="The domain accepts all.")
    disposable: int = Field(default=-60, description="Disposable domain.")
    role: int = Field(default=-10, description="Role account.")
    positive_history: int = Field(default=40, description="Somebody opened or replied.")
    hard_bounce: int = Field(default=-100, description="A campaign bounced.")
    domain_health: int = Field(default=0, description="SPF and DMARC published (0: not counted).")
    valid_from: int = Field(default=90, ge=0, le=100, description="Surely valid.")
    accept_from: int = Field(default=70, ge=0, le=100, description="valid, or accept_all.")
    unknown_from: int = Field(default=40, ge=0, le=100, description="unknown or risky; below: invalid.")


class PolicySettings(Section):
    """What is never probed, and caps."""

    never_probe: tuple[str, ...] = Field(default=(), description="Domains, or .suffixes, that are never connected to.")
    never_probe_file: str = Field(default="", description="The same, one a line.")
    opt_out: tuple[str, ...] = Field(default=(), description="Domains whose owners asked not to be probed.")
    is_disposable_probed: bool = Field(default=False, description="Probe disposable domains too.")
    rcpt_per_domain_per_day: int = Field(default=0, ge=0, description="0: no cap.")
    requests_per_client_per_day: int = Field(default=0, ge=0, description="0: no cap.")
    disposable_file: str = Field(
        default="", description="More disposable domains, one a line; `!domain` takes one out."
    )
    role_file: str = Field(default="", description="More role accounts, one a line; `!name` takes one out.")
    free_file: str = Field(default="", description="More free mail providers, one a line; `!domain` takes one out.")


class StoreSettings(Section):
    """Loops around the ledger."""

    flush_rows: int = Field(default=200, ge=1, le=5000, description="Most rows of one result write.")
    flush_interval: Duration = Field(
        default=timedelta(milliseconds=250), description="Longest wait before a result is written."
    )
    lease: Duration = Field(
        default=timedelta(minutes=2), description="How long a domain is leased; renewed while visited."
    )
    dispatch_interval: Duration = Field(
        default=timedelta(milliseconds=500), description="How often due domains are looked for."
    )
    reap_interval: Duration = Field(
        default=timedelta(seconds=15), description="How often expired leases are looked for."
    )
    keep_requests: Duration = Field(default=timedelta(days=90), description="How long finished requests are kept.")
    high_water: int = Field(
        default=2_000_000, ge=1000, description="Unfinished requests above which arq intake pauses."
    )


class BouncerSettings(Section):
    """The paid second opinion; off without a key."""

    api_key: SecretStr = Field(default=SecretStr(""), description="Key of the Bouncer account; empty: off.")
    base_url: str = Field(default="https://api.usebouncer.com/v1.1", description="Where the API is.")


class StaticTree(BaseModel):
    """What needs a restart."""

    service: ServiceSettings = ServiceSettings()
    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()


class ReloadableTree(BaseModel):
    """What SIGHUP reads again."""

    identities: tuple[IdentitySettings, ...] = Field(default=(IdentitySettings(),), min_length=1)
    lookup: LookupSettings = LookupSettings()
    smtp: SMTPSettings = SMTPSettings()
    pacing: PacingSettings = PacingSettings()
    retry: RetrySettings = RetrySettings()
    accept_all: AcceptAllSettings = AcceptAllSettings()
    freshness: FreshnessSettings = FreshnessSettings()
    score: ScoreSettings = ScoreSettings()
    policy: PolicySettings = PolicySettings()
    store: StoreSettings = StoreSettings()
    bouncer: BouncerSettings = BouncerSettings()


class Settings(StaticTree, ReloadableTree):
    """All of it, as one file reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @classmethod
    def of(cls, **sections: Any) -> "Settings":
        """Build settings in code: `Settings.of(smtp={"port": 2525})`."""
        return cls.model_validate(sections)
