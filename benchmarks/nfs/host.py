"""What a host of benchmarks/nfs/guest.sh does: `python host.py WHAT [ARGUMENTS] MOUNT ROWS`. Rows are JSON lines."""

import contextlib
import errno
import hashlib
import json
import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests import stub
from tricktable.runner.disk import atomic, rundir
from tricktable.runner.disk.info import Identity, RunInfo
from tricktable.runner.errors import TricktableError

SIGN = Path("/run/sign")
REPLACED = 100
SEEDS = 16


class Host:
    """Its mount, and where rows are written."""

    def __init__(self, root: Path, rows: Path) -> None:
        self.root, self.rows = root, rows

    def run(self, name: str) -> rundir.RunDir:
        """A run of this name."""
        return rundir.find_or_plan(
            self.root, "study", "run", Identity(hashlib.sha256(name.encode()).hexdigest(), "f", {})
        )

    def row(self, what: str, came: str) -> None:
        """Add a line, and show it."""
        print(f"  [{socket.gethostname()}] {what}: {came}", flush=True)
        with self.rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"what was tried": what, "what came of it": came}) + "\n")

    def replace(self, pause: str) -> None:
        """Replace a run.json again and again, once the other host reads it."""
        with self.run(f"read {pause}") as run:
            run.set_state("running", epoch=0)
            (SIGN / "there").touch()
            wait("reading")
            for epoch in range(REPLACED):
                run.set_state("running", epoch=epoch)
                time.sleep(float(pause))
        (SIGN / "replaced").touch()

    def read(self, kind: str, pause: str) -> None:
        """Read it all the while: once, with pauses alone, or as the program does, which looks at the name again."""
        wait("there")
        folder = wait_for_run(lambda: self.run(f"read {pause}"))
        if kind == "once":
            atomic.PAUSES = ()  # the first alone
        if kind == "blind":
            os.stat = Blind(os.stat)  # type: ignore[assignment]
        failed: Counter[str] = Counter()
        reads, last, back = 0, -1.0, 0
        while not (SIGN / "replaced").exists():
            (SIGN / "reading").touch()
            reads += 1
            try:
                epoch = RunInfo.load(folder.path).epoch or 0.0
                back += epoch < last
                last = epoch
            except OSError as error:
                failed[errno.errorcode.get(error.errno or 0, "?")] += 1
            except ValueError:
                failed["damaged"] += 1
        began = time.monotonic()
        while not readable(folder.path):
            time.sleep(0.02)
        after = f"{time.monotonic() - began:.1f} s after the last was written it was read"
        words = {"once": "one try", "blind": "8 more tries with pauses", "looking": "the same, and a look at the name"}[
            kind
        ]
        gap = "without a pause" if pause == "0" else f"every {1000 * float(pause):g} ms"
        told = ", ".join(f"{number:,} {name}" for name, number in failed.items()) or "none failed"
        self.row(
            f"run.json is replaced {gap}, and read on the other host, {words}", f"{reads:,} reads: {told}; {after}"
        )
        assert not back, "a reader saw an earlier run.json after a later one"

    def want(self) -> None:
        """Be one of eight that want one run."""
        try:
            with self.run("wanted") as run:
                run.set_state("running")
                (SIGN / f"has-{os.getpid()}").touch()
                time.sleep(20)
        except TricktableError as error:
            (SIGN / f"refused-{os.getpid()}").write_text(f"{type(error).__name__}: {error}")

    def wanted(self) -> None:
        """Count who had it."""
        has, refused = len([*SIGN.glob("has-*")]), [path.read_text() for path in SIGN.glob("refused-*")]
        folders = [name for name in os.listdir(self.root / "study") if name == self.run("wanted").path.name]
        came = f"{has} had it, {len(refused)} were refused ({', '.join({each.partition(':')[0] for each in refused})})"
        self.row("eight processes on two hosts want one run", f"{came}, {len(folders)} folder")

    def look(self) -> None:
        """Look for a run before and after the other host makes it, and open it."""
        (self.root / "study").mkdir(exist_ok=True)
        assert not self.run("late").exists
        (SIGN / "looked").touch()
        wait("made")
        began, run = time.monotonic(), self.run("late")
        seen = "at once" if run.exists else "not at first"
        try:
            with run:
                came = f"opened, attempt {run.read().attempt}, a second folder"
        except TricktableError as error:
            came = f"{type(error).__name__} after {time.monotonic() - began:.1f} s, no second folder"
        self.row("a run that the other host has just made", f"seen {seen}; {came}")

    def make(self) -> None:
        """Make it, and keep it for a while."""
        wait("looked")
        with self.run("late") as run:
            run.set_state("running")
            (SIGN / "made").touch()
            time.sleep(10)

    def hold(self) -> None:
        """Hold a run until the network was cut and is back, and another has it; then try to write."""
        with self.run("held") as run:
            run.set_state("running", epoch=1)
            (SIGN / "held").touch()
            wait("back", 300)
            try:
                run.set_state("running", epoch=2)
                came = "it wrote run.json"
            except TricktableError as error:
                came = f"refused ({type(error).__name__}: {str(error).partition(': ')[2]})"
            (run.path / "unfenced").write_text("by the old holder")
        self.row("a host that was cut off comes back, and writes with the fence", came)

    def take(self) -> None:
        """Take the run over as soon as its lock is free."""
        began = time.monotonic()
        while True:
            try:
                run = self.run("held")
                with run:
                    run.set_state("running", epoch=7)
                    self.row(
                        "the other host waits for the lock of one that is cut off", f"{time.monotonic() - began:.0f} s"
                    )
                    (SIGN / "taken").touch()
                    time.sleep(20)
                    info, unfenced = run.read(), (run.path / "unfenced").exists()
                    run.fence()
                    whose = "its own run.json" if info.epoch == 7 else "the old holder's run.json"
                    written = "was" if unfenced else "was not"
                    told = f"{whose}; a file that the old one wrote without asking {written} written"
                    self.row("what the new holder finds afterwards", told)
                return
            except TricktableError:
                time.sleep(0.3)

    def launch(self) -> None:
        """A grid of stubs, of which the other host launches the same."""
        root = self.root / "grid"
        root.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):  # lines that two hosts append to one file would be lost
            (root / "starts").symlink_to(SIGN / "starts")
        (root / "faults.json").write_text(json.dumps(dict.fromkeys(range(SEEDS), "a while")))
        os.environ["PYTHONPATH"] = str(stub.ROOT)
        os.chdir(stub.ROOT)
        stub.launch(root, SEEDS)

    def launched(self) -> None:
        """Count its starts."""
        root = self.root / "grid"
        found, starts = stub.infos(root), stub.starts(root)
        once = sum((info["state"], info["finished"]) == ("complete", 1) for info in found.values())
        self.row(f"two launches of one grid of {SEEDS} runs", f"{once} runs made once, {len(starts)} processes started")


def readable(folder: Path) -> bool:
    """Whether a run.json can be read now."""
    try:
        RunInfo.load(folder)
    except OSError:
        return False
    return True


class Blind:
    """os.stat that does not look at a run.json."""

    def __init__(self, real: Callable[..., os.stat_result]) -> None:
        self.real = real

    def __call__(self, path: Any, **how: Any) -> os.stat_result:
        """As os.stat."""
        if str(path).endswith("run.json"):
            raise FileNotFoundError
        return self.real(path, **how)


def wait(name: str, seconds: float = 120) -> None:
    """For the sign of this name, for so long."""
    end = time.monotonic() + seconds
    while not (SIGN / name).exists():
        assert time.monotonic() < end, f"no sign of {name}"
        time.sleep(0.02)


def wait_for_run(find: Callable[[], rundir.RunDir]) -> rundir.RunDir:
    """Until a run's folder is seen here."""
    while not (found := find()).exists:
        time.sleep(0.2)
    return found


if __name__ == "__main__":
    what, *arguments, mount, rows = sys.argv[1:]
    getattr(Host(Path(mount), Path(rows)), what)(*arguments)
