"""What Ctrl-C means while a list is checked."""

import asyncio
import signal
from collections.abc import Callable, Iterator

from validatord.intake.reading import InputRow


class Interrupt(asyncio.Event):
    """Ctrl-C: the first asks for an orderly end, a second one for a hasty one.

    `is_list_cut`: the first came before the list was read to its end.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hurry: Callable[[], None] = lambda: None
        self.is_list_cut = False
        self._is_waiting = False
        self._is_heard = False
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._hear)

    def _hear(self) -> None:
        if self.is_set():
            self.hurry()
        self.set()

    def stop_listening(self) -> None:
        """Let a further Ctrl-C end the process as usual."""
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)

    def guard(self, rows: Iterator[InputRow]) -> Iterator[InputRow]:
        """Yield rows until Ctrl-C, which also ends waiting for a terminal or a pipe that says nothing.

        The event loop stands still while a row is waited for, so the signal itself has to be heard.
        """
        usual = signal.signal(signal.SIGINT, self._break_off)
        try:
            while (row := self._read(rows)) is not None:
                yield row
        finally:
            signal.signal(signal.SIGINT, usual)
        self.is_list_cut = self._is_heard

    def _break_off(self, *_: object) -> None:
        self._is_heard = True
        if self._is_waiting:
            raise KeyboardInterrupt

    def _read(self, rows: Iterator[InputRow]) -> InputRow | None:
        try:
            self._is_waiting = True  # before looking: from here on a signal is an exception
            row = None if self._is_heard else next(rows, None)
            self._is_waiting = False
        except KeyboardInterrupt:
            row = None
        self._is_waiting = False
        if self._is_heard:
            self.set()
            return None
        return row
