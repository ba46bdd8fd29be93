"""Every setting with its default and meaning, in two trees: static (a restart) and reloadable (SIGHUP).

Constructors elsewhere take the values they use, not the whole; a unit of work sees one snapshot.
Where values come from is `validatord.settings`' work, which also hands these names on.
"""

from datetime import timedelta
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from validatord.settings_alerts import AlertSettings, MetricsSettings
from validatord.settings_bouncer import BouncerSettings
from validatord.settings_gate import GateSettings
from validatord.settings_history import HistorySettings
from validatord.settings_policy import PolicySettings
from validatord.settings_queue import UpkeepSettings
from validatord.settings_types import (
    Duration,
    DurationOrZero,
    Durations,
    EnvelopeSender,
    HELOName,
    IPAddressOrEmpty,
    Networks,
    PostgreSQLURL,
    ProxyURL,
    RedisURL,
    Resolvers,
    Section,
    Words,
)
from validatord.settings_web import WebSettings
from validatord.settings_webhooks import WebhookSettings

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


# --- static: read once at start ------------------------------------------------------------------


class ServiceSettings(Section):
    """The process itself."""

    node: str = Field(
        default="validatord", pattern=_NAME, description="Name of this daemon; one instance runs per name."
    )
    state_dir: str = Field(
        default="", description="Where embedded stores keep their data; empty: a folder of the user's."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least level that is logged; also read again at a reload."
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="One line of text or one JSON object per event; also read again at a reload."
    )
    is_address_masked: bool = Field(
        default=True,
        description="Hide the local parts of addresses in the log, traces included; also read again at a reload.",
    )
    stop_grace: DurationOrZero = Field(
        default=timedelta(seconds=6),
        description="How long running visits may finish at a stop; also read again at a reload.",
    )


class DatabaseSettings(Section):
    """PostgreSQL, the ledger."""

    url: PostgreSQLURL = Field(
        default=SecretStr(""), description="postgresql://…; empty: a PostgreSQL of our own (extra `embedded`)."
    )
    pool_size: int = Field(default=10, ge=2, le=200, description="Most connections.")
    statement_timeout: Duration = Field(default=timedelta(seconds=30), description="Longest statement.")
    lock_timeout: Duration = Field(default=timedelta(seconds=5), description="Longest wait for a lock.")


class RedisSettings(Section):
    """Redis, the doorbell of arq."""

    url: RedisURL = Field(
        default=SecretStr(""), description="redis://… or unix://…; empty: a Redis of our own, where one is found."
    )
    queue: str = Field(default="validatord:queue", min_length=1, description="Name of the arq queue.")
    poll_delay: Duration = Field(default=timedelta(milliseconds=100), description="How often arq looks for jobs.")
    max_jobs: int = Field(default=20, ge=1, le=1000, description="Most chunks taken in at the same time.")
    is_enabled: bool = Field(default=True, description="Take work from arq at all.")


# --- reloadable: read again at SIGHUP --------------------------------------------------------------


class IdentitySettings(Section):
    """Who we are to the receivers; one per source address."""

    name: str = Field(default="default", pattern=_NAME, description="Stable name; lanes and pins carry it.")
    source_address: IPAddressOrEmpty = Field(
        default="", description="Local IP address to connect from; empty: the system's choice."
    )
    helo_name: HELOName = Field(
        default="localhost", description="What we say in EHLO: the PTR name of the source address."
    )
    envelope_sender: EnvelopeSender = Field(
        default="probe@localhost", description="MAIL FROM of our probes: a real mailbox of ours; empty: <>."
    )
    alternative_sender: str = Field(
        default="",
        pattern=r"^(<>|[^\s<>@]+@[^\s<>@]+)?$",
        description="Tried once where the envelope sender is refused: an address, or <>; empty: none.",
    )
    proxy: ProxyURL = Field(default=SecretStr(""), description="socks5://…; empty: none.")


