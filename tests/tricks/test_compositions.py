"""Tricks together: drawn at random over the folders, and each with every way in which a batch can be taken.

A new trick is covered by existing. What is drawn and refused is refused in one line before anything is written; what is
not refused trains to finite figures and resumes with the same bits.
"""

import math
import random
import shlex

import pytest
import torch

from tricktable.runner.config.catalogue import attempt
from tricktable.runner.config.compose import options
from tricktable.runner.config.places import PLACES
from tricktable.runner.disk.epoch import EpochRow
from tricktable.runner.errors import BadInput
from tricktable.runner.training.evaluate import results
from tricktable.runner.training.train import train

NETWORKS = [
    "model=resnet8 model.width=4",
    "model=resnet14 model.width=4 model.shortcut=D model.erase_relu=true",
    "model=preact_resnet20 model.depth=8 model.width=4",
    "model=wrn_16_4 model.depth=10 model.widen=1 model.dropout=0.2",
    "model=pyramidnet110 model.depth=8 model.alpha=6",
    "model=resnext29_2x64d model.depth=11 model.cardinality=2 model.base_width=4",
    "model=shake_resnet26_2x32d model.depth=8 model.width=4",
    "model=densenet40_k12 model.depth=10 model.growth_rate=4",
    "model=mobilenet_v2_cifar model.width=0.25",
    "model=mobilenet_v1_cifar model.width=0.25",
    "model=lenet model.channels=[4,8] model.hidden=[16]",
    "model=airbench94 model.widths=[8,8]",
    "model=convmixer_256_8 model.dim=8 model.depth=2 model.patch_size=1",
    "model=cct_2_3x2 model.embedding_dim=16 model.image_size=8",
    "model=mlp",
]
LISTS = {"init": 2, "augment": 4, "penalty": 2, "gradient": 2, "hook": 3, "inference": 3}  # the most that are drawn
INNER = ("lookahead", "sam", "asam")
WANTS_COMPANY = {  # arguments without which a trick has nothing to act on in so small a run
    "crop": ["augment.crop.pad=1"],
    "crops": ["inference.crops.pad=1"],
    "snapshots": ["hook.snapshots.cycles=2"],
    "adam_2k": ["optimizer.steps=1"],
    "lookahead": ["optimizer.k=2"],
    "ghost_batch": ["norm.ghost_batch_size=4"],
    "batch_group": ["norm.examples_per_group=4", "norm.channels_per_group=2"],
    "group": ["norm.num_groups=2", "norm.group_size=null"],
    "distillation": ["loss.teacher=<run>"],
    "dkd": ["loss.teacher=<run>"],
    "pretrained": ["init.pretrained.source=<run>"],
}
DIGITS = ["data.subset=4", "batch_size=10", "epochs=2", "compute=cpu", "compute.threads=1", "data.validation=0.02"]


def composition(rng):
    """Overrides drawn from every place: legal or not."""
    chosen = shlex.split(rng.choice(NETWORKS))
    names = []
    for place, about in PLACES.items():
        if place == "schedule" or rng.random() < 0.5:
            continue
        if about.many:
            some = rng.sample(options(place), rng.randint(1, min(LISTS[place], len(options(place)))))
            some += ["plain"] * (place == "inference" and "plain" not in some)
            chosen.append(f"{place}=[{','.join(some)}]")
            names += some
        else:
            names.append(rng.choice(options(place)))
            chosen.append(f"{place}={names[-1]}")
            if names[-1] in INNER:
                names.append(rng.choice([name for name in options("optimizer") if name not in INNER]))
                chosen.append(f"optimizer.inner={names[-1]}")
    for knob, likely in (("lr", 0.7), ("batch_size", 0.3), ("momentum", 0.2), ("weight_decay", 0.2)):
        if rng.random() < likely:
            chosen.append(f"schedule.{knob}={rng.choice(options('schedule'))}")
    for extra in (
        "micro_batch=4",
        "data.last_batch=drop",
        "scale_with_batch=sqrt",
        "compute.precision=bf16",
    ):
        if rng.random() < 0.25:
            chosen.append(extra)
    return chosen + [each for name in names for each in WANTS_COMPANY.get(name, ())]


def legal(make_run, rng, finished, refused):
    """The next composition that is not refused, and a way to make its run; what is refused is told in one line."""
    for _ in range(200):
        drawn = [each.replace("<run>", str(finished)) for each in composition(rng)]
        try:
            make_run(*DIGITS, *drawn)
        except BadInput as error:
            refused.append(str(error))
            assert "\n" not in str(error)
            continue
        return [*DIGITS, *drawn]
    raise AssertionError(f"200 compositions in a row were refused, the last: {refused[-3:]}")


