"""When a submission may be sent to: the limits of the send gate; a client's policy may set its own."""

from typing import Self

from pydantic import Field, model_validator

from validatord.settings_types import Section


class GateSettings(Section):
    """Limits of the send gate, in percent of the addresses that would be sent to, unless said otherwise."""

    warn_valid_below: float = Field(default=97, ge=0, le=100, description="Fewer valid ones than this: warn …")
    block_valid_below: float = Field(default=95, ge=0, le=100, description="… and block.")
    warn_risky_above: float = Field(default=2, ge=0, le=100, description="More risky ones than this: warn …")
    block_risky_above: float = Field(default=5, ge=0, le=100, description="… and block.")
    warn_unknown_above: float = Field(
        default=1, ge=0, le=100, description="More unknown ones at small domains than this: warn …"
    )
    block_unknown_above: float = Field(default=3, ge=0, le=100, description="… and block.")
    small_domain: int = Field(
        default=10, ge=1, le=10_000, description="A domain with at most so many addresses in the submission is small."
    )
    warn_outdated_above: float = Field(
        default=0, ge=0, le=100, description="More verdicts out of date at the campaign's time than this: warn …"
    )
    block_outdated_above: float = Field(default=10, ge=0, le=100, description="… and block.")
    block_unfinished_above: float = Field(
        default=0, ge=0, le=100, description="More unfinished ones than this, in percent of all: block; else warn."
    )

    @model_validator(mode="after")
    def check_order(self) -> Self:
        """Who blocks has warned before."""
        if self.warn_valid_below < self.block_valid_below:
            msg = "warn_valid_below must not be less than block_valid_below"
            raise ValueError(msg)
        for name in ("risky", "unknown", "outdated"):
            if getattr(self, f"warn_{name}_above") > getattr(self, f"block_{name}_above"):
                msg = f"warn_{name}_above must not be more than block_{name}_above"
                raise ValueError(msg)
        return self
