"""Lines for a person: what others wrote is made harmless, and nobody listening is no error."""

import contextlib
import io
import os
import re
import shutil
import sys
from collections.abc import Iterator
from typing import Any, TextIO

_WORDS = re.compile(r"(?<=\s)(?<!± )(?!±)")  # a figure and its interval, 1 ± 2, are one word
_PARTS = re.compile(r"(?<=[,_/])(?=\S)|(?<=\w-)(?=\w)")
_SPELT = re.compile(r"[^\n\t -~]+")
LONGEST = 4000  # characters of an error, where somebody typed or wrote a long text
TOLD = "TRICKTABLE_TOLD"  # an environment variable: the warnings that were said, one a line


def clean(text: str) -> str:
    """Text from elsewhere for a terminal: control and invisible characters are spelt out; none acts."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def wrapped(text: str, width: int) -> list[str]:
    """A text in lines of so many characters at most, one at least.

    It is broken between words; a word that is longer than a line after commas, underscores, strokes and hyphens, else
    anywhere.
    """
    lines = [""]
    for word in _WORDS.split(text):
        parts = [word] if len(word.rstrip()) <= width else [c for piece in pieces(word) for c in _cut(piece, width)]
        for part in parts:
            if lines[-1] and len(lines[-1]) + len(part.rstrip()) > width:
                lines.append("")
            lines[-1] += part
    return [line.rstrip() for line in lines]


def pieces(text: str) -> list[str]:
    """What is cut only where a line is shorter than it: a part of a word, or a figure with its interval."""
    return [piece for word in _WORDS.split(text) for piece in _PARTS.split(word) if piece]


def _cut(piece: str, width: int) -> list[str]:
    return [piece[i : i + width] for i in range(0, len(piece), width)]


def columns() -> int:
    """How many characters a line has of the terminal that somebody looks at, by COLUMNS or by the terminal itself."""
    return max(20, shutil.get_terminal_size().columns)


def say(line: str, stream: TextIO | None = None) -> None:
    """One line for a person, on stderr unless told; a run goes on where nobody listens any more (EPIPE)."""
    stream = stream or sys.stderr
    if stream is None:  # a process without one
        return
    with quiet_if_closed(stream):
        said = clean(line)
        stream.write("\n".join(wrapped(said, columns()) if stream.isatty() else [said]) + "\n")
        stream.flush()


@contextlib.contextmanager
def quiet_if_closed(stream: TextIO) -> Iterator[None]:
    """Swallow the errors of a stream that is closed, and send the rest of it to nowhere.

    Else what stays in its buffer fails once more when the interpreter ends, and turns the exit code into 120.
    """
    try:
        yield
    except BlockingIOError:  # a full pipe: what is lost is one line
        pass
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError) and not stream.closed:
            raise
        with contextlib.suppress(OSError, ValueError):  # ValueError: Python's own end of it is closed
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


@contextlib.contextmanager
def set_aside(wanted: bool) -> Iterator[None]:
    """Where wanted, send what is printed to stderr, by started processes too: stdout is for one document alone."""
    if not wanted:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


class Heard(io.TextIOWrapper):
    """A stream for a person: what is written is made harmless, and where nobody reads it any more it falls silent.

    What writes to it goes on to its end. `lost` says why something did not arrive, where that was not `| head`.
    """

    lost = ""

    def write(self, text: str) -> int:
        """All of it, or none; control characters but for tabs and ends of lines are spelt out."""
        return self.act(text if text.isprintable() else _SPELT.sub(lambda found: clean(found[0]), text))

    def act(self, text: str) -> int:
        """As it is: for what draws on a terminal."""
        with self._noted():
            super().write(text)
        return len(text)

    def flush(self) -> None:
        """What was written."""
        with self._noted():
            super().flush()

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        with quiet_if_closed(self):
            try:
                yield
            except OSError as error:
                if not isinstance(error, BrokenPipeError | BlockingIOError):
                    self.lost = (error.strerror or str(error)).lower()
                raise


class _Drawing:
    """A stream whose control characters act."""

    def __init__(self, stream: Heard) -> None:
        self._stream, self.write = stream, stream.act
        self.flush, self.isatty, self.fileno = stream.flush, stream.isatty, stream.fileno
        self.encoding, self.errors, self.closed = stream.encoding, stream.errors, stream.closed


def drawing(stream: TextIO) -> Any:
    """A stream for what draws on a terminal (rich, a progress bar): its colours and movements act there."""
    return _Drawing(stream) if isinstance(stream, Heard) else stream


def heard(stream: TextIO) -> TextIO:
    """This stream as one that falls silent; one that is no stream of the process (a test's) as it is."""
    if type(stream) is not io.TextIOWrapper:
        return stream
    encoding, errors, by_line, through = stream.encoding, stream.errors, stream.line_buffering, stream.write_through
    return Heard(stream.detach(), encoding, errors, line_buffering=by_line, write_through=through)


def listen() -> None:
    """Make the process's streams such ones; one that was closed (`>&-`) is there, and goes nowhere.

    Else the next file that is opened would get its number, and what somebody prints there.
    """
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(handle)
    sys.stdout, sys.stderr = heard(sys.stdout or _nowhere(1)), heard(sys.stderr or _nowhere(2))


def _nowhere(number: int) -> TextIO:
    return open(number, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def lost() -> str:
    """Why a part of what was printed did not arrive on stdout (a full disk); nothing where it did."""
    sys.stdout.flush()
    return sys.stdout.lost if isinstance(sys.stdout, Heard) else ""


def complain(text: str) -> None:
    """What a command ends with, as one line on stderr; the middle of a very long one is left out."""
    line = clean(" ".join(text.split()))
    shown = line if len(line) <= LONGEST else f"{line[: LONGEST - 500]} ... {line[-500:]}"
    print(f"tricktable: {shown}", file=sys.stderr)


def warn_once(line: str) -> None:
    """A warning on stderr, said once by a command and the processes that it starts."""
    told = os.environ.get(TOLD, "")
    if line not in told.splitlines():
        os.environ[TOLD] = f"{told}\n{line}"
        say(f"warning: {line}")


def console(width: int = 160) -> Any:
    """rich's console on stdout: as wide as the terminal or as COLUMNS says, and `width` columns where there is none."""
    from rich.console import Console

    known = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
    return Console(file=drawing(sys.stdout), highlight=False, width=None if known else width)


def quiet_console(stream: TextIO) -> Any:
    """rich's console, which falls silent where nobody listens any more: by itself it would end the process."""
    from rich.console import Console

    class Quiet(Console):
        def on_broken_pipe(self) -> None:
            self.quiet = True

    return Quiet(file=drawing(stream))
