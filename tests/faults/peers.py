"""The same faults, met by plain torch.save and by Hydra's multirun: `python -m tests.faults.peers`, JSON a line."""

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

SAVES = """
import sys, torch
state = {f"layer{i}": torch.full((256, 1024), 1.0) for i in range(16)}
print("ready", flush=True)
while True:
    torch.save(state, sys.argv[1])
"""
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
    for _ in range(kills):
        child = subprocess.Popen([sys.executable, "-c", SAVES, str(path)], stdout=subprocess.PIPE)
        child.stdout.readline()
        time.sleep(0.2 + chance.uniform(0, 0.3))
        child.kill()
        child.wait()
        child.stdout.close()
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
        [sys.executable, str(script), "-m", "+i=0,1,2"], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    return done.stdout.count("finished"), done.returncode


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(json.dumps({"peer": "torch.save in place", "fault": "kill -9 at random", "trials": 25, "held": killed_in_a_save(folder, 25),
                          "what": "the file can be read"}))  # fmt: skip
        print(json.dumps({"peer": "torch.load", "fault": "one bit flipped", "trials": 400, "held": flipped(folder, 400), "what": "it is noticed"}))
        for fault in FAULTS:
            finished, code = multirun(folder, fault)
            print(json.dumps({"peer": "Hydra's multirun", "fault": f"{fault} in one of three jobs", "trials": 2, "held": finished,
                              "what": f"the others finish (exit {code})"}))  # fmt: skip


if __name__ == "__main__":
    main()
