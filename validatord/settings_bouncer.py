"""The settings of the paid second opinion; a part of the reloadable tree.

The limits of the API are configuration with the provider's documented numbers as bounds: they have changed before.
"""

from datetime import timedelta
from typing import Self

from pydantic import Field, SecretStr, model_validator

from validatord.settings_types import APIURL, HTTPURL, Duration, DurationOrZero, Section


class BouncerSettings(Section):
    """The paid second opinion; off without a key."""

    api_key: SecretStr = Field(default=SecretStr(""), description="Key of the Bouncer account; empty: off.")
    deep_api_key: SecretStr = Field(
        default=SecretStr(""), description="Key of an account with deep accept-all checks; empty: no deep pass."
    )
    base_url: APIURL = Field(
        default="https://api.usebouncer.com", description="Where the API is; http:// only on this machine."
    )
    callback_url: HTTPURL = Field(
        default="", description="Where Bouncer may tell that a batch is complete; a token is put after it."
    )
    max_open_batches: int = Field(
        default=15, ge=1, le=25, description="Most batches under way; they are worked off one after another there."
    )
    batch_size: int = Field(default=10_000, ge=1, le=100_000, description="Most addresses of one batch.")
    fill_wait: DurationOrZero = Field(
        default=timedelta(minutes=10), description="How long addresses wait for a batch to fill; critical ones never."
    )
    credits_per_day: int = Field(default=0, ge=0, description="Most credits of all clients a day (UTC); 0: no cap.")
    credits_per_month: int = Field(default=0, ge=0, description="Most credits of all clients a month; 0: no cap.")
    deep_credits_per_month: int = Field(default=0, ge=0, description="Budget of the deep pass; 0: nothing.")
    unexplained_credits: int = Field(
        default=100,
        ge=-1,
        description="Credits that may be gone at a start without our doing; more pauses buying. -1: never look.",
    )
    calls_per_minute: int = Field(default=180, ge=1, le=200, description="All calls a minute; a ceiling, not a target.")
    creates_per_minute: float = Field(default=10, gt=0, le=60, description="Creates a minute.")
    polls_per_minute: float = Field(default=50, gt=0, le=200, description="Status reads a minute.")
    downloads_per_minute: float = Field(default=20, gt=0, le=200, description="Downloads and deletes a minute, each.")
    credit_reads_per_minute: float = Field(default=4, gt=0, le=10, description="Reads of the credits a minute.")
    rate_limit_wait: Duration = Field(
        default=timedelta(seconds=60), description="Wait after 429, unless the answer names a sane one."
    )
    tick: Duration = Field(default=timedelta(seconds=2), description="How often the driver looks round.")
    poll_interval: Duration = Field(default=timedelta(seconds=30), description="Between two polls of a batch.")
    retry_wait: Duration = Field(
        default=timedelta(seconds=10), description="First wait after a failed read; doubles up to max_retry_wait."
    )
    max_retry_wait: Duration = Field(default=timedelta(minutes=15), description="Longest wait after a failed read.")
    connect_timeout: Duration = Field(default=timedelta(seconds=10), description="TCP connect and TLS.")
    read_timeout: Duration = Field(default=timedelta(seconds=60), description="Longest silence while reading.")
    call_timeout: Duration = Field(default=timedelta(minutes=3), description="A whole call, but for a download.")
    download_timeout: Duration = Field(default=timedelta(hours=1), description="A whole download.")
    max_download_bytes: int = Field(default=134_217_728, ge=1000, description="Longest body read, unpacked.")
    lost_after: DurationOrZero = Field(
        default=timedelta(minutes=5), description="A batch is lost when Bouncer still does not know it after this."
    )
    stuck_after: Duration = Field(
        default=timedelta(hours=1), description="Warn about the first batch in line when nothing moves for this long."
    )
    missing_retries: int = Field(
        default=2, ge=0, le=20, description="How often an address that did not come back is asked about again."
    )
    keep_results: DurationOrZero = Field(
        default=timedelta(hours=24), description="How long Bouncer keeps a batch after we have its results."
    )
    check_interval: Duration = Field(
        default=timedelta(minutes=1), description="How often credits and key are looked at while nothing can be bought."
    )
    metrics_interval: Duration = Field(default=timedelta(minutes=1), description="Between two rows of health metrics.")
    breaker_failures: int = Field(
        default=5, ge=1, description="Rounds of nothing but transport failures and 5xx that open the breaker."
    )
    breaker_open: Duration = Field(default=timedelta(seconds=60), description="How long it stays open.")

    @model_validator(mode="after")
    def check_waits(self) -> Self:
        """The waits rise."""
        if self.max_retry_wait < self.retry_wait:
            msg = "max_retry_wait must not be shorter than retry_wait"
            raise ValueError(msg)
        return self
