"""Seconds an epoch beside a bare eager loop on the same device: `python -m benchmarks.epoch [key=value ...]`.

Both train the same network on images that lie on the device, with crop and flip, in the same precision and layout. They
alternate, and the ratio of the medians counts. On a GPU:
`python -m benchmarks.epoch compute=gpu data.n_train=50000 model=resnet20`
"""

import statistics
import sys
import time

import torch
from torch.nn import functional as F

from tricktable.runner import data
from tricktable.runner.config.compose import compose
from tricktable.runner.data.split import split
from tricktable.runner.training import compute
from tricktable.runner.training.build import build
from tricktable.runner.training.run import Run
from tricktable.runner.training.train import train_epoch

ROUNDS = 5
DEFAULTS = ("data=synthetic", "augment=[crop,flip]", "schedule.lr=null", "study=benchmark")


def make(overrides: list[str]) -> Run:
    """A run of these overrides on synthetic 32x32 images."""
    config = compose([*DEFAULTS, *overrides])
    resolved = compute.resolve(config.compute)
    compute.apply(resolved)
    return build(config, split(data.load(config.data), config.data, resolved.device), resolved)


def bare_epoch(run: Run) -> None:
    """An epoch as one would write it by hand, on the same objects: eager, the data on the device, torch's own SGD."""
    run.model.train()
    images, labels = run.splits.train.images, run.splits.train.labels  # type: ignore[attr-defined]
    batch, device = int(run.knobs.base["batch_size"]), images.device
    for index in torch.randperm(len(images), device=device).split(batch):
        x = F.pad(run.prepare(images[index]), (4, 4, 4, 4))
        top, left = (torch.randint(9, (len(index),), device=device).view(-1, 1, 1, 1) for _ in range(2))
        rows = (top + torch.arange(32, device=device).view(1, 1, 32, 1)).expand(-1, 3, 32, 40)
        x = x.gather(2, rows).gather(3, (left + torch.arange(32, device=device)).expand(-1, 3, 32, 32))
        x = torch.where(torch.rand(len(index), 1, 1, 1, device=device) < 0.5, x.flip(3), x)
        run.optimizer.zero_grad(set_to_none=True)
        with run.compute.autocast():
            loss = F.cross_entropy(run.model(x), labels[index])
        loss.backward()
        run.optimizer.step()


def seconds(run: Run, epoch: int, bare: bool) -> float:
    """Wall-clock seconds of one epoch, the device's work included."""
    on_gpu = run.compute.device.type == "cuda"
    if on_gpu:
        torch.cuda.synchronize()
    started = time.monotonic()
    if bare:
        bare_epoch(run)
    else:
        run.clock.epoch, run.clock.position = epoch, 0
        train_epoch(run, lambda: None)
    if on_gpu:
        torch.cuda.synchronize()
    return time.monotonic() - started


def main() -> None:
    """Print the medians and their ratio."""
    overrides = sys.argv[1:]
    runs = make(overrides), make(overrides)
    times: tuple[list[float], list[float]] = ([], [])
    for epoch in range(ROUNDS + 1):
        for bare in (False, True):
            took = seconds(runs[bare], epoch, bare)
            if epoch:  # the first is a warm-up
                times[bare].append(took)
    ours, theirs = map(statistics.median, times)
    print(f"{runs[0].compute.plain()}  {runs[0].knobs.n} images  {' '.join(overrides)}")
    print(
        f"seconds per epoch: {ours:.3f}, bare eager loop {theirs:.3f}, ratio {ours / theirs:.3f} (medians of {ROUNDS})"
    )


if __name__ == "__main__":
    main()
