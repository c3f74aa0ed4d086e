"""What measures, as a line of JSON: `python -m benchmarks.gpu.card cuda`. In a process of its own, that of no step."""

import json
import platform
import subprocess
import sys
from typing import Any

import torch

from benchmarks import written
from tricktable.runner import machine


def seen(device: str) -> dict[str, Any]:
    """The card, its driver, torch and its libraries; the card is None where torch finds none."""
    there = torch.cuda.is_available()
    card = torch.cuda.get_device_name(0) if there else None
    return {
        "card": card if device == "cuda" else str(written.machine()["processor"]),
        "driver": _driver() if device == "cuda" and there else None,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if there else None,
        "python": platform.python_version(),
        "commit": machine.commit(),
    }


def _driver() -> str | None:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip().partition("\n")[0] or None


if __name__ == "__main__":
    print(json.dumps(seen(sys.argv[1])))
