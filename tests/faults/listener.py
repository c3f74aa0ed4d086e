"""An audit hook that hears what a process does beside what it is allowed: run code, open sockets, touch other folders."""

import os
import site
import sys
from pathlib import Path

from tests.conftest import ROOT

FORBIDDEN = (
    "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "os.kill", "os.putenv", "pty.spawn",
    "subprocess.Popen", "pickle.find_class", "ctypes.dlopen", "code.__new__", "urllib.Request", "webbrowser.open",
    "sqlite3.connect", "shutil.unpack_archive", "builtins.input",
)  # fmt: skip
CHANGES = (  # events whose first one or two arguments are paths that are changed
    "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.chown", "os.truncate", "os.utime",
    "shutil.rmtree", "shutil.move", "shutil.copyfile",
)  # fmt: skip
OWN = ["git", "describe"]  # by which a report says of which commit it is
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Listener:
    """`heard` lists what was done out of bounds since it was last `armed`; it cannot be taken away again."""

    def __init__(self, folder):
        self.folder = str(Path(folder).resolve())
        places = [ROOT, sys.prefix, sys.base_prefix, *site.getsitepackages(), "/proc", "/sys", "/usr/share/zoneinfo"]
        self.readable = [self.folder, *(str(Path(place).resolve()) for place in places)]
        self.armed, self.heard = False, []
        sys.addaudithook(self._hear)

    def _hear(self, event, arguments):
        if not self.armed:
            return
        self.armed = False  # what is done here is not heard
        try:
            if words := self._out_of_bounds(event, arguments):
                self.heard.append(words)
        finally:
            self.armed = True

    def _out_of_bounds(self, event, arguments):
        if event == "subprocess.Popen" and arguments[1][:2] == OWN and arguments[2] == ROOT:
            return ""
        if (event.startswith("socket.") and event != "socket.gethostname") or event in FORBIDDEN:
            return f"{event} {str(arguments)[:200]}"
        if event == "exec" and not self._is_of_a_file(arguments[0]):
            return f"exec of {getattr(arguments[0], 'co_filename', arguments[0])}"
        if event == "open" and not isinstance(arguments[0], int):
            path, _, flags = arguments
            writes = bool((flags or 0) & WRITING)
            allowed = [self.folder, os.devnull] if writes else [*self.readable, os.devnull]
            if not self._below(self._whole(path), allowed):
                return f"{'write' if writes else 'read'} {path}"
        if event in CHANGES:
            number = 2 if event in ("os.rename", "os.link", "shutil.move", "shutil.copyfile") else 1
            for i, path in enumerate(arguments[:number]):
                if isinstance(path, int):  # of a file that was opened, which was heard
                    continue
                handle = arguments[number + i] if event in ("os.rename", "os.link") else arguments[-1]
                if not self._below(self._whole(path, handle), [self.folder]):
                    return f"{event} {path}"
        return ""

    def _is_of_a_file(self, code):
        """As modules are; and what dataclasses and named tuples make of their own fields, when they are imported."""
        name = getattr(code, "co_filename", "?")
        return (name in ("<string>", "<frozen importlib._bootstrap>") and self._importing()) or self._below(
            name, self.readable
        )

    def _importing(self):
        frame = sys._getframe()
        while frame is not None:
            if frame.f_code.co_filename.startswith("<frozen importlib"):
                return True
            frame = frame.f_back
        return False

    def _whole(self, path, handle=-1):
        path = os.fsdecode(path)
        if isinstance(handle, int) and handle >= 0 and not os.path.isabs(path):
            path = os.path.join(os.readlink(f"/proc/self/fd/{handle}"), path)
        return os.path.realpath(path)

    def _below(self, path, places):
        return any(path == place or path.startswith(place.rstrip("/") + "/") for place in places)
