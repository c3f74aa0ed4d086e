"""The processes of a run together: how the first one starts the others, and what happens when one is lost."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch

from tricktable.runner import machine, terminal
from tricktable.runner.disk.rundir import RunDir
from tricktable.runner.errors import Diverged, Interrupted, ProcessLost
from tricktable.runner.training.processes import Alone, Together
from tricktable.runner.training.ranks import HOST, MEETING, Place, store_of
from tricktable.runner.training.run import Run

PATIENCE = timedelta(days=1)  # of a sum over the processes: whether the others live, the watch knows
BEAT, SILENCE, GRACE = 1.0, 20.0, 5.0  # seconds: between signs of life, without one, and to end of one's own accord
WORD, TRAIN, NOTHING = "word", b"train", b"nothing"  # what the first process says to those that wait
AGAIN = "; the same command goes on from the last save"
LEFT = (0, Diverged.exit_code, Interrupted.exit_code)  # how a process ends that was not lost


class Others:
    """The processes that the first one has started; none where a launcher did. What they write is kept."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.written: dict[int, Any] = {}

    def start(self, config: Path, port: int) -> None:
        """Start processes 1 to size - 1, by the run's config.yaml."""
        command = [
            sys.executable,
            "-m",
            "tricktable",
            machine.CHILD_OF,
            str(os.getpid()),
            "train",
            f"--config={config}",
        ]
        for rank in range(1, self.size):
            names = {
                "RANK": rank,
                "LOCAL_RANK": rank,
                "WORLD_SIZE": self.size,
                "MASTER_ADDR": HOST,
                "MASTER_PORT": port,
            }
            self.written[rank] = tempfile.TemporaryFile()  # noqa: SIM115 (as long as we are)
            self.processes[rank] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=self.written[rank],
                stderr=self.written[rank],
                env={**os.environ, **{name: str(value) for name, value in names.items()}},
                process_group=0,  # a terminal's Ctrl-C is the first one's, who tells them
            )

    def lost(self) -> str | None:
        """Return which of them has ended that should not have, and how."""
        for rank, process in self.processes.items():
            code = process.poll()
            if code is not None and code not in LEFT:
                how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
                return f"process {rank} of {self.size} {how}{self._last_words(rank)}"
        return None

    def _last_words(self, rank: int) -> str:
        handle = self.written[rank]
        handle.seek(max(0, handle.seek(0, os.SEEK_END) - 4096))
        lines = handle.read().decode("utf-8", "replace").strip().splitlines()
        return terminal.clean(f" ({lines[-1].removeprefix('tricktable: ')})") if lines else ""

    def wait(self, seconds: float) -> None:
        """Let them end; kill those that do not in so many seconds."""
        until = time.monotonic() + seconds
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))
        self.kill()
        for process in self.processes.values():
            process.wait()

    def kill(self) -> None:
        """At once, with their decoding processes."""
        for process in self.processes.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


