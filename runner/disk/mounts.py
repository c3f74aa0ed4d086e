"""Which file system a folder lies on, and whether its locks keep other hosts out, as far as the mount says.

Some clusters' file systems answer flock from the host's own memory: Lustre with `localflock`, BeeGFS unless it is told
otherwise, NFS with `local_lock`. There, two hosts can both have a run, and nothing that a program writes can find out.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tricktable.runner import terminal

MOUNTS = Path("/proc/self/mountinfo")
BEEGFS = Path("/proc/fs/beegfs")


@dataclass(frozen=True)
class Mount:
    """A line of /proc/self/mountinfo (proc(5)): where it is mounted, of which kind, with which options."""

    at: Path
    kind: str
    options: tuple[str, ...]


def of(folder: Path, table: Path = MOUNTS) -> Mount | None:
    """The mount that a folder lies in; None where the system does not say."""
    try:
        lines = table.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        place = folder.resolve()
    except OSError:
        return None
    found = [each for each in map(_mount, lines) if each and place.is_relative_to(each.at)]
    return max(reversed(found), key=lambda each: len(each.at.parts), default=None)  # of one place the last hides others


def _mount(line: str) -> Mount | None:
    own, _, other = line.partition(" - ")
    fields, system = own.split(" "), other.split(" ")
    if len(fields) < 6 or len(system) < 3:
        return None
    at = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields[4])  # a space is \040
    return Mount(Path(at), system[0], (*fields[5].split(","), *system[2].split(",")))


def local_locks(mount: Mount, beegfs: Path = BEEGFS) -> str:
    """By what setting its locks are this host's alone, in words; empty where they are not, or it cannot be told."""
    options = set(mount.options)
    if mount.kind == "lustre" and "flock" not in options:
        return "localflock" if "localflock" in options else "no flock option"
    if mount.kind in ("nfs", "nfs4"):
        return next((each for each in ("local_lock=all", "local_lock=flock", "nolock") if each in options), "")
    if mount.kind == "beegfs" and not _global(beegfs):
        return "tuneUseGlobalFileLocks is not set"
    return "each host has its own" if mount.kind == "fuse.sshfs" else ""


def _global(beegfs: Path) -> bool:
    """Whether the clients' settings, which BeeGFS shows, all ask for locks that other hosts see."""
    try:
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in beegfs.glob("*/config")]
    except OSError:
        return False
    return bool(texts) and all(re.search(r"^tuneUseGlobalFileLocks\s*=\s*(1|true)\s*$", each, re.M) for each in texts)


@cache
def warn(root: Path) -> None:
    """Say, once a process, where a folder's locks keep no other host out."""
    mount = of(root)
    if mount and (setting := local_locks(mount)):
        kind = f"{mount.kind}, {setting}"
        terminal.say(
            f"warning: {root}: locks are this host's alone here ({kind}); two hosts could train one run at once: "
            "let each have runs of its own, or have it mounted with locks that all see"
        )
