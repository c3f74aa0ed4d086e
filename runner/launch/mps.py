"""MPS, by which processes use a GPU at the same time and not in turns; a launch starts it, and ends it.

It is NVIDIA's service, a daemon that processes find by a folder. Where several runs share a GPU, and its program is
there, a launch has a daemon of its own: in a new folder, for the launch's GPUs alone, and it ends with the launch, also
when that is stopped. What a launch left behind because it was killed is ended by the next. A daemon that answers
already is used, and left as it is. TRICKTABLE_MPS=off has none of this.

UNTESTED WITHOUT A GPU, but for a program that stands for NVIDIA's.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tricktable.runner import terminal
from tricktable.runner.disk import lock
from tricktable.runner.errors import BadInput

SWITCH = "TRICKTABLE_MPS"
CONTROL = "nvidia-cuda-mps-control"
PIPES, LOGS, VISIBLE = "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY", "CUDA_VISIBLE_DEVICES"
FOLDER = "tricktable-mps-"  # in the folder of temporary files: a socket's path has room for about 100 characters
CLIENT = (sys.executable, "-c", "import torch; torch.zeros(1, device='cuda')")
START, ANSWER = 120.0, 10.0  # seconds for a process that imports torch, and for an answer
YOUNG = 60.0  # seconds in which a folder may not be locked yet


@contextlib.contextmanager
def shared(gpus: Sequence[int], at_once: int, say: Callable[[str], None]) -> Iterator[None]:
    """Have the processes that are started meanwhile share `gpus` by MPS, where more run at once than there are GPUs.

    They find it by this process's environment. Where it cannot be had that is said, and the runs take turns. BadInput
    where the switch says neither auto nor off.
    """
    switch = os.environ.get(SWITCH, "auto")
    if switch not in ("auto", "off"):
        raise BadInput(f"{SWITCH}: expected auto or off, got {switch}")
    if switch == "off" or at_once <= len(gpus) or not gpus or shutil.which(CONTROL) is None:
        yield
    elif _answer("get_server_list", os.environ) is not None:
        say("runs that share a GPU use the MPS that runs already")
        yield
    else:
        _end_forgotten()
        with _own(gpus, say) as environment, _set(environment):
            yield


@contextlib.contextmanager
def _own(gpus: Sequence[int], say: Callable[[str], None]) -> Iterator[Mapping[str, str]]:
    """A daemon of our own, tried out with a process; what processes need to find it: nothing where it does not work."""
    folder = Path(tempfile.mkdtemp(prefix=FOLDER))
    held = lock.take(folder)
    try:
        names = _names()
        found = {**_folders(folder), VISIBLE: ",".join(names)}
        refused = _start({**os.environ, **found, VISIBLE: ",".join(names[gpu] for gpu in gpus)})
        if refused:
            _quit(folder)
            say(f"note: MPS does not start ({refused}); runs that share a GPU take turns")
        else:
            say(f"runs share a GPU by MPS, started for this launch ({SWITCH}=off is without it)")
        yield {} if refused else found
    finally:
        ended = _quit(folder)
        lock.release(held)
        if ended:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            say(f"note: MPS does not end; to end it: echo quit | {PIPES}={folder / 'pipe'} {CONTROL}")


def _folders(folder: Path) -> dict[str, str]:
    return {PIPES: str(folder / "pipe"), LOGS: str(folder / "log")}


def _names() -> list[str]:
    """The GPUs that we see, in torch's order, by names that mean the same to the daemon and to its clients.

    A number would not: the daemon counts anew those that it serves, and a client counts those.
    """
    ours = os.environ.get(VISIBLE, "")
    if ours.startswith(("GPU-", "MIG-")):
        return [name.strip() for name in ours.split(",")]
    import torch

    return [f"GPU-{torch.cuda.get_device_properties(i).uuid}" for i in range(torch.cuda.device_count())]


def _start(environment: Mapping[str, str]) -> str | None:
    """Start the daemon, and try a process with it; why it does not work, None where it does.

    A process that does not reach the daemon computes without it: only the daemon's list of servers tells.
    """
    for variable in (PIPES, LOGS):
        Path(environment[variable]).mkdir()
    for command in ([CONTROL, "-d"], CLIENT):
        try:
            code, said = _run(command, environment)
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if code:
            return terminal.clean(said.strip().rpartition("\n")[2]) or f"exited with {code}"
    return None if _answer("get_server_list", environment) else "a process does not reach it"


def _quit(folder: Path) -> bool:
    """Whether the daemon of this folder is no more; one that was never there is not either."""
    environment = {**os.environ, **_folders(folder)}
    return _answer("quit", environment) is not None or _answer("get_server_list", environment) is None


def _end_forgotten() -> None:
    """End the daemons of launches that were killed: nobody holds the lock of their folder."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER}*"):
        with contextlib.suppress(OSError):
            status = folder.lstat()
            young = time.time() - status.st_mtime < YOUNG
            if status.st_uid == os.getuid() and not young and not lock.in_use(folder) and _quit(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _answer(word: str, environment: Mapping[str, str]) -> str | None:
    """What the daemon answers; None where there is none."""
    try:
        code, said = _run([CONTROL], environment, word + "\n", ANSWER)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if code else said.strip()


def _run(
    command: Sequence[str], environment: Mapping[str, str], said: str = "", patience: float = START
) -> tuple[int, str]:
    """An exit code, and what was written: into a file, for a daemon may keep a pipe open, and it would be waited for.

    In a session of its own, which a terminal's Ctrl-C does not reach.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as words:
        words.write(said.encode())
        words.seek(0)
        done = subprocess.run(
            command, stdin=words, stdout=output, stderr=output, env=environment, timeout=patience, check=False,
            start_new_session=True,
        )  # fmt: skip
        output.seek(0)
        return done.returncode, output.read().decode("utf-8", "replace")


@contextlib.contextmanager
def _set(variables: Mapping[str, str]) -> Iterator[None]:
    """Have these in the environment meanwhile."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
