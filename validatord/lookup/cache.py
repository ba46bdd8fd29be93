"""Answers kept in the process: bounded, the least recently used goes first, the expired ones are not seen."""

from collections import OrderedDict

from validatord.clock import Clock
from validatord.mail.mx import MXAnswer


class MXCache:
    """Domain → answer, at most `size` of them."""

    def __init__(self, size: int, clock: Clock) -> None:
        self._size = size
        self._clock = clock
        self._answers: OrderedDict[str, MXAnswer] = OrderedDict()

    def resize(self, size: int) -> None:
        """Keep at most so many from now on."""
        self._size = size
        while len(self._answers) > size:
            self._answers.popitem(last=False)

    def clear(self) -> None:
        """Forget every answer."""
        self._answers.clear()

    def __len__(self) -> int:
        return len(self._answers)

    def find(self, domain: str) -> MXAnswer | None:
        """Return the answer if one is kept that has not expired."""
        answer = self._answers.get(domain)
        if answer is None:
            return None
        if answer.expires_at is None or answer.expires_at <= self._clock.now():
            del self._answers[domain]
            return None
        self._answers.move_to_end(domain)
        return answer

    def keep(self, domain: str, answer: MXAnswer) -> None:
        """Keep an answer in place of an older one."""
        self._answers[domain] = answer
        self._answers.move_to_end(domain)
        while len(self._answers) > self._size:
            self._answers.popitem(last=False)
