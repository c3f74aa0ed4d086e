"""The images of a folder or an archive that holds train/<class>/<image> and test/<class>/<image>.

Archives are read once, front to back, and never extracted. What is hostile in one (names that lead out of it, links and
devices in the place of images, members that are too large) is refused by name.
"""

import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from tarfile import EOFHeaderError  # type: ignore[attr-defined]
from typing import Any, NamedTuple, Self

from tricktable.runner.data.unpack import MAX_GROWTH, TARS, Forward, allowed
from tricktable.runner.data.worker import MAX_BYTES
from tricktable.runner.errors import DataProblem

TRAIN = "train"
TESTS = ("test", "val", "valid", "validation")  # the first of these that is there is the test split
IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm")
UNSPLIT = "<class>/<image>"
SHAPE = "train/<class>/<image> and test/<class>/<image> (or val, valid, validation)"

EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
_BROKEN = (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, lzma.LZMAError, zlib.error)


class Member(NamedTuple):
    """Where an image stands: [above/]split/label/file, or [above/]label/file in a set that is not split."""

    above: str
    split: str
    label: str
    file: str

    @property
    def name(self) -> str:
        """The relative name, with «/»."""
        return "/".join(part for part in self if part)


class Item(NamedTuple):
    """An image's place and encoded bytes, and the share of the reading that is done with it."""

    place: Member
    data: bytes
    done: float


def is_archive(path: Path) -> bool:
    """Whether a name is that of an archive that can be read."""
    return path.name.lower().endswith((*TARS, ".zip"))


def is_tree(path: Path) -> bool:
    """Whether a folder, or one just below it, has a train folder."""
    return os.path.isdir(path) and any(
        child.is_dir() for pattern in (TRAIN, f"*/{TRAIN}") for child in path.glob(pattern)
    )


def shown(name: str) -> str:
    """A name from a hostile source, fit for one line of a terminal."""
    return name if name.isprintable() else ascii(name)


def place(name: str, where: Path, unsplit: bool = False) -> Member | None:
    """The place of a member, or None where it is none of the set's images; DataProblem where it leads elsewhere.

    unsplit: the set has no folders for its splits.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\\" in name or ":" in name[1:2]:
        raise DataProblem(f"{where}: expected names inside it, found {shown(name)}; do not use this archive")
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    depth = len(parts) + unsplit
    if hidden or depth not in (3, 4) or not parts[-1].lower().endswith(IMAGES):
        return None
    if not unsplit and parts[-3] not in (TRAIN, *TESTS):
        return None
    if not name.isprintable():
        raise DataProblem(f"{where}: expected names that can be printed, found {shown(name)}; rename it")
    above = parts[0] if depth == 4 else ""
    return Member(above, "", *parts[-2:]) if unsplit else Member(above, *parts[-3:])


def tree(root: Path, unsplit: bool = False) -> dict[Member, os.stat_result]:
    """The images of a folder, and what the file system knows of them; `unsplit` as in `place`."""
    found: dict[Member, os.stat_result] = {}
    try:
        tops = [Path(), *(Path(entry.name) for entry in os.scandir(root) if entry.is_dir())]
        for above in tops:
            for split in ("",) if unsplit else (TRAIN, *TESTS):
                folder = root / above / split
                labels = [entry.name for entry in os.scandir(folder) if entry.is_dir()] if folder.is_dir() else []
                for label in labels:
                    for entry in os.scandir(folder / label):
                        at = place((above / split / label / entry.name).as_posix(), root, unsplit)
                        if at is None or entry.is_dir():
                            continue
                        if not entry.is_file():
                            raise _no_file(root, at.name, "a link to nothing, a pipe or a device; replace or remove it")
                        found[at] = entry.stat()
    except OSError as error:
        raise DataProblem(f"{root}: expected a folder that can be read, found {error.strerror}") from None
    return found


def read_tree(root: Path, places: list[Member]) -> Iterator[Item]:
    """These images of a folder."""
    for i, at in enumerate(places):
        path = root / at.name
        try:
            if path.stat().st_size > MAX_BYTES:
                raise _too_large(root, at.name)
            data = path.read_bytes()
        except OSError as error:
            raise DataProblem(f"{path}: expected a file that can be read, found {error.strerror}") from None
        yield Item(at, data, (i + 1) / len(places))


def read_archive(path: Path, unsplit: bool = False) -> Iterator[Item]:
    """The images of an archive, in its own order; `unsplit` as in `place`."""
    try:
        yield from _zip(path, unsplit) if path.name.lower().endswith(".zip") else _tar(path, unsplit)
    except (*_BROKEN, tarfile.TarError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataProblem(f"{path}: expected a whole archive, found: {reason}; fetch it again") from None


class _Header(tarfile.TarInfo):
    """A tar header that tells whether the end mark was seen, because tarfile takes any damaged header for the end."""

    ended = False

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> Self:
        cls.ended = False
        try:
            return super().fromtarfile(tarfile)
        except EOFHeaderError:
            cls.ended = True
            raise


def _tar(path: Path, unsplit: bool) -> Iterator[Item]:
    total = max(path.stat().st_size, 1)

    class Header(_Header):
        """Of this archive: `ended` is a class's."""

        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
            member = super().frombuf(buf, encoding, errors)
            stream.extended = member.type in EXTENDED
            return member

    with open(path, "rb") as raw:
        stream: Any = Forward(path, raw)
        with tarfile.TarFile(fileobj=stream, tarinfo=Header) as tar:
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # it would keep them all
                at = place(member.name, path, unsplit)
                if at is None or member.isdir():
                    continue
                file = tar.extractfile(member) if member.isreg() else None
                if file is None:
                    raise _no_file(path, at.name)
                if member.size > MAX_BYTES:
                    raise _too_large(path, at.name)
                yield Item(at, file.read(), raw.tell() / total)
        if not Header.ended:
            raise EOFError("a damaged header, or its end is missing")
        stream.drain()


def _zip(path: Path, unsplit: bool) -> Iterator[Item]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > allowed(path):
            raise ValueError(f"more than {MAX_GROWTH} times its own size is packed into it")
        for i, member in enumerate(members):
            at = place(member.filename, path, unsplit)
            if at is None or member.is_dir():
                continue
            if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
                raise _no_file(path, at.name)
            if member.file_size > MAX_BYTES:
                raise _too_large(path, at.name)
            with archive.open(member) as file:
                data = file.read(MAX_BYTES + 1)
            if len(data) > MAX_BYTES:
                raise _too_large(path, at.name)
            yield Item(at, data, (i + 1) / len(members))


def _no_file(where: Path, name: str, found: str = "a link or device; make the archive without these") -> DataProblem:
    return DataProblem(f"{where}: expected {name} to be a file, found {found}")


def _too_large(where: Path, name: str) -> DataProblem:
    return DataProblem(f"{where}: expected images of at most {MAX_BYTES} bytes, found {name}, which is larger")
