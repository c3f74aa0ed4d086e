"""The machine: memory that stays where it was."""

import subprocess
import sys

import pytest

PROBE = """
import resource
from tricktable.runner import machine

if {keep}:
    machine.keep_memory()
for i in range(20):
    if i == 5:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [b"x" * (8 << 20) for _ in range(3)]
    del blocks
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(keep):
    """Pages that the system had to clear for 15 rounds of three blocks of 8 MiB."""
    done = subprocess.run([sys.executable, "-c", PROBE.format(keep=keep)], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's malloc")
def test_freed_memory_is_kept_for_the_next_step():
    assert faults(keep=False) > 15 * 2048  # at least one of the blocks, page by page, each time
    assert faults(keep=True) < 100
