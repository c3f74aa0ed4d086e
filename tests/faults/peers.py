"""The same faults, met by plain torch.save and by Hydra's multirun: `python -m tests.faults.peers`, JSON a line."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

JOB = """
import os, sys
import hydra

@hydra.main(version_base=None, config_path=None)
def main(config):
    print("started", config.get("i"), flush=True)
    if config.get("i") == 1:
        FAULT
    print("finished", config.get("i"), flush=True)

main()
"""
FAULTS = {
    "an exception": "raise RuntimeError('injected')", "MemoryError": "raise MemoryError", "sys.exit(7)": "sys.exit(7)",
    "SIGTERM": "os.kill(os.getpid(), 15)", "kill -9": "os.kill(os.getpid(), 9)", "a segmentation fault": "os.kill(os.getpid(), 11)",
}  # fmt: skip


def killed_in_a_save(folder, kills):
    """Of so many kills at random, after how many the file in place can be read."""
    good, path, chance = 0, folder / "last.pt", random.Random(0)
    state = {f"layer{i}": torch.full((256, 1024), 1.0) for i in range(16)}
    for _ in range(kills):
        child = os.fork()
        while child == 0:
            torch.save(state, path)
        time.sleep(chance.uniform(0.1, 0.4))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        try:
            torch.load(path, weights_only=True)
            good += 1
        except Exception:
            continue
    return good


def flipped(folder, trials):
    """Of so many flipped bits, how many torch.load noticed."""
    path, chance, noticed = folder / "good.pt", random.Random(0), 0
    torch.save({"w": torch.randn(300, 1000)}, path)
    data = path.read_bytes()
    for _ in range(trials):
        changed = bytearray(data)
        changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        try:
            torch.load(path, weights_only=True)
        except Exception:
            noticed += 1
    return noticed


def multirun(folder, fault):
    """(of three jobs those that finished or failed by themselves, the exit code) where the second has this fault."""
    script = folder / "job.py"
    script.write_text(JOB.replace("FAULT", FAULTS[fault]))
    done = subprocess.run(
        [sys.executable, str(script), "-m", "+i=0,1,2"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout.count("finished"), done.returncode


def main():
    def say(peer, fault, trials, held, what):
        print(json.dumps({"peer": peer, "fault": fault, "trials": trials, "held": held, "what": what}), flush=True)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        say("torch.save in place", "kill -9 at random", 25, killed_in_a_save(folder, 25), "the file can be read")
        say("torch.load", "one bit flipped", 400, flipped(folder, 400), "it is noticed")
        for fault in FAULTS:
            finished, code = multirun(folder, fault)
            say(
                "Hydra's multirun",
                f"{fault} in the second of three jobs",
                2,
                finished,
                f"the others finish (exit {code})",
            )


if __name__ == "__main__":
    main()
