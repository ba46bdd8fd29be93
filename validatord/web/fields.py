"""Members that several bodies, paths and queries share."""

from typing import Annotated

from pydantic import Field

from validatord.web.routes import Model

LARGEST = 2**63 - 1
CHECK_MARK = "check:"  # names of single checks begin so; lists do not show them
_PLAIN = r"^[^\x00-\x1f\x7f]+$"


Address = Annotated[str, Field(min_length=1, max_length=1000, description="An e-mail address, as you have it.")]
ClientName = Annotated[str, Field(min_length=1, max_length=100, pattern=_PLAIN, description="A client's name.")]
SubmissionName = Annotated[
    str, Field(min_length=1, max_length=200, pattern=_PLAIN, description="What the client calls a submission.")
]
Number = Annotated[int, Field(ge=1, le=LARGEST)]


class SubmissionPath(Model):
    """Which submission."""

    submission: Number = Field(description="The submission's number.")
