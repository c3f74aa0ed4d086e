"""What is tried on the fake device, by name: every trick, a member of each family, every optimizer in every precision.

A case is what `fake.report` takes. A new trick is covered by existing; a new family wants a line of FAMILIES.
"""

import shlex

from tricktable.runner.config.catalogue import attempt
from tricktable.runner.config.compose import options
from tricktable.runner.config.places import PLACES

RUN = "a_run"  # stands for a finished run, `<run>`: a new network
FAMILIES = {  # a member of each that is soon passed through, and its images' channels and size
    "airbench": ("airbench94", 3, 32),
    "alexnet": ("alexnet", 3, 64),
    "cct": ("cct_2_3x2", 3, 32),
    "cifar10_full": ("cifar10_full", 3, 32),
    "convmixer": ("convmixer_256_8", 3, 32),
    "densenet": ("densenet_bc40_k12 model.depth=22", 3, 32),
    "inception_v2": ("inception_v2", 3, 64),
    "inception_v3": ("inception_v3", 3, 96),
    "lenet": ("lenet", 1, 32),
    "mlp": ("mlp", 1, 28),
    "mobilenet_v1": ("mobilenet_v1_cifar", 3, 32),
    "mobilenet_v2": ("mobilenet_v2_w035", 3, 64),
    "preact_resnet": ("preact_resnet20 model.depth=14", 3, 32),
    "pyramidnet": ("pyramidnet110 model.depth=20", 3, 32),
    "resnet": ("resnet20", 3, 32),
    "resnext": ("resnext29_1x64d", 3, 32),
    "shake_resnet": ("shake_resnet26_2x32d", 3, 32),
    "shufflenet": ("shufflenet_g4", 3, 64),
    "squeezenet": ("squeezenet1_1", 3, 64),
    "torchvision": ("torchvision model.arch=resnet18", 3, 64),
    "vgg": ("vgg16_bn_cifar", 3, 32),
    "wide_resnet": ("wrn_10_4", 3, 32),
}
FP16 = ("adam", "sgd")  # optimizers that take their step in one kernel, and so can leave it out on the device
IN_THE_NETWORK = ("conv", "norm", "activation", "residual", "head", "penalty", "gradient")
CPU_ALONE = ("schedule",)  # numbers, which the host works out


def tricks():
    """Every trick as its YAML says how to try it, in TF32."""
    return {
        f"{place}/{name}": {"overrides": _tried(place, name)}
        for place in PLACES
        if place not in CPU_ALONE
        for name in options(place)
    }


def families():
    """A member of each family, in TF32."""
    return {
        family: {"overrides": [*shlex.split(f"model={member}"), f"data.channels={channels}", f"data.size={size}"]}
        for family, (member, channels, size) in FAMILIES.items()
    }


def optimizers():
    """fp16 with every optimizer."""
    return {
        f"optimizer/{name} fp16": {"overrides": _tried("optimizer", name), "precision": "fp16"}
        for name in options("optimizer")
    }


def settings():
    """What stands in no place: parts of a batch, small images, no momentum, the usual recipe in each precision."""
    recipe = ["model=resnet20", "augment=[crop,flip]"]
    return {
        "micro_batch": {"overrides": ["norm=ghost_batch", "norm.ghost_batch_size=4", "micro_batch=4"]},
        "no momentum": {"overrides": ["norm=batch", "norm.momentum=null"]},
        "coupled penalties": {"overrides": ["penalty=[l1,l2,orthogonal]"]},
        "decoupled penalties": {
            "overrides": ["penalty=[l1,l2,orthogonal]", *(f"penalty.{n}.decoupled=true" for n in ("l1", "l2", "orthogonal"))]
        },
        "fp16 decoupled": {"overrides": ["penalty=[l2]", "penalty.l2.decoupled=true"], "precision": "fp16"},
        "dampening": {"overrides": ["optimizer.dampening=0.5"]},
        "small images": {
            "overrides": [*recipe, "schedule.size=linear", "schedule.size.start=0.5", "schedule.size.end=0.5"]
        },
        "deterministic": {"overrides": recipe, "deterministic": True},
        "deterministic alexnet": {
            "overrides": ["model=alexnet", "data.size=96"], "deterministic": True,
        },
        **{f"resnet20 {p}": {"overrides": recipe, "precision": p} for p in ("fp32", "tf32", "bf16", "fp16")},
    }  # fmt: skip


def halves():
    """bf16 with what stands in the network or sees its gradients, and a deep network: for `make test-long`."""
    members = ("pyramidnet110", "preact_resnet18", "mobilenet_v2_cifar")
    return {
        f"{place}/{name} bf16": {"overrides": _tried(place, name), "precision": "bf16"}
        for place in IN_THE_NETWORK
        for name in options(place)
    } | {f"{name} bf16": {"overrides": [f"model={name}"], "precision": "bf16"} for name in members}


GROUPS = {group.__name__: group for group in (tricks, families, optimizers, settings, halves)}
LONG = ("halves",)  # they are in no table


def _tried(place, name):
    return shlex.split(attempt(place, name).replace("<run>", RUN))
