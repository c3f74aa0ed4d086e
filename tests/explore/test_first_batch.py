"""`tricktable show --images`: the images are those that the first step of the training sees."""

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import TINY
from tests.data import sets
from tricktable.runner.errors import BadInput
from tricktable.runner.explore import first_batch
from tricktable.runner.training import augmented, train


class Seen(Exception):
    """The first step's images and targets."""


def first_step(run, monkeypatch):
    def caught(*arguments):
        raise Seen(*batch(*arguments), arguments[1])

    batch = augmented.batch
    with monkeypatch.context() as patch, pytest.raises(Seen) as seen:
        patch.setattr(augmented, "batch", caught)
        train.train_epoch(run, lambda: None)
    return seen.value.args


@pytest.fixture
def pets(tmp_path, monkeypatch):
    monkeypatch.setenv("TRICKTABLE_CACHE", str(tmp_path / "cache"))
    return sets.write_tree(tmp_path / "pets", sets.images(per_class=8, size=(20, 18)))


@pytest.mark.parametrize("stream", [None, "false", "true"])
@pytest.mark.parametrize("augment", ["[]", "[random_resized_crop,flip,mixup]", "[crop,alternating_flip]"])
def test_they_are_the_first_step_s(make_run, monkeypatch, pets, stream, augment):
    own = (
        []
        if stream is None
        else ["data=image_folder", f"data.path={pets}", "data.size=16", f"data.stream={stream}", "data.subset=null"]
    )
    run = make_run(*own, f"augment={augment}", "seed=3")
    pairs = first_batch.first_batch(run, 12)
    x, y, stored = first_step(run, monkeypatch)
    assert len(pairs) == 12 and all(pair.label in run.splits.classes for pair in pairs)
    for pair, after, target, before in zip(pairs, x, y, stored, strict=False):
        mean, std = (value.double().view(-1, 1, 1) for value in (run.splits.mean, run.splits.std))
        pixels = (after.double() * std + mean).expand(3, -1, -1).permute(1, 2, 0).clamp(0, 255)
        assert np.abs(pair.after - pixels.numpy()).max() <= 0.51
        assert pair.target.split("\n")[0].endswith(run.splits.classes[int(target.argmax())])
        if augment == "[]":
            assert np.array_equal(pair.before, pair.after) and pair.label == pair.target
        if "random_resized_crop" not in augment:
            assert np.array_equal(pair.before, before.expand(3, -1, -1).permute(1, 2, 0).numpy())


def test_at_the_first_step_s_size(make_run, monkeypatch):
    run = make_run("augment=[crop]", "schedule.size=linear", "schedule.size.start=0.5", "schedule.size.end=1")
    x, _, stored = first_step(run, monkeypatch)
    assert x.shape[2:] == (4, 4) and stored.shape[2:] == (8, 8)
    for pair, after in zip(first_batch.first_batch(run, 3), x, strict=False):
        pixels = (after.double() * run.splits.std.view(-1, 1, 1) + run.splits.mean.view(-1, 1, 1)).clamp(0, 255)
        assert np.abs(pair.after - pixels.expand(3, -1, -1).permute(1, 2, 0).numpy()).max() <= 0.51


def test_a_target_is_told_by_its_shares():
    names = ("ant", "bee", "cow")
    assert first_batch._told(torch.tensor([0.0, 1.0, 0.0]), names) == "bee"
    assert first_batch._told(torch.tensor([0.25, 0.0, 0.75]), names) == "0.75 cow\n0.25 ant"


def test_a_picture_is_written(tmp_path):
    path = first_batch.show([*TINY, "augment=[flip]"], tmp_path / "new" / "first.png")
    with Image.open(path) as picture:
        assert picture.format == "PNG" and min(picture.size) > 600
    with pytest.raises(BadInput, match=r"--images: expected the name of a \.png file"):
        first_batch.show([*TINY], tmp_path / "first.pdf")
