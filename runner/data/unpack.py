"""A compressed file as one stream that is read forwards, within limits that hold before anything large is made."""

import bz2
import gzip
import io
import lzma
import re
from collections.abc import Callable
from pathlib import Path
from tarfile import BLOCKSIZE
from typing import IO, Any

from tricktable.runner.data.worker import MAX_BYTES

MAX_GROWTH = 200  # of what is unpacked, over what it is unpacked from: images are compressed already
FREE = 64 * 2**20  # bytes that may be unpacked of an archive however small
XZ_MEMORY = 512 * 2**20  # of a decoder, whose dictionary the file's header chooses; xz -9 takes 65 MiB
_NUMBER = re.compile(rb"\d{65}")


class Xz(io.RawIOBase):
    """An xz file's content. lzma.open takes whatever memory a header asks for."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.decoder = file, _xz()

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, in part or whole; 0 at the end. EOFError where a stream is cut off, LZMAError as lzma."""
        data = b""
        while not data:
            if self.decoder.eof:
                more = (self.decoder.unused_data or self.file.read(2**16)).lstrip(b"\0")  # streams may be padded
                if not more:
                    return 0
                self.decoder = _xz()
            else:
                more = self.file.read(2**16) if self.decoder.needs_input else b""
                if self.decoder.needs_input and not more:
                    raise EOFError("the compressed file ends before its end mark")
            data = self.decoder.decompress(more, len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY)


TARS: dict[str, Callable[[IO[bytes]], Any] | None] = {
    ".tar": None,
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.xz": Xz,
    ".txz": Xz,
    ".tar.bz2": bz2.open,
}


class Forward:
    """A tar's stream as tarfile is to read it: forwards only, never more at once than an image may have.

    tarfile's own streams take a cut-off xz file for a whole one, and read an extended header of any size; before Python
    3.11.10 and 3.12.6 it takes the square of a number's length to read one there (CVE-2024-6232). ValueError for what
    asks for too much: at once, or in all beside the file's own size.
    """

    def __init__(self, path: Path, raw: IO[bytes]) -> None:
        opener = next(opener for suffix, opener in TARS.items() if path.name.lower().endswith(suffix))
        self.file: Any = opener(raw) if opener else raw
        self.limit = allowed(path)
        self.at = 0
        self.extended = False  # what is read next is an extended header's content

    def tell(self) -> int:
        """How many bytes were read."""
        return self.at

    def seek(self, to: int) -> None:
        """Read on to there."""
        if to < self.at:
            raise ValueError("a header that leads backwards")
        while self.at < to and self._read(min(to - self.at, 2**20)):
            pass

    def read(self, size: int) -> bytes:
        """So many bytes, or what is left."""
        if not 0 <= size <= MAX_BYTES + BLOCKSIZE:
            raise ValueError(f"a header that asks for {size} bytes")
        parts = [self._read(size)]
        while parts[-1] and (missing := size - sum(map(len, parts))):
            parts.append(self._read(missing))
        data = b"".join(parts)
        if self.extended and _NUMBER.search(data):
            raise ValueError("an extended header with a number of more than 64 digits")
        self.extended = False
        return data

    def drain(self) -> None:
        """Read to the end, where a compressed stream has its checksum."""
        while self._read(2**20):
            pass

    def _read(self, size: int) -> bytes:
        data: bytes = self.file.read(size)
        self.at += len(data)
        if self.at > self.limit:
            raise ValueError(f"more than {MAX_GROWTH} times its own size is packed into it")
        return data


def allowed(path: Path) -> int:
    """The bytes that an archive may unpack to."""
    return FREE + MAX_GROWTH * path.stat().st_size
