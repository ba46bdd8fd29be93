"""What campaigns told: how fast it is forgotten, and from when on a domain's past says something."""

from datetime import timedelta

from pydantic import Field

from validatord.settings_types import Duration, Section


class HistorySettings(Section):
    """How fast what campaigns told is forgotten; after its half-life an event counts half."""

    hard_bounce_half_life: Duration = Field(default=timedelta(days=180), description="A hard bounce of the mailbox.")
    soft_bounce_half_life: Duration = Field(default=timedelta(days=14), description="A soft bounce of the mailbox.")
    sign_of_life_half_life: Duration = Field(default=timedelta(days=180), description="An open, click or reply.")
    complaint_half_life: Duration = Field(default=timedelta(days=365), description="A complaint about our mail.")
    domain_half_life: Duration = Field(default=timedelta(days=60), description="What the domain's other mail met.")
    life_after_bounce: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="What is left of a hard bounce after a newer open or click; after a reply its square.",
    )
    domain_events: int = Field(
        default=20, ge=1, description="A domain of which less was told lately says nothing about its mailboxes."
    )
    recheck: Duration = Field(
        default=timedelta(minutes=1), description="How often verdicts written beside a bounce are looked at again."
    )
