"""What holds for every trick, over the folders: a new one is covered by existing. And many tricks at once."""

import math
import shlex

import pytest
import torch

from tricktable.runner.config.catalogue import attempt
from tricktable.runner.config.compose import options
from tricktable.runner.config.places import PLACES
from tricktable.runner.disk import checkpoint
from tricktable.runner.disk.epoch import EpochRow
from tricktable.runner.training.evaluate import results
from tricktable.runner.training.train import train

EVERY = [(place, name) for place in PLACES for name in options(place)]
ALL_ON = {
    "pyramidnet": (
        "model=pyramidnet110 model.depth=20 model.alpha=12 residual=shakedrop conv=weight_standardization norm=ghost_batch "
        "norm.ghost_batch_size=8 head=fixed_orthogonal init=[he,zero_gamma] augment=[crop,flip,cutout,mixup,label_smoothing] "
        "augment.crop.pad=1 loss=confidence_penalty penalty=[l1,orthogonal] groups=no_decay gradient=[clip_norm,clip_value] "
        "schedule.lr=[warmup,cosine] schedule.lr.epochs=1 schedule.weight_decay=multistep hook=[ema,snapshots,early_stopping] "
        "hook.snapshots.cycles=2 hook.snapshots.last=2 inference=[plain,flip,ensemble] data.validation=0.1"
    ),
    "wide_resnet": (
        "model=wrn_16_4 model.depth=10 model.widen=1 model.dropout=0.3 residual=stochastic_depth conv=weight_norm norm=batch_group "
        "head=cosine init=[orthogonal] augment=[random_erasing,cutmix,flip] penalty=[l2,orthogonal] groups=norm_decay "
        "gradient=[clip_norm] optimizer.nesterov=true schedule.momentum=linear hook=[ema,early_stopping] "
        "inference=[plain,crops,example_weight] inference.crops.pad=1 data.validation=0.1"
    ),
    "resnet": (
        "model=resnet8 model.width=8 norm=ghost_batch norm.ghost_batch_size=8 micro_batch=8 augment=[crop,mixup] "
        "augment.crop.pad=1 optimizer=[asam,lookahead,muon] groups=layerwise gradient=[centralize,clip_norm] penalty=[l2] "
        "schedule.momentum=linear schedule.momentum.end=0.5 schedule.batch_size=multistep schedule.batch_size.at=[1] "
        "schedule.batch_size.factor=2 hook=[ema]"
    ),
    "mobilenet_v2": (
        "model=mobilenet_v2_cifar model.width=0.25 residual=skip_init norm=batch_renorm head=fixed_hadamard init=[xavier] "
        "augment=[mixup,cutout,label_smoothing,flip] penalty=[l1] penalty.l1.decoupled=true groups=layerwise "
        "gradient=[clip_value] schedule.lr=one_cycle hook=[snapshots,ema] inference=[plain,ensemble,crops] "
        "inference.crops.pad=1"
    ),
}


def state_of(run):
    """All that a checkpoint would hold, copied."""
    tensors, plain = run.state()
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}, plain


def stop_at(run, updates):
    """An edge that ends the run between two steps, as a signal does."""

    def edge():
        if run.clock.updates == updates and run.clock.position:
            raise KeyboardInterrupt

    return edge


def check(make_run, overrides, folder):
    """Train two epochs to finite figures; a run that is saved in the middle of the second and resumed ends the same."""
    whole = make_run(*overrides)
    steps = len(list(whole.knobs.batches(0)))
    rows = [row.plain() for row in train(whole, lambda: None)]
    assert len(rows) == 2 and all(math.isfinite(v) for row in rows for v in row.values() if v is not None)
    whole.finish()
    figures = results(whole, EpochRow.of(rows[-1]))
    assert figures and all(math.isfinite(result.test_loss) for result in figures)

    broken = make_run(*overrides)
    with pytest.raises(KeyboardInterrupt):
        list(train(broken, stop_at(broken, steps + steps // 2)))
    (folder / "checkpoints").mkdir(parents=True)
    checkpoint.save(folder / "checkpoints", broken.clock.updates, *broken.state(), keep=2)
    resumed = make_run(*overrides)
    saved = checkpoint.newest(folder / "checkpoints")
    resumed.load(saved.tensors, saved.state)
    (last,) = (row.plain() for row in train(resumed, lambda: None))
    resumed.finish()
    for key in rows[-1].keys() - {"images_per_second"}:
        assert last[key] == rows[-1][key], key
    assert results(resumed, EpochRow.of(last)) == figures
    (tensors, plain), (others, other_plain) = state_of(whole), state_of(resumed)
    assert tensors.keys() == others.keys() and plain == other_plain
    assert all(torch.equal(tensors[name], others[name]) for name in tensors)


@pytest.mark.parametrize(("place", "name"), EVERY, ids=lambda part: part)
def test_it_trains_and_resumes_with_the_same_bits(make_run, finished, tmp_path, place, name):
    overrides = shlex.split(attempt(place, name).replace("<run>", str(finished)))
    network = [] if any(o.startswith("model=") for o in overrides) else ["model=resnet8", "model.width=8"]
    check(make_run, ["epochs=2", *network, *overrides], tmp_path / "run")


@pytest.mark.parametrize("network", ALL_ON)
def test_many_tricks_at_once_train_and_resume(make_run, tmp_path, network):
    overrides = shlex.split(ALL_ON[network])
    assert sum(len(o.partition("=")[2].split(",")) for o in overrides if o.partition("=")[0] in PLACES) >= 8
    check(make_run, ["epochs=2", *overrides], tmp_path / "run")


def test_what_is_tried_names_the_trick():
    for place, name in EVERY:
        words = attempt(place, name).replace("[", " ").replace("]", " ").replace(",", " ").replace("=", " ").split()
        assert name in words, f"configs/{place}/{name}.yaml: its `# try:` does not use it"
