"""Processes that share runs, for tests: `python -m tests.training.sharing RANK SIZE PORT` reads cases from stdin.

Each case is {overrides, double, stop}; each line of stdout its end, as `ended` says it.
"""

import hashlib
import json
import sys
from datetime import timedelta

import torch
import torch.distributed as dist

from tricktable.runner import data
from tricktable.runner.config.compose import compose
from tricktable.runner.training.job import prepare
from tricktable.runner.training.processes import Together
from tricktable.runner.training.train import train

# 40 images: in parts of 8, batches of two parts and of one.
TINY = ("model=resnet8", "data.subset=4", "data.test_subset=3", "batch_size=16", "epochs=2", "compute.threads=1",
        "compute=cpu")  # fmt: skip


def made(overrides, double=False):
    """A Run; `double`: in float64, its images too."""
    keys = {each.split("=")[0] for each in overrides}
    config = compose([*(each for each in TINY if each.split("=")[0] not in keys), *overrides])
    run = prepare(config, data.load(config.data))[0]
    if double:
        run.model.double()
        single = run.prepare
        run.prepare = lambda images: single(images).double()
        object.__setattr__(run.splits, "one_hot", run.splits.one_hot.double())
    return run


def ended(run):
    """Train to the end: the SHA-256 of what a checkpoint would hold and of the rows, and the weights as numbers."""
    rows = [row.plain() for row in train(run, lambda: None)]
    run.finish()
    tensors, plain = run.state()
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    for name, value in sorted(tensors.items()):
        digest.update(name.encode() + value.detach().contiguous().numpy().tobytes())
    for row in rows:
        digest.update(json.dumps({k: v for k, v in row.items() if k != "images_per_second"}).encode())
    weights = torch.cat([p.detach().reshape(-1) for p in run.model.state_dict().values()]).double()
    return {"sha": digest.hexdigest(), "weights": weights.tolist()[:: max(1, len(weights) // 5000)], "rows": rows}


def main(rank, size, port):
    torch.set_num_threads(1)
    store = dist.TCPStore("127.0.0.1", port, size, is_master=False, timeout=timedelta(minutes=2))
    dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=timedelta(minutes=2))
    for line in sys.stdin:
        case = json.loads(line)
        run = made(case["overrides"], case.get("double", False))
        run.processes = Together(run.compute.device)
        run.processes.adapt(run.model)
        print(json.dumps(ended(run)), flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
