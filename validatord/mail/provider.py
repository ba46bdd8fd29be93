"""Who runs the MX hosts, and how politely it wants to be asked."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast one lane may go: one source identity at one MX provider."""

    sessions: int = 2  # most simultaneous sessions
    session_interval: timedelta = timedelta(seconds=2)  # between two new sessions
    rcpt_per_minute: float = 60
    sessions_per_hour: int = 0  # 0: no limit
    rcpt_per_day: int = 0  # 0: no limit
    refusals_per_session: int = 8
    unknown_ratio: float = 0.30  # pause above this share of unknown users …
    unknown_window: int = 20  # … among the last so many RCPT
    rcpt_per_envelope: int = 5


@dataclass(frozen=True, slots=True)
class MXProvider:
    """A receiver that counts us as one client: key, display name, what is known of it."""

    key: str
    name: str = ""
    accepts_everything: bool = False  # 250 at RCPT says nothing there (Yahoo family, Mail.ru)
    postmaster_control: bool = True  # may postmaster@ be used as a control there
    pace: Pace = Pace()
