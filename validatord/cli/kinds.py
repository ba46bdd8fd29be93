"""Kinds of values on the command line that click does not know."""

from datetime import UTC, datetime

import click


class Instant(click.ParamType[datetime]):
    """An ISO 8601 date or time; UTC where no zone is given."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read a time."""
        if isinstance(value, datetime):
            return value
        try:
            found = datetime.fromisoformat(str(value))
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(
                f"{str(value)[:60]!r} is no date like 2026-05-01 and no time like 2026-05-01T08:00+02:00", param, ctx
            )


INSTANT = Instant()