class Watch:
    """Looks, in a thread, whether the other processes live.

    Where one does not, and this one does not end by itself, `act` is called with words about it, and the process ends
    at once: a sum over processes of which one is gone may wait for ever.
    """

    def __init__(self, store: Any, mine: Place, others: Others, act: Callable[[str], None]) -> None:
        self.store, self.mine, self.others, self.act = store.clone(), mine, others, act
        self.heard: dict[int, tuple[bytes, float]] = {}
        self.lost: str | None = None
        self._silent(0)  # from now on silence counts
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, name="watch", daemon=True)
        self.thread.start()

    def leave(self) -> None:
        """This process ends, and is not lost."""
        self.over.set()
        self.thread.join(SILENCE)
        with contextlib.suppress(RuntimeError):
            self.store.set(f"beat {self.mine.rank}", "left")

    def who(self) -> str | None:
        """Return which process was lost, when a sum has failed; None where all live."""
        until = time.monotonic() + SILENCE + 2 * BEAT
        while self.lost is None and time.monotonic() < until and self.thread.is_alive():
            time.sleep(BEAT / 10)
        return self.lost

    def _watch(self) -> None:
        number = 0
        while not self.over.wait(BEAT):
            number += 1
            self.lost = self.others.lost() or self._silent(number)
            if self.lost is None:
                continue
            if not self.over.wait(GRACE):
                self.act(self.lost + AGAIN)
                self.others.kill()
                os._exit(ProcessLost.exit_code)

    def _silent(self, number: int) -> str | None:
        """Give a sign of life, and return who has given none for long."""
        now = time.monotonic()
        try:
            self.store.set(f"beat {self.mine.rank}", str(number))
            for rank in range(self.mine.size):
                said = self.store.get(f"beat {rank}") if self.store.check([f"beat {rank}"]) else b""
                if rank not in self.heard or self.heard[rank][0] != said:
                    self.heard[rank] = said, now
                limit = SILENCE if said else MEETING.total_seconds()  # until it has been there
                if said != b"left" and now - self.heard[rank][1] > limit:
                    return f"process {rank} of {self.mine.size} has given no sign of life for {limit:g} s"
        except RuntimeError:  # torch's error where the store, which the first one or the launcher has, is gone
            return f"process 0 of {self.mine.size}, or the launcher, is gone"
        return None


@contextlib.contextmanager
def gathered(
    mine: Place, device: torch.device, store: Any, others: Others, act: Callable[[str], None]
) -> Iterator[None]:
    """Within it torch.distributed has a group of the run's processes. ProcessLost where one of them dies.

    act: what is done with words about a lost process, where this one hangs and has to be ended at once.
    """
    import torch.distributed as dist

    watch = Watch(store, mine, others, act)
    ended_well = False
    try:
        if dist.is_initialized():  # of an earlier run of this very process, that has lost one
            dist.destroy_process_group()
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=mine.rank, world_size=mine.size, timeout=PATIENCE)
        yield
        ended_well = True
    except (Interrupted, Diverged):  # in all of them
        ended_well = True
        raise
    except RuntimeError as error:
        lost = watch.who() if isinstance(error, dist.DistError) or "gloo" in str(error).lower() else None
        if lost is None:
            raise
        raise ProcessLost(lost + AGAIN) from error
    finally:
        watch.leave()
        others.wait(SILENCE if ended_well else 0)
        if dist.is_initialized() and ended_well:  # else it may wait for who is lost
            dist.destroy_process_group()


class Company:
    """What the first process has of the others: within it they wait, and are let go where there is nothing to train."""

    def __init__(self, mine: Place) -> None:
        self.mine, self.others = mine, Others(mine.size)
        self.store: Any = None

    def __enter__(self) -> "Company":
        if not self.mine.ours:  # they are there already
            self.store = store_of(self.mine)
        return self

    def __exit__(self, *_: object) -> None:
        if self.store is not None and not self.store.check([WORD]):
            self.store.set(WORD, NOTHING)
            with contextlib.suppress(RuntimeError):  # it is gone with this process
                self.store.wait([f"left {rank}" for rank in range(1, self.mine.size)], MEETING)

    @contextlib.contextmanager
    def lead(self, run: Run, folder: RunDir, act: Callable[[str], None]) -> Iterator[None]:
        """Within it the run's steps are made by all of them, from where it stands; `act` as in `gathered`."""
        if self.mine.size == 1:
            yield
            return
        self.store = self.store or store_of(self.mine)
        self.store.set(WORD, TRAIN)
        if self.mine.ours:
            self.others.start(folder.files.config, self.store.port)
        with gathered(self.mine, run.compute.device, self.store, self.others, act):
            run.processes = together = Together(run.compute.device)
            together.adapt(run.model)
            tensors, plain = run.state()
            state = {name: value.cpu() for name, value in tensors.items()}, plain
            together.told((folder.identity, state if run.clock.updates else None))
            try:
                yield
            finally:
                run.processes = Alone()
