"""The wait a reply asks for: "try again in 300 seconds", "come back in 00:04:58", in several languages.

A number counts only beside a word of trying again; "100 messages per hour" is a limit, not a wait.
"""

import re

LONGEST_WAIT = 86_400

_CLOCK = re.compile(r"(?<![\d:.])(\d{1,2}):(\d{2}):(\d{2})(?![\d:])")
_AMOUNT = re.compile(
    r"(?<![a-z0-9.:-])(\d{1,6}|an?|one|half an)\s?[-~]?\s?"
    r"(?:(s|secs?|seconds?|sekunden?|secondes?|segundos?|secondi|sekund\w?|seconden?|saniye|секунд\w?|秒钟?|초)"
    r"|(m|mins?|minutes?|minuten?|minuto?s?|minuti|minut\w?|dakika|минут\w?|分钟?間?|分|분)"
    r"|(h|hrs?|hours?|stunden?|heures?|horas?|or[ae]|godzin\w?|uur|uren|saat|час\w{0,2}|小时|時間|时|시간))"
    r"(?![a-z0-9])"
)
_AGAIN = re.compile(
    r"try|retry|again|come back|wait|later|delay|gr[ae]y|deferr?ed for|blocked for|resend|"
    r"versuch|warten|erneut|reessay|essayer|patient|reintent|intente|nuevo|tente|novamente|riprov|tra|"
    r"повтор|через|попыт|sprobuj|ponownie|probeer|opnieuw|tekrar|deneyin|重试|再试|重新|稍后|再送|再度|후"
)
_PER = re.compile(r"(?:per|each|every|pro|par|por|last|past|within an?|/)\s*$")
_ARTICLES = {"a": 1.0, "an": 1.0, "one": 1.0, "half an": 0.5}
_FACTORS = (1, 60, 3600)


def find_wait(text: str) -> int | None:
    """Return the wait in seconds that folded `text` asks for, within 1..86400, or None."""
    if not _AGAIN.search(text):
        return None
    clock = _CLOCK.search(text)
    if clock:
        hours, minutes, seconds = (int(part) for part in clock.groups())
        return _bound(hours * 3600 + minutes * 60 + seconds)
    return _find_amounts(text)


def _find_amounts(text: str) -> int | None:
    """Add up the first amounts that stand together: "2 minutes 30 seconds"."""
    total = 0.0
    end = -1
    for found in _AMOUNT.finditer(text):
        if _PER.search(text, max(0, found.start() - 12), found.start()):
            continue
        if end >= 0 and found.start() - end > len(" and "):
            break
        total += _amount(found)
        end = found.end()
    return _bound(int(total)) if end >= 0 else None


def _amount(found: re.Match[str]) -> float:
    number = _ARTICLES.get(found[1])
    count = float(found[1]) if number is None else number
    factor = next(factor for factor, unit in zip(_FACTORS, found.groups()[1:], strict=True) if unit)
    return count * factor


def _bound(seconds: int) -> int:
    return min(max(seconds, 1), LONGEST_WAIT)
