"""The training images' size as a knob: what the network gets, what else sees it, and what is refused."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.training.sharing import ended, made
from tests.tricks.test_every_trick import state_of, stop_at
from tricktable.runner.errors import BadInput
from tricktable.runner.training import compiled, image_size
from tricktable.runner.training.capture import Capture
from tricktable.runner.training.compiled import Compiled
from tricktable.runner.training.knobs import Knobs, Shape, nearest_side
from tricktable.runner.training.tape import Tape
from tricktable.runner.training.train import train

# 60 images of 16x16 in batches of 16; resnet8 divides by 4, so that sizes are 8, 12 and 16.
IMAGES = ("data=synthetic", "data.n_train=60", "data.n_test=20", "data.size=16", "data.subset=null")
SMALL = (*IMAGES, "model=resnet8", "model.width=8")
GROWING = ("schedule.size=linear", "schedule.size.start=0.5", "schedule.size.end=1")


def nearest(own, factor, stride):
    """The rule, plainly: of all the sides that are allowed the nearest one, of two the larger."""
    allowed = [own, *(side for side in range(stride, own, stride))]
    return min(allowed, key=lambda side: (abs(factor * own - side), -side))


def check(run, other):
    """Two runs stand in the same state."""
    (tensors, plain), (others, other_plain) = state_of(run), state_of(other)
    assert tensors.keys() == others.keys() and plain == other_plain
    assert not [name for name in tensors if not torch.equal(tensors[name], others[name])]


def trained(run):
    rows = list(train(run, lambda: None))
    return run, rows


class Spy:
    """Stands for a run's network, its loss and what it passes, and remembers what they are given."""

    def __init__(self, run):
        self.images, self.targets, self.of_the_loss = [], [], []
        self.network, self.loss = run.network, run.loss
        run.network, run.loss = self.passed, self.lost

    def passed(self, x):
        self.images.append(x)
        return self.network(x)

    def lost(self, logits, targets, images):
        self.targets.append(targets)
        self.of_the_loss.append(images)
        return self.loss(logits, targets, images)


# What it is


@pytest.mark.parametrize("stride", [1, 4, 7, 8, 32])
@pytest.mark.parametrize("own", [1, 5, 8, 28, 32, 224])
def test_sides_are_the_nearest_multiple_of_the_stride_or_the_images_own(own, stride):
    for i in range(257):
        side = nearest_side(own, i / 256, stride)
        assert side == nearest(own, i / 256, stride)
        assert side == own or (side % stride == 0 and 0 < side < own)
    assert nearest_side(own, 1.0, stride) == own


def test_height_and_width_are_each_rounded_and_the_knob_is_the_height():
    knobs = Knobs({"lr": 1, "batch_size": 5, "size": 28}, {"size": lambda t: 0.5 + t / 8}, n=10, own=(28, 50), stride=8)
    for i in range(9):
        expected = nearest(28, 0.5 + i / 16, 8), nearest(50, 0.5 + i / 16, 8)
        assert (knobs.image_size(i / 2) or (28, 50)) == expected and knobs.at(i / 2)["size"] == expected[0]
    assert knobs.image_size(4) is None, "the images' own"
    assert "size" not in Knobs({"lr": 1, "batch_size": 5}, {}, n=10, own=(28, 50)).at(0)


def test_the_stride_is_what_the_network_says_or_what_most_of_imagenets_have(make_run):
    assert image_size.stride_of(make_run(*SMALL).model) == 4 and make_run(*SMALL).knobs.stride == 4
    assert image_size.stride_of(nn.Conv2d(3, 4, 3, stride=2)) == 32, "a layer's own stride is no network's"


