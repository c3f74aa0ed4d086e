"""What a person sees of a run while it trains."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from tricktable.runner import terminal
from tricktable.runner.disk import atomic

BAR, FIGURES = 24, 70  # characters: of a bar, and of what stands beside it
EVERY = 0.25  # seconds between two pictures of the progress bar


class Reporter:
    """What a person sees of a run: a progress bar on a terminal, elsewhere one line per epoch; log.txt has the lines.

    `title` names the run; `stream` is stderr unless told. Nobody listening is no error; a full disk is (log.txt).
    """

    def __init__(self, log: Path | None = None, title: str = "", stream: TextIO | None = None) -> None:
        self._title, self._log, self._stream = terminal.clean(title), log, stream
        self._bar: Any = None
        self._task: Any = None
        self._total, self._first, self._done = 0.0, 0.0, 0.0
        self._began = self._drawn = time.monotonic()

    def start(self, total_epochs: float, epoch: float = 0) -> None:
        """Begin to count at `epoch` (more than 0 where a run is resumed) of `total_epochs`."""
        self.stop()
        self._stream = self._stream or sys.stderr
        self._total, self._first, self._done = total_epochs, epoch, epoch
        self._began = self._drawn = time.monotonic()
        if self._stream is None or os.environ.get("TERM") == "dumb":
            return
        with terminal.quiet_if_closed(self._stream):
            if self._stream.isatty():
                self._bar, self._task = _bar(self._title, self._stream, total_epochs)
                self._draw()

    def advance(self, epochs_done: float) -> None:
        """Say how far the run is; cheap enough for every step, for it draws a few times a second only."""
        self._done = epochs_done
        if self._bar is None or time.monotonic() - self._drawn < EVERY:
            return
        self._draw()

    def row(self, row: Mapping[str, Any]) -> None:
        """Show an epoch's row, and add its line to the log."""
        self._done = float(row["epoch"])
        line = f"{describe(row, self._total)}  {self._left()} left"
        if self._log is not None:
            with atomic.storage(self._log), atomic.opened(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as handle:
                atomic.write_all(handle, (terminal.clean(line) + "\n").encode("utf-8", "backslashreplace"))
        if self._bar is None:
            terminal.say(line, self._stream)
        else:
            self._draw(figures=_figures(row))

    def stop(self) -> None:
        """Leave the terminal as it was found."""
        bar, self._bar = self._bar, None
        if bar is not None and self._stream is not None:
            with terminal.quiet_if_closed(self._stream):
                bar.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _draw(self, **fields: str) -> None:
        assert self._stream is not None
        self._drawn = time.monotonic()
        with terminal.quiet_if_closed(self._stream):
            epoch = f"epoch {min(int(self._done) + 1, int(self._total))} of {self._total:g}"
            self._bar.update(self._task, completed=self._done, epoch=epoch, left=self._left(), **fields)
            self._bar.refresh()

    def _left(self) -> str:
        """Time left at the mean pace since the start, h:mm:ss or m:ss; `?` while there is no pace."""
        done, remaining = self._done - self._first, max(self._total - self._done, 0.0)
        if done <= 0:
            return "?"
        return clock((time.monotonic() - self._began) / done * remaining)


def clock(seconds: float) -> str:
    """As m:ss, or h:mm:ss."""
    hours, minutes = divmod(round(seconds) // 60, 60)
    return f"{hours}:{minutes:02}:{round(seconds) % 60:02}" if hours else f"{minutes}:{round(seconds) % 60:02}"


def describe(row: Mapping[str, Any], total_epochs: float) -> str:
    """A row as one line: epoch, learning rate, batch size, loss (error in percent) of each split, images/s."""
    parts = [f"epoch {row['epoch']:g}/{total_epochs:g}"]
    if row.get("lr") is not None:
        parts.append(f"lr {row['lr']:.4g}")
    if row.get("batch_size") is not None:
        parts.append(f"batch {row['batch_size']:g}")
    for split in ("train", "val", "test"):
        loss, error = row.get(f"{split}_loss"), row.get(f"{split}_error")
        shown = ([] if loss is None else [f"{loss:.3f}"]) + ([] if error is None else [f"({error:.1f}%)"])
        if shown:
            parts.append(" ".join([split, *shown]))
    if row.get("images_per_second") is not None:
        parts.append(f"{row['images_per_second']:.0f} images/s")
    return "  ".join(parts)


def _figures(row: Mapping[str, Any]) -> str:
    """What stands beside the bar."""
    forms: tuple[tuple[str, Callable[[Any], str]], ...] = (
        ("images_per_second", lambda x: f"{x:.0f} images/s"),
        ("train_loss", lambda x: f"loss {x:.3f}"),
        ("test_error", lambda x: f"test {x:.2f}%"),
    )
    return "  ".join(form(row[name]) for name, form in forms if row.get(name) is not None)


def _bar(title: str, stream: TextIO, total: float) -> tuple[Any, Any]:
    """A started progress bar and its task, under its title where both are too wide for one line.

    It draws only when told: a thread of its own would disturb the training.
    """
    from rich.progress import BarColumn, Progress, TextColumn

    texts = [TextColumn(f"{{task.{name}}}", markup=False) for name in ("fields[epoch]", "fields[figures]")]
    left = TextColumn("{task.fields[left]} left", markup=False)
    heading = TextColumn("{task.description}", markup=False)
    console = terminal.quiet_console(stream)
    width = BAR if console.width >= BAR + FIGURES + BAR else BAR // 3
    beside = console.width >= len(title) + width + FIGURES
    if not beside:
        for line in terminal.wrapped(title, console.width):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    headings = [heading] if beside else []
    bar = Progress(*headings, BarColumn(bar_width=width), *texts, left, console=console, auto_refresh=False)
    task = bar.add_task(title, total=total, epoch="", figures="", left="?")
    bar.start()
    return bar, task
