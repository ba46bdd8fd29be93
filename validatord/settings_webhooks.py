"""The settings of webhooks; a part of the reloadable tree."""

from datetime import timedelta

from pydantic import Field

from validatord.settings_types import Duration, Durations, Networks, Section


class WebhookSettings(Section):
    """How messages are sent to the receivers that clients registered."""

    delays: Durations = Field(
        default=tuple(
            timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800, 28_800)
        ),
        min_length=1,
        max_length=30,
        description="Waits before the second, third, … attempt; after the last the message is dead.",
    )
    timeout: Duration = Field(default=timedelta(seconds=15), description="A whole attempt, from look-up to answer.")
    concurrency: int = Field(default=20, ge=1, le=500, description="Most messages on their way at the same time.")
    per_target: int = Field(default=4, ge=1, le=100, description="Most messages on their way to one receiver.")
    interval: Duration = Field(default=timedelta(seconds=2), description="How often the outbox is looked through.")
    keep: Duration = Field(default=timedelta(days=7), description="How long finished deliveries are kept.")
    allow_targets: Networks = Field(
        default=(), description="Networks of your own that webhooks may reach although not public; also by http://."
    )
