"""A run on a CUDA device that is not there: its tensors have a shape, strides and a device, and no values.

For a process of its own, with the shim preloaded (child.py): it changes torch for good.
"""

import contextlib
import functools
import time
from dataclasses import replace

import torch
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode, unset_fake_temporarily

from tests.cuda.cases import RUN
from tests.cuda.recorder import Recorder
from tricktable.runner import data, randomness
from tricktable.runner.config.compose import compose
from tricktable.runner.config.schema import Option
from tricktable.runner.data.split import split
from tricktable.runner.training import build, rehearse
from tricktable.runner.training.compute import Compute
from tricktable.runner.training.counters import Counters
from tricktable.runner.training.evaluate import every_epoch, figures_of
from tricktable.runner.training.named import Frozen
from tricktable.runner.training.train import train_epoch

BASE = ("data=synthetic", "data.n_train=16", "data.n_test=8", "batch_size=8", "epochs=3")
NETWORK = ("model=resnet8", "model.width=8")
MODE = FakeTensorMode(allow_non_fake_inputs=True)


class FakeCompute(Compute):
    """A Compute of the fake device: torch's own `Module.to` cannot exchange real parameters for fake ones."""

    def to_device(self, model):
        """As Compute.to_device; a parameter that modules share stays one."""
        made = {}

        def moved(tensor):
            if id(tensor) not in made:
                layout = self.memory_format if tensor.ndim == 4 else torch.preserve_format
                fake = MODE.from_tensor(tensor.detach()).to(self.device, memory_format=layout)
                made[id(tensor)] = (
                    nn.Parameter(fake, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else fake
                )
            return made[id(tensor)]

        for module in model.modules():
            for own in (module._parameters, module._buffers):
                own.update({name: moved(tensor) for name, tensor in own.items() if tensor is not None})
        return model


def pretend():
    """Have torch's Python believe in the device: autocast and the scaler ask whether it is there."""
    torch.cuda.amp.common.amp_definitely_not_available = lambda: False
    torch.cuda.is_bf16_supported = lambda including_emulation=True: True
    torch.nn.utils.clip_grad._has_foreach_support = lambda tensors, device: True
    torch.cuda.reset_peak_memory_stats = lambda device=None: None  # torch's allocator was never asked for anything
    Counters.read = lambda self: None  # it reads back what has no value here, once an epoch
    rekey = randomness.rekey
    randomness.rekey = lambda device, *position: None if device.type == "cuda" else rekey(device, *position)


_SOURCES = {}


def _source(settings):
    if repr(settings) not in _SOURCES:
        _SOURCES[repr(settings)] = data.load(settings)
    return _SOURCES[repr(settings)]


def make(overrides, precision="tf32", deterministic=False):
    """A Run of these overrides on the fake device; to be called, and to be used, below MODE."""
    keys = {override.partition("=")[0] for override in overrides}
    tiny = (*BASE, *(() if "model" in keys else NETWORK))
    config = compose([*(each for each in tiny if each.partition("=")[0] not in keys), *overrides])
    how = {"channels_last": True, "threads": 1, "deterministic": deterministic, "capture": False}
    compute = FakeCompute(torch.device("cuda"), precision, **how)
    with unset_fake_temporarily():
        real = split(_source(config.data), config.data)
    parts = {
        name: part and part.to("cuda") for name in ("train", "validation", "test") for part in (getattr(real, name),)
    }
    splits = replace(real, **parts, mean=real.mean.to("cuda"), std=real.std.to("cuda"))
    original, penalties = build.build_model, rehearse.penalties

    def on_values(penalty, model):
        """The model is not on the device yet, and a copy of it is no fake."""
        with unset_fake_temporarily():
            penalties(penalty, model)

    def build_model(config, channels, classes, images=None):
        """With values: an initialisation may look at them."""
        with unset_fake_temporarily():
            return original(config, channels, classes, images and functools.partial(build._some, real))

    build.build_model, rehearse.penalties = build_model, on_values
    try:
        return build.build(_with_networks(config, splits, compute), splits, compute)
    finally:
        build.build_model, rehearse.penalties = original, penalties


def _with_networks(config, splits, compute):
    """The config with a new network for each finished run that it names, RUN."""

    def given(option, teacher):
        if RUN not in option.arguments.values():
            return option
        network = build.build_model(replace(config, init=()), 3, 10)
        if teacher:
            network = Frozen(network, compute, splits, splits.mean, splits.std)
        return Option(option.name, {k: network if v == RUN else v for k, v in option.arguments.items()})

    return replace(config, loss=given(config.loss, True), init=tuple(given(each, False) for each in config.init))


def report(overrides, precision="tf32", deterministic=False):
    """What a run asks of the device once its first epoch is over: in the second, in its last step, and evaluating.

    waits, layouts: of the second epoch, `what at where` with how often. launches: of its last step, by operator.
    """
    started = time.process_time()
    recorder, last = Recorder(), {}
    with MODE, recorder, torch.autograd.set_multithreading_enabled(False):
        run = make(overrides, precision, deterministic)
        train_epoch(run, lambda: None)  # what is done once is done
        run.sums.zero()
        run.clock.epoch, run.clock.position = 1, 0
        recorder.clear()
        marks = []
        train_epoch(run, lambda: marks.append(recorder.launches.copy()))
        waits, layouts = recorder.waits, recorder.layouts
        last = marks[-1] - marks[-2]
        recorder.clear()
        module = every_epoch(run)[1]
        evaluating = _evaluate(run, module, recorder)
    return {
        "waits": waits, "layouts": layouts, "launches": last, "evaluating": evaluating,
        "seconds": time.process_time() - started,
    }  # fmt: skip


def _evaluate(run, module, recorder):
    """What an evaluation waits for, without the figures that are read at its end."""
    with contextlib.suppress(DataDependentOutputException):  # it reads its figures
        figures_of(run, module)
    return recorder.waits