def test_the_network_gets_a_plain_interpolation_of_what_it_got_before(make_run):
    """After the augmentations, whose targets stay; the size is read at epoch + position/N."""
    overrides = [*SMALL, "augment=[crop,mixup]", "augment.crop.pad=3", "epochs=3"]
    whole, run = make_run(*overrides), make_run(*overrides, *GROWING)
    before, seen = Spy(whole), Spy(run)
    trained(whole)
    _, rows = trained(run)
    times = [epoch + start / 60 for epoch in range(3) for start in (0, 16, 32, 48)]
    sides = [nearest(16, 0.5 + 0.5 * time / 3, 4) for time in times]
    assert len(before.images) == len(seen.images) == 12 and set(sides) == {8, 12, 16}
    for side, x, small in zip(sides, before.images, seen.images, strict=True):
        plain = F.interpolate(x, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
        assert small.equal(x if side == 16 else plain) and small.is_contiguous(memory_format=torch.channels_last)
    assert all(map(torch.equal, before.targets, seen.targets))
    assert all(map(torch.equal, seen.of_the_loss, seen.images)), "the loss is told what the network saw"
    assert [row.size for row in rows] == [sides[3], sides[7], sides[11]]


def test_at_the_images_own_size_it_is_the_run_without_a_schedule(make_run):
    plain, run = (trained(make_run(*SMALL, *more)) for more in ((), ("schedule.size=constant",)))
    check(plain[0], run[0])
    assert "size" not in plain[1][0].plain() and {row.plain()["size"] for row in run[1]} == {16}


# With what it stands together


@pytest.mark.parametrize("more", [[], ["optimizer=[sam,sgd]", "hook=[ema]"]], ids=["once", "asked twice"])
def test_parts_of_a_batch_have_the_gradients_of_the_whole(more):
    overrides = [*SMALL, "data.test_subset=null", "norm=group", "epochs=2", *GROWING, *more]
    whole, parts = (ended(made([*overrides, *part], double=True)) for part in ([], ["micro_batch=5"]))
    difference = torch.tensor(whole["weights"]) - torch.tensor(parts["weights"])
    assert difference.abs().max() <= 1e-12 and [row["size"] for row in parts["rows"]] == [12, 16]


BOTH = ("batch_size=8", "schedule.batch_size=linear", "schedule.batch_size.start=1", "schedule.batch_size.end=3")


def test_batch_and_size_grow_together(make_run):
    run = make_run(*SMALL, *GROWING, *BOTH)
    spy = Spy(run)
    trained(run)
    expected, time = [], 0.0
    for epoch in range(3):
        position = 0
        while position < 60:
            time = epoch + position / 60
            images = min(round(8 * (1 + 2 * time / 3)), 60 - position)
            expected.append((images, nearest(16, 0.5 + 0.5 * time / 3, 4)))
            position += images
    assert [(len(x), x.shape[2]) for x in spy.images] == expected
    shapes = run.knobs.shapes(3)
    assert shapes == {
        Shape(images, None if side == 16 else (side, side)): expected.count((images, side))
        for images, side in set(expected)
    }
    assert run.knobs.sizes(3).total() == shapes.total() == run.knobs.updates(3)


RESUMED = {
    "many tricks": ["augment=[crop,cutmix]", "augment.crop.pad=2", "residual=stochastic_depth", "hook=[ema]"],
    "a growing batch": [*BOTH],
    "half precision": ["compute.precision=bf16"],
    "scaled gradients": ["compute.precision=fp16"],
}


@pytest.mark.parametrize("case", RESUMED)
def test_a_run_that_stops_between_two_sizes_goes_on_to_the_same_bits(make_run, case):
    overrides = [*SMALL, *GROWING, *RESUMED[case]]
    whole, broken, resumed = (make_run(*overrides) for _ in range(3))
    steps = sum(1 for _ in whole.knobs.batches(0)) + 2
    assert len(whole.knobs.shapes(3)) >= 3
    trained(whole)
    with pytest.raises(KeyboardInterrupt):
        list(train(broken, stop_at(broken, steps)))
    resumed.load(*state_of(broken))
    trained(resumed)
    check(whole, resumed)


@pytest.mark.parametrize(
    "more",
    [["optimizer=[sam,sgd]", "augment=[mixup]"], ["norm=ghost_batch", "norm.ghost_batch_size=4", "micro_batch=8"]],
    ids=["asked twice", "parts"],
)
def test_recordings_are_by_shape_and_replay_the_steps(make_run, more):
    overrides = [*SMALL, "epochs=6", "data.last_batch=drop", *GROWING, *more]
    plain, run = make_run(*overrides), make_run(*overrides)
    run.gradients = Capture(Tape, after=1, least=4)
    trained(plain)
    trained(run)
    shapes = {Shape(16, (8, 8)), Shape(16, (12, 12)), Shape(16, None)}
    assert run.knobs.shapes(6).keys() == shapes
    assert run.gradients.recordings.keys() == {shape for shape in shapes if run.knobs.shapes(6)[shape] >= 4}
    assert all(recording.replays > 1 for recording in run.gradients.recordings.values())
    check(plain, run)


@pytest.mark.parametrize(
    "more",
    [[], pytest.param(["norm=ghost_batch", "norm.ghost_batch_size=4", "micro_batch=8"], marks=pytest.mark.long)],
    ids=["whole", "parts"],
)
def test_each_shape_has_a_compiled_graph_and_the_bits_are_the_same(make_run, more):
    overrides = [*SMALL, "epochs=2", "data.last_batch=drop", *GROWING, *more]
    plain, run = make_run(*overrides), make_run(*overrides)
    needed = compiled.graphs(run)
    assert needed == len(run.knobs.shapes(2)) * (2 if more else 1)
    run.network = Compiled(run.model, needed, "aot_eager")
    trained(plain)
    trained(run)
    check(plain, run)


def test_every_shape_is_compiled_before_the_run(make_run, monkeypatch):
    run = make_run(*SMALL, *GROWING, "compute.compile=on")
    asked = []
    monkeypatch.setattr(Compiled, "__call__", lambda self, x: asked.append(tuple(x.shape)) or self.model(x))
    compiled.rehearse(run)
    expected = {(n, *(size or (16, 16))) for n, size in run.knobs.shapes(3)}
    assert {(shape[0], *shape[2:]) for shape in asked} == expected and len(expected) > 3


def test_evaluation_and_running_averages_are_of_the_whole_images(make_run):
    """SWA's pass for its running averages too, at the end."""
    run = make_run(*SMALL, "epochs=2", "schedule.size=linear", "schedule.size.start=0.5", "schedule.size.end=0.5",
                   "hook=[swa]", "hook.swa.start=0.5")  # fmt: skip
    stepped, others = [], []
    stepping = False

    class Step:
        def __call__(self, x):
            nonlocal stepping
            stepping = True
            logits = run.model(x)
            stepping = False
            return logits

    def saw(module, given):
        (stepped if stepping else others).append(given[0].shape[2:])

    run.network = Step()
    handles = [run.model.register_forward_pre_hook(saw)]
    trained(run)
    seen = len(others)
    run.recompute_statistics(run.model)
    run.finish()
    for handle in handles:
        handle.remove()
    assert set(stepped) == {(8, 8)} and len(stepped) == 8
    assert set(others) == {(16, 16)} and len(others) > seen > 0


# What is refused, and said


def test_a_network_that_cannot_take_a_size_says_so_before_the_run(make_run):
    with pytest.raises(BadInput, match=r"^schedule\.size: the network cannot take 3x8x8 images \(") as error:
        make_run(*IMAGES, "model=cct_2_3x2", "model.image_size=16", *GROWING)
    assert "\n" not in str(error.value)


def test_a_size_at_which_a_batch_is_too_small_is_refused(make_run):
    """Images of 8x8 end as maps of 2x2, those of 4x4 as single pixels, of which one image has no variance."""
    make_run("batch_size=59", "model=resnet8")
    with pytest.raises(BadInput, match=r"^batch_size: the network cannot train on 1 image of 4x4 at once \("):
        make_run("batch_size=59", "model=resnet8", "schedule.size=linear", "schedule.size.start=0.5")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["schedule.size=linear", "schedule.size.start=1.5"],
            "schedule.size: rises to 1.5 times the images' own size; ",
        ),
        (["schedule.size=linear", "model=resnet18"], "schedule.size: sizes are multiples of 32, by which the network "),
        (["schedule.noise_scale=step", "noise.spend=[size]"], "noise.spend: expected each of lr, batch_size, momentum"),
    ],
)
def test_what_cannot_be_is_one_line(make_run, overrides, said):
    with pytest.raises(BadInput) as error:
        make_run(*overrides)
    assert str(error.value).startswith(said) and "\n" not in str(error.value)


def test_too_many_shapes_for_a_compiler_are_refused(make_run):
    with pytest.raises(BadInput, match=r"^compute\.compile: each of the \d+ sizes of a batch, or parts of one, or of "):
        make_run(*IMAGES, *GROWING, "compute.compile=on", "model=mlp", "epochs=6")


@pytest.mark.parametrize(("more", "expected"), [(GROWING[:2], True), (GROWING, False)])
def test_a_run_that_ends_on_small_images_is_told_of(make_run, monkeypatch, capsys, more, expected):
    monkeypatch.delenv("TRICKTABLE_TOLD", raising=False)
    image_size.warn_of_the_end(make_run(*SMALL, *more))
    told = capsys.readouterr().err
    assert ("on images of 4x4, and evaluation on 16x16" in told) is expected and told.count("\n") == expected
