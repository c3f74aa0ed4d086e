"""What a person sees of many runs: a line for each that ended, and on a terminal a live picture of those that train."""

import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TextIO

from tricktable.runner import terminal
from tricktable.runner.training.progress import clock

EVERY = 0.5  # seconds between two live pictures
BAR, GAP, WIDE = 24, 2, 100  # characters: of a bar, between columns, and of a terminal that has room for it
WORDS = {"complete": "done"}


@dataclass(frozen=True)
class Training:
    """A run that trains now: seconds since its start, and epochs done, of how many, where it has said so."""

    title: str
    seconds: float
    epoch: float = 0
    epochs: float = 0

    @property
    def share(self) -> float:
        """How much of it is done, from 0 to 1."""
        return min(self.epoch / self.epochs, 1.0) if self.epochs else 0.0

    @property
    def words(self) -> str:
        """How far it is, as a person reads it."""
        return f"epoch {self.epoch:g} of {self.epochs:g}" if self.epochs else "starting"


class Overview:
    """Counts the runs that ended; lines go to `stream` (stdout unless told), whether anybody listens or not.

    `live` asks for the picture too, which a stream that is no terminal does not get.
    """

    def __init__(self, total: int, live: bool = False, stream: TextIO | None = None) -> None:
        self.total, self.ended = total, Counter[str]()
        self._stream = stream or sys.stdout
        self._wanted = live and self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._live: Any = None
        self._seconds: list[float] = []
        self._drawn = 0.0

    def say(self, line: str) -> None:
        """A line for a person."""
        if self._live is None:
            terminal.say(line, self._stream)
            return
        with terminal.quiet_if_closed(self._stream):
            for part in terminal.wrapped(terminal.clean(line), self._live.console.width):
                self._live.console.print(part, markup=False, highlight=False, soft_wrap=True)

    def count(self, state: str, seconds: float = 0.0) -> int:
        """Count a run that ended in this state; `seconds` where it was trained now. How many have ended."""
        self.ended[state] += 1
        if seconds and state == "complete":
            self._seconds.append(seconds)
        return self.ended.total()

    def end(self, title: str, state: str, words: str, seconds: float) -> None:
        """Count a run that ended, and say so: `[3/15] done: seed=2  test error 1.23%`."""
        number = self.count(state, seconds)
        self.say("  ".join(filter(None, [f"[{number}/{self.total}] {WORDS.get(state, state)}: {title}", words])))

    @property
    def done(self) -> int:
        """How many have a result."""
        return self.ended["complete"] + self.ended["diverged"]

    @property
    def due(self) -> bool:
        """Whether it is time for another picture."""
        return self._live is not None and time.monotonic() - self._drawn >= EVERY

    def draw(self, training: Sequence[Training]) -> None:
        """Show the runs that train now, and the counts."""
        self._drawn = time.monotonic()
        with terminal.quiet_if_closed(self._stream):
            self._live.update(self._picture(training), refresh=True)

    def left(self, training: Sequence[Training]) -> float | None:
        """Seconds until all are done at the mean pace of those trained so far; None while there is none."""
        if not self._seconds or not training:
            return None
        waiting = self.total - self.ended.total() - len(training)
        return statistics.fmean(self._seconds) * (waiting + sum(1 - t.share for t in training)) / len(training)

    def stand(self, training: Sequence[Training], handed: int, others: int) -> str:
        """Say of each run that trains how far it is; then how all stand, empty where all have ended.

        `handed` are with an engine, those that train among them; `others` work on so many more.
        """
        for each in training:
            self.say(f"running: {each.title}  {each.words}")
        if not handed and not others:
            return ""
        pending = handed - len(training)
        counted = f"{self.done} done, {len(training) + others} running, {pending} pending"
        return f"{counted}; the same command says how they stand"

    def _picture(self, training: Sequence[Training]) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        width = self._live.console.width
        bar = BAR if width >= WIDE else BAR // 3
        words = [(t.words, clock(t.seconds)) for t in training]
        beside = bar + sum(max(map(len, column)) for column in zip(*words, strict=True)) + 3 * GAP
        table = Table.grid(padding=(0, GAP))
        for t, said in zip(training, words, strict=True):
            title = terminal.wrapped(terminal.clean(t.title), max(1, width - beside))
            drawn = ProgressBar(total=1.0, completed=t.share, width=bar)
            table.add_row(Text("\n".join(title)), drawn, *(Text(each, no_wrap=True) for each in said))
        return Group(table, Text("\n".join(terminal.wrapped("  ".join(self._counts(training)), width))))

    def _counts(self, training: Sequence[Training]) -> Iterator[str]:
        for state, number in self.ended.items():
            yield f"{number} {WORDS.get(state, state)}"
        yield f"{len(training)} running"
        yield f"{self.total - self.ended.total() - len(training)} waiting"
        left = self.left(training)
        if left is not None:
            yield f"about {clock(left)} left"

    def __enter__(self) -> Self:
        if self._wanted:
            with terminal.quiet_if_closed(self._stream):
                self._live = _live(self._stream)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        live, self._live = self._live, None
        if live is not None:
            with terminal.quiet_if_closed(self._stream):
                live.stop()


def _live(stream: TextIO) -> Any:
    """A started live display. It draws only when told: no thread of its own, so that starting a process stays safe."""
    from rich.live import Live

    console = terminal.quiet_console(stream)
    live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False)
    live.start()
    return live