def saved(run):
    """All that a checkpoint would hold, copied."""
    tensors, plain = run.state()
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}, plain


def train_with_a_copy(run, update):
    """Train to the end; its rows, and its state after so many updates."""
    kept = []

    def edge():
        if run.clock.updates == update and run.clock.position and not kept:
            kept.append(saved(run))

    rows = [row.plain() for row in train(run, edge)]
    return rows, kept[0]


def check(make_run, overrides):
    """Finite figures (or a divergence that is said), and a resume in the middle of an epoch with the same bits."""
    run = make_run(*overrides)
    steps = len(list(run.knobs.batches(0)))
    rows, state = train_with_a_copy(run, max(1, steps - 1))
    if run.divergence is None:
        assert all(math.isfinite(v) for row in rows for v in row.values() if v is not None)
        run.finish()
        assert all(math.isfinite(result.test_loss) for result in results(run, EpochRow.of(rows[-1])))
    again = make_run(*overrides)
    again.load(*state)
    others = [row.plain() for row in train(again, lambda: None)]
    if run.divergence is None:
        again.finish()
    for row, other in zip(rows, others, strict=True):
        for figure in row.keys() - {"images_per_second"}:
            assert repr(row[figure]) == repr(other[figure]), figure  # nan is nan
    (tensors, plain), (other_tensors, other_plain) = saved(run), saved(again)
    assert tensors.keys() == other_tensors.keys() and plain == other_plain
    for name, tensor in tensors.items():
        torch.testing.assert_close(other_tensors[name], tensor, rtol=0, atol=0, equal_nan=True, msg=name)


@pytest.mark.parametrize("seed", range(12))
def test_a_composition_at_random_trains_and_resumes(make_run, finished, seed):
    check(make_run, legal(make_run, random.Random(seed), finished, []))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(12, 300))
def test_many_compositions_at_random_train_and_resume(make_run, finished, seed):
    check(make_run, legal(make_run, random.Random(seed), finished, []))


EVERY = [(place, name) for place in PLACES for name in options(place)]
NOISE_FOR_EACH_IMAGE = {"shake_shake", "shakedrop"}  # drawn part by part: another draw than the whole batch's
GROWING = ["epochs=2", "batch_size=8", "schedule.batch_size=step", "schedule.batch_size.every=1", "schedule.batch_size.factor=2",
           "data.last_batch=drop", "scale_with_batch=linear", "reference_batch=64"]  # fmt: skip


def weights(run):
    """Copies of the parameters, by name."""
    return {name: p.detach().clone() for name, p in run.model.named_parameters()}


@pytest.mark.parametrize(("place", "name"), EVERY, ids=lambda part: part)
def test_with_a_growing_batch_in_parts_it_is_the_whole_batchs(make_run, finished, place, name):
    """A batch that grows, lr that scales with it, the last batch left out: weights move, and parts change nothing."""
    overrides = shlex.split(attempt(place, name).replace("<run>", str(finished)))
    keys = {override.partition("=")[0] for override in overrides}
    network = [] if "model" in keys else ["model=resnet8", "model.width=8"]
    norm = [] if "norm" in keys else ["norm=ghost_batch", "norm.ghost_batch_size=4"]
    if (place, name) == ("norm", "ghost_batch"):
        norm = ["norm.ghost_batch_size=4"]
    growing = [o for o in ("data.subset=6", *GROWING) if o.partition("=")[0] not in keys]
    whole = make_run(*growing, *network, *norm, *overrides)
    before = weights(whole)
    rows = list(train(whole, lambda: None))
    assert rows[0].updates < rows[1].updates < 2 * rows[0].updates, "the batch grew"
    assert any(not torch.equal(p, before[n]) for n, p in whole.model.named_parameters()), "weights moved"
    try:
        parts = make_run(*growing, *network, *norm, *overrides, "micro_batch=4")
    except BadInput as error:
        assert place == "norm" and "micro_batch: " in str(error), error
        return
    others = list(train(parts, lambda: None))
    assert others[-1].updates == rows[-1].updates
    if name not in NOISE_FOR_EACH_IMAGE:
        assert others[-1].test_loss == pytest.approx(rows[-1].test_loss, rel=2e-2)
        assert others[0].train_loss == pytest.approx(rows[0].train_loss, rel=1e-2)