class LookupSettings(Section):
    """DNS."""

    resolvers: Resolvers = Field(default=(), description="host or host:port; empty: the system's.")
    confirm_resolvers: Resolvers = Field(default=(), description="Second opinion for NXDOMAIN; empty: the same again.")
    timeout: Duration = Field(default=timedelta(seconds=3), description="One query to one server.")
    total: Duration = Field(default=timedelta(seconds=8), description="Everything about one domain.")
    cache_ttl: DurationOrZero = Field(
        default=timedelta(hours=24), description="How long the ledger's facts of a domain hold."
    )
    cache_size: int = Field(default=50_000, ge=0, description="Domains kept in the process.")
    concurrency: int = Field(default=100, ge=1, description="Most queries at the same time.")
    is_ipv4_preferred: bool = Field(default=True, description="Try IPv4 addresses first.")
    is_ipv6_enabled: bool = Field(default=False, description="Connect over IPv6 at all; needs PTR and SPF for it.")
    public_addresses_only: bool = Field(
        default=True, description="Off only for the sandbox and tests: logged at start."
    )
    deny_addresses: Networks = Field(
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
    quit_timeout: DurationOrZero = Field(
        default=timedelta(seconds=2), description="Reply to QUIT and the closing of the other side."
    )
    session_timeout: Duration = Field(default=timedelta(seconds=120), description="A whole session.")
    visit_timeout: Duration = Field(default=timedelta(seconds=150), description="One attempt over all MX hosts.")
    idle_timeout: DurationOrZero = Field(
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
    session_interval: DurationOrZero = Field(
        default=timedelta(seconds=2), description="Between two new sessions of a lane."
    )
    rcpt_per_minute: float = Field(default=60, gt=0, description="RCPT per minute and lane.")
    jitter: float = Field(default=0.2, ge=0, le=0.5, description="Share by which waits are spread.")
    unknown_ratio: float = Field(
        default=0.30, gt=0, le=1, description="Pause a lane above this share of unknown users …"
    )
    unknown_window: int = Field(default=20, ge=1, description="… among its last so many RCPT.")
    failures_to_open: int = Field(
        default=5, ge=1, description="Failures in a row that open a host's or domain's breaker."
    )
    open_for: DurationOrZero = Field(default=timedelta(minutes=45), description="How long that breaker stays open.")
    is_slow_start: bool = Field(default=True, description="Lanes start with one session and grow with success.")
    is_network_counted: bool = Field(
        default=True,
        description="Count MX hosts below their own domain's name by their /24 or /48 as well: pools wear such names.",
    )
    listing_pause: DurationOrZero = Field(
        default=timedelta(hours=24),
        description="How long an identity rests that two providers found on one block list; 0s: it does not.",
    )
    warm_up: int = Field(
        default=0, ge=0, description="RCPT per day and lane in a lane's first week, doubling weekly; 0: no warm-up."
    )
    providers_file: str = Field(default="", description="MX providers and their pace; empty: the shipped table.")


class RetrySettings(Section):
    """Deferrals: what is not decided now is asked again."""

    delays: Durations = Field(
        default=(timedelta(minutes=15), timedelta(hours=2), timedelta(hours=8)),
        min_length=1,
        max_length=10,
        description="Waits before the second, third, … attempt; after the last the outcome is `unknown`.",
    )
    jitter: float = Field(default=0.2, ge=0, le=0.5, description="Share by which each wait is spread.")
    min_wait: DurationOrZero = Field(
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
    first_ttl: DurationOrZero = Field(default=timedelta(hours=24), description="How long a first `accepts all` holds.")
    ttl: DurationOrZero = Field(default=timedelta(days=7), description="How long a confirmed answer holds.")
    is_confirmed_by_second_shape: bool = Field(default=True, description="Ask a second, differently shaped name.")
    is_postmaster_control: bool = Field(default=True, description="Ask postmaster@ after an unrecognised refusal.")


class FreshnessSettings(Section):
    """How long a verdict is reused instead of asked again."""

    valid: DurationOrZero = Field(default=timedelta(days=7), description="valid.")
    invalid: DurationOrZero = Field(default=timedelta(days=3), description="invalid.")
    risky: DurationOrZero = Field(default=timedelta(hours=24), description="risky.")
    accept_all: DurationOrZero = Field(default=timedelta(days=7), description="accept_all.")
    ttl: DurationOrZero = Field(
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
    positive_history: int = Field(default=40, description="Somebody opened, clicked or replied; fades.")
    hard_bounce: int = Field(default=-100, description="A campaign bounced for good; fades, see [history].")
    soft_bounce: int = Field(default=-10, description="A campaign bounced for a while; fades.")
    complaint: int = Field(default=-30, description="The mailbox's owner complained about our mail; fades.")
    domain_bounces: int = Field(default=-20, description="Times the share of the domain's mail that bounced lately.")
    domain_health: int = Field(default=0, description="SPF and DMARC published (0: not counted).")
    low_confidence: int = Field(default=-15, description="Weak evidence, where it is no refusal.")
    inferred_refusal: int = Field(default=20, ge=0, description="What a refusal leaves that was only inferred …")
    weak_refusal: int = Field(default=35, ge=0, description="… or not repeated; a clear one leaves nothing.")
    valid_from: int = Field(default=90, ge=0, le=100, description="Surely valid.")
    accept_from: int = Field(default=70, ge=0, le=100, description="valid, or accept_all.")
    unknown_from: int = Field(default=40, ge=0, le=100, description="unknown or risky; below: invalid.")

    @model_validator(mode="after")
    def check_order(self) -> Self:
        """The thresholds form a ladder."""
        if not self.valid_from >= self.accept_from >= self.unknown_from:
            msg = "valid_from, accept_from and unknown_from must not rise in this order"
            raise ValueError(msg)
        return self


class StoreSettings(Section):
    """Loops around the ledger."""

    flush_rows: int = Field(default=200, ge=1, le=5000, description="Most rows of one result write.")
    flush_interval: DurationOrZero = Field(
        default=timedelta(milliseconds=250), description="Longest wait before a result is written."
    )
    lease: Duration = Field(
        default=timedelta(minutes=2), description="How long a domain is leased; renewed while visited."
    )
    dispatch_interval: Duration = Field(
        default=timedelta(milliseconds=500),
        description="How often due domains are looked for; half as often while nobody is visited.",
    )
    reap_interval: Duration = Field(
        default=timedelta(seconds=15), description="How often expired leases are looked for."
    )
    keep_requests: Duration = Field(default=timedelta(days=90), description="How long finished requests are kept.")
    high_water: int = Field(
        default=2_000_000, ge=1000, description="Unfinished requests above which no more work is taken in …"
    )
    low_water: int = Field(default=0, ge=0, description="… until so many are left; 0: nine tenths of it.")
    metrics_log_every: int = Field(
        default=0, ge=0, description="Log the counts after every so many verdicts; 0: never."
    )

    @model_validator(mode="after")
    def _check_marks(self) -> Self:
        if self.low_water > self.high_water:
            msg = "low_water is above high_water"
            raise ValueError(msg)
        return self

    @property
    def marks(self) -> tuple[int, int]:
        """The high and the low water mark."""
        return self.high_water, self.low_water or self.high_water * 9 // 10


class DoctorSettings(Section):
    """What `validatord doctor` asks the outside world about us."""

    targets: Words = Field(
        default=(),
        description="Hosts (or domains, whose MX host is taken) greeted to see whether port 25 is open; empty: none.",
    )
    dnsbl_zones: Words = Field(
        default=("zen.spamhaus.org", "bl.spamcop.net"),
        description="DNS block lists that our own addresses are looked up in; empty: none.",
    )


class StaticTree(BaseModel):
    """What needs a restart."""

    service: ServiceSettings = ServiceSettings()
    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    metrics: MetricsSettings = MetricsSettings()
    web: WebSettings = WebSettings()


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
    gate: GateSettings = GateSettings()
    store: StoreSettings = StoreSettings()
    upkeep: UpkeepSettings = UpkeepSettings()
    doctor: DoctorSettings = DoctorSettings()
    bouncer: BouncerSettings = BouncerSettings()
    history: HistorySettings = HistorySettings()
    webhooks: WebhookSettings = WebhookSettings()
    alerts: AlertSettings = AlertSettings()

    @field_validator("identities")
    @classmethod
    def check_names(cls, value: tuple[IdentitySettings, ...]) -> tuple[IdentitySettings, ...]:
        """Lanes and pins are found again by the identity's name."""
        if len({identity.name for identity in value}) < len(value):
            msg = "two identities have the same name"
            raise ValueError(msg)
        return value


class Settings(StaticTree, ReloadableTree):
    """All of it, as one file reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @classmethod
    def of(cls, **sections: Any) -> "Settings":
        """Build settings in code: `Settings.of(smtp={"port": 2525})`."""
        return cls.model_validate(sections)
