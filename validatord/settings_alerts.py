"""The settings of alerts and of the figures' own port; alerts are a part of the reloadable tree."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from validatord.settings_types import Duration, DurationOrZero, Section, Words


class MetricsSettings(Section):
    """Figures for Prometheus, and for the log."""

    port: int = Field(
        default=0, ge=0, le=65535, description="A port of their own for /metrics; 0: at the HTTP door's /metrics only."
    )
    host: str = Field(
        default="127.0.0.1", min_length=1, max_length=255, description="Address of that port; it asks for no key."
    )


class AlertSettings(Section):
    """What is told to the operator without Prometheus: by mail, and by webhooks of the operator."""

    is_enabled: bool = Field(default=True, description="Look for what needs a person at all.")
    recipients: Words = Field(default=(), description="Who gets alerts by mail; empty: nobody.")
    sender: str = Field(
        default="", pattern=r"^([^\s<>@]+@[^\s<>@]+)?$", description="Sender of those mails; needed for them."
    )
    smtp_host: str = Field(default="", max_length=255, description="Your own mail relay; needed for mails.")
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Its port.")
    smtp_tls: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="How it is spoken with: STARTTLS, TLS from the first byte, or neither."
    )
    smtp_user: str = Field(default="", max_length=255, description="User there; empty: none.")
    smtp_password: SecretStr = Field(default=SecretStr(""), description="Password there.")
    smtp_timeout: Duration = Field(default=timedelta(seconds=30), description="A whole mail, from connect to QUIT.")
    interval: Duration = Field(default=timedelta(seconds=15), description="How often figures are taken and looked at.")
    digest: DurationOrZero = Field(
        default=timedelta(minutes=5), description="What begins and ends within this time is told in one message."
    )
    clear_after: DurationOrZero = Field(
        default=timedelta(minutes=5), description="An alert is over when its cause was gone for so long."
    )
    remind: Duration = Field(default=timedelta(hours=24), description="What still holds is told again after this.")
    backlog: int = Field(default=100_000, ge=1, description="Alert above so many unfinished requests.")
    error_share: float = Field(default=0.05, gt=0, le=1, description="Alert above this share of errors.")
    limiter_share: float = Field(default=0.9, gt=0, le=1, description="Alert above this use of Bouncer's call limits.")
    api_seconds: float = Field(default=5, gt=0, description="Alert when Bouncer's answers take longer on average.")
    failures_per_hour: int = Field(default=10, ge=0, description="Alert above so many failures of workers in an hour.")
    no_progress: Duration = Field(
        default=timedelta(minutes=15), description="Alert when work is due and nothing was decided for so long."
    )
    credits: int = Field(default=1000, ge=0, description="Alert below so many credits; only while a key is set.")
    transaction: Duration = Field(
        default=timedelta(minutes=5), description="Alert when a transaction in PostgreSQL is open for longer."
    )

    @model_validator(mode="after")
    def check_mail(self) -> Self:
        """Mail needs a relay and a sender."""
        if self.recipients and not (self.smtp_host and self.sender):
            msg = "recipients needs smtp_host and sender"
            raise ValueError(msg)
        if wrong := [one for one in self.recipients if one.count("@") != 1]:
            msg = f'recipients: "{wrong[0][:100]}" is no address'
            raise ValueError(msg)
        return self
