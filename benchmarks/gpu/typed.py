"""What the steps share that type a command: a row printed, a command run and listened to."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from tricktable.runner import machine


def row(**measured: Any) -> None:
    """A row on stdout, at once."""
    print(json.dumps(measured), flush=True)


def ran(module: str, arguments: Sequence[str], heard: Callable[[str], None]) -> int:
    """Run `python -m module ...`, each line of whose stdout goes to `heard`; its exit code.

    A signal that asks for a stop reaches it from where it reaches us, and we wait for it.
    """
    command = [sys.executable, "-m", module, *arguments]
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    with (
        machine.when_stopped(lambda number: None),
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            heard(line.rstrip("\n"))
    return process.returncode
