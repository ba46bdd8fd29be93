"""The settings of upkeep, a part of the reloadable tree: what is kept for how long, what is asked again by itself."""

from datetime import timedelta

from pydantic import Field

from validatord.settings_types import Duration, Section


class UpkeepSettings(Section):
    """What is kept for how long, and what is asked again by itself."""

    reverify_per_day: int = Field(
        default=10_000,
        ge=0,
        description="Contacts' verdicts older than freshness.ttl asked again a day, after everything else; 0: none.",
    )
    keep_domains: Duration = Field(
        default=timedelta(days=180), description="How long the facts of a domain nobody asks about are kept."
    )
    keep_events: Duration = Field(
        default=timedelta(days=730), description="How long bounces, opens and replies are kept."
    )
    keep_bouncer_results: Duration = Field(
        default=timedelta(days=365), description="How long rows from Bouncer are kept, and as long as they are reused."
    )
