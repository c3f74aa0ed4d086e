"""Steps that are recorded and replayed end with the bits of steps that are not: every trick, and many at once."""

import shlex

import pytest
import torch

from tests.tricks.test_every_trick import ALL_ON, EVERY, state_of, stop_at
from tricktable.runner.config.catalogue import attempt
from tricktable.runner.training.capture import Capture
from tricktable.runner.training.tape import Tape
from tricktable.runner.training.train import train

TRAINING = [(place, name) for place, name in EVERY if place != "inference"]


def taped(run, after):
    """The run, its steps recorded after a few of each batch size."""
    run.gradients = Capture(Tape, after=after, least=1)
    return run


def check(run, other):
    """Two runs end in the same state."""
    (tensors, plain), (others, other_plain) = state_of(run), state_of(other)
    assert tensors.keys() == others.keys() and plain == other_plain
    assert not [name for name in tensors if not torch.equal(tensors[name], others[name])]


def check_resumed(make_run, overrides):
    """A run that is recorded, saved in its second epoch, and recorded again when it is resumed ends as the plain one."""
    whole, broken, resumed = make_run(*overrides), taped(make_run(*overrides), 1), taped(make_run(*overrides), 1)
    list(train(whole, lambda: None))
    steps = len(list(whole.knobs.batches(0)))
    with pytest.raises(KeyboardInterrupt):
        list(train(broken, stop_at(broken, steps + steps // 2)))
    resumed.load(*state_of(broken))
    list(train(resumed, lambda: None))
    assert any(recording.replays for recording in broken.gradients.recordings.values())
    assert broken.gradients.recorder is resumed.gradients.recorder is Tape, "refused"
    check(whole, resumed)


def tried(place, name, finished):
    overrides = shlex.split(attempt(place, name).replace("<run>", str(finished)))
    network = [] if any(o.startswith("model=") for o in overrides) else ["model=resnet8", "model.width=8"]
    return ["epochs=2", *network, *overrides]


@pytest.mark.parametrize(("place", "name"), TRAINING, ids=lambda part: part)
def test_replayed_steps_are_the_steps(make_run, finished, place, name):
    overrides = tried(place, name, finished)
    plain, replayed = make_run(*overrides), taped(make_run(*overrides), after=0)
    list(train(plain, lambda: None))
    list(train(replayed, lambda: None))
    recordings = replayed.gradients.recordings
    assert len(recordings) >= 2 and all(recording.replays for recording in recordings.values())
    check(plain, replayed)


# Maps of one pixel have no memory format of their own, and a tape's are summed in another order: larger images.
LARGER = {"mobilenet_v2": ["data=synthetic", "data.n_train=100", "data.n_test=20", "data.size=16"]}


@pytest.mark.parametrize(
    ("network", "precision"),
    [("resnet", "fp32"), ("wide_resnet", "bf16"), ("pyramidnet", "fp16"), ("mobilenet_v2", "fp16")],
)
def test_many_tricks_at_once_resume_with_the_same_bits(make_run, network, precision):
    overrides = [*shlex.split(ALL_ON[network]), *LARGER.get(network, [])]
    check_resumed(make_run, ["epochs=2", *overrides, f"compute.precision={precision}"])


@pytest.mark.long
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize(("place", "name"), TRAINING, ids=lambda part: part)
def test_they_resume_with_the_same_bits(make_run, finished, place, name, precision):
    overrides = [*tried(place, name, finished), f"compute.precision={precision}"]
    if precision == "fp16" and name in ("sam", "asam"):
        pytest.skip("fp16 scales one gradient a step")
    check_resumed(make_run, overrides)
