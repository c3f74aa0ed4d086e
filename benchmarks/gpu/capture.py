"""A recorded step beside an eager one: `python -m benchmarks.gpu.capture compute=gpu model=resnet20`.

Three rows: whether the bits are the same after some steps with deterministic algorithms; the seconds of a step, in
rounds that take turns; the kernels of a step, and the calls by which the host launches them.
"""

import argparse
from collections.abc import Sequence
from functools import partial

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks import epoch
from benchmarks.gpu.rounds import in_turns, ratio, sizes, spread
from benchmarks.gpu.typed import row
from tricktable.runner.training.run import Run

LAUNCHES = ("cudaLaunchKernel", "cuLaunchKernel", "cudaGraphLaunch")
NO_KERNELS = ("Memcpy", "Memset")


def pair(overrides: Sequence[str]) -> tuple[Run, Run]:
    """The same run twice: eager, and recorded."""
    eager, recorded = (epoch.make([*overrides, f"compute.capture={capture}"]) for capture in ("off", "on"))
    return eager, recorded


def bits(overrides: Sequence[str], steps: int, batch: int) -> None:
    """Whether all of both runs' state is the same, bit by bit."""
    runs = pair([*overrides, *sizes(steps * batch, batch), "compute.deterministic=true"])
    for run in runs:
        epoch.seconds(run, 0, bare=False)
    (first, _), (second, _) = (run.state() for run in runs)
    other = [name for name, tensor in first.items() if not torch.equal(tensor, second[name])]
    row(measured="bits", equal=not other, steps=steps, replays=_replays(runs[1]), differ=other[:3])


def _replays(run: Run) -> int:
    return sum(each.replays for each in run.gradients.recordings.values())


def launched(run: Run, number: int, steps: int) -> tuple[float, float]:
    """Kernels of a step, and the calls that launch them. On a CPU, which has neither: operators, and the outer ones."""
    on_gpu = run.compute.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities, acc_events=True) as profiled:
        epoch.seconds(run, number, bare=False)
    events = profiled.events() or []
    if on_gpu:
        kernels = [e for e in events if e.device_type == DeviceType.CUDA and not e.name.startswith(NO_KERNELS)]
        calls = [e for e in events if e.name.startswith(LAUNCHES)]
    else:
        kernels = [e for e in events if e.name.startswith("aten::")]
        calls = [e for e in kernels if e.cpu_parent is None]
    return len(kernels) / steps, len(calls) / steps


def main() -> None:
    """Print the rows as they come."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=12_800, help="of a round")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bits", type=int, default=12, help="steps that bits are compared after")
    parser.add_argument("overrides", nargs="*")
    given, more = parser.parse_known_args()
    typed = [*given.overrides, *more]
    bits(typed, given.bits, given.batch)
    eager, recorded = pair([*typed, *sizes(given.images, given.batch)])
    ways = {name: partial(epoch.seconds, run, bare=False) for name, run in (("eager", eager), ("recorded", recorded))}
    times, steps = in_turns(ways, given.rounds), given.images / given.batch
    each = {name: spread(found, steps) for name, found in times.items()}
    row(measured="seconds a step", precision=eager.compute.precision, batch=given.batch, **each,
        ratio=ratio(times["recorded"], times["eager"]), replays=_replays(recorded))  # fmt: skip
    for number, (name, run) in enumerate((("eager", eager), ("recorded", recorded)), given.rounds + 1):
        kernels, calls = launched(run, number, round(steps))
        row(measured="kernels a step", way=name, kernels=round(kernels), launches=round(calls))


if __name__ == "__main__":
    main()
