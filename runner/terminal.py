"""Lines for a person: what others wrote is made harmless, and nobody listening is no error."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

TOLD = "TRICKTABLE_TOLD"  # an environment variable: the warnings that were said, one a line


def clean(text: str) -> str:
    """Text from elsewhere for a terminal: control and invisible characters are spelt out; none acts."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def say(line: str, stream: TextIO | None = None) -> None:
    """One line for a person, on stderr unless told; a run goes on where nobody listens any more (EPIPE)."""
    stream = stream or sys.stderr
    if stream is None:  # a process without one
        return
    with quiet_if_closed(stream):
        stream.write(clean(line) + "\n")
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
    """A stream that falls silent where nobody reads it any more (`| head`); what writes to it goes on to its end."""

    def write(self, text: str) -> int:
        """All of it, or none."""
        with quiet_if_closed(self):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        """What was written."""
        with quiet_if_closed(self):
            super().flush()


def heard(stream: TextIO) -> TextIO:
    """This stream as one that falls silent; one that is no stream of the process (a test's) as it is."""
    if type(stream) is not io.TextIOWrapper:
        return stream
    encoding, errors, by_line, through = stream.encoding, stream.errors, stream.line_buffering, stream.write_through
    return Heard(stream.detach(), encoding, errors, line_buffering=by_line, write_through=through)


def warn_once(line: str) -> None:
    """A warning on stderr, said once by a command and the processes that it starts."""
    told = os.environ.get(TOLD, "")
    if line not in told.splitlines():
        os.environ[TOLD] = f"{told}\n{line}"
        say(f"warning: {line}")


def console(width: int = 160) -> Any:
    """rich's console on stdout: as wide as the terminal, and `width` columns where there is none."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else width)


def quiet_console(stream: TextIO) -> Any:
    """rich's console, which falls silent where nobody listens any more: by itself it would end the process."""
    from rich.console import Console

    class Quiet(Console):
        def on_broken_pipe(self) -> None:
            self.quiet = True

    return Quiet(file=stream)
