"""tricktable.runner.data.split: who is held out, exactly how many, and what normalises."""

import itertools

import numpy as np
import pytest
import torch

from tests.data.sets import config
from tricktable.runner import data
from tricktable.runner.data.draw import Resident
from tricktable.runner.data.source import Arrays
from tricktable.runner.data.split import histogram, mean_std, split
from tricktable.runner.data.stratify import stratified
from tricktable.runner.errors import BadInput
from tricktable.runner.randomness import generator


def source(sizes=(70, 21, 9, 50), constants=None):
    """Images whose first pixels are their own number."""
    n = sum(sizes)
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    labels = labels[torch.randperm(n, generator=generator(0, "test"))]
    images = torch.randint(0, 256, (n, 2, 3, 3), generator=generator(0, "pixels")).to(torch.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = torch.arange(n) % 256, torch.arange(n) // 256
    classes = tuple("abcdefgh"[: len(sizes)])
    return Arrays(images, labels, images[:7], labels[:7], classes, "x", constants, constants)


def numbers(part):
    """Which of the source's images are in a split."""
    return (part.images[:, 0, 0, 0].int() + 256 * part.images[:, 0, 0, 1].int()).tolist()


@pytest.mark.parametrize(("validation", "total"), [(1, 1), (30, 30), (149, 149), (0.1, 15), (0.5, 75), (0.99, 148)])
def test_validation_is_exactly_that_many_and_stratified(validation, total):
    whole = source()
    parts = split(whole, config("x", validation=float(validation)))
    assert parts.validation.n == total and parts.train.n == 150 - total
    held, kept = numbers(parts.validation), numbers(parts.train)
    assert sorted(held + kept) == list(range(150)), "disjoint, and together all"
    assert held == sorted(held) and kept == sorted(kept)
    for part, rows in ((parts.validation, held), (parts.train, kept)):
        assert torch.equal(part.labels, whole.train_labels[rows])
    sizes, counts = whole.train_labels.bincount(), parts.validation.labels.bincount(minlength=4)
    assert ((counts - total * sizes / 150).abs() < 1).all()
    assert torch.equal(parts.test.images, whole.test_images)


def test_stratified_is_exact_for_any_sizes():
    for sizes in ([1] * 50 + [100], [3, 3, 3], [0, 5, 1], [200]):
        labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
        n = len(labels)
        for total in (*range(0, min(n, 30)), n // 2, n - 1, n):
            rows = stratified(labels, total, len(sizes), generator(total, "test"))
            assert len(rows) == len(set(rows.tolist())) == total
            counts = labels[rows].bincount(minlength=len(sizes))
            assert ((counts - total * torch.tensor(sizes) / n).abs() < 1).all()


def test_the_split_is_of_split_seed_alone():
    whole = source()
    held = [numbers(split(whole, config("x", validation=30.0, split_seed=seed)).validation) for seed in (0, 0, 1)]
    assert held[0] == held[1] != held[2]
    again = split(whole, config("x", validation=30.0, subset=3, normalize="computed", workers=2))
    assert numbers(again.validation) == held[0]


def test_every_image_is_as_likely_to_be_held_out():
    labels = torch.tensor([0] * 4 + [1] * 4)
    counts = torch.zeros(8)
    for seed in range(400):
        counts[stratified(labels, 3, 2, generator(seed, "validation"))] += 1
    assert ((counts - 150).abs() < 5 * (400 * 3 / 8 * 5 / 8) ** 0.5).all()


def test_subset_is_of_what_is_left():
    whole = source()
    parts = split(whole, config("x", validation=30.0, subset=5))
    assert parts.train.labels.bincount().tolist() == [5] * 4
    assert not set(numbers(parts.train)) & set(numbers(parts.validation))
    assert numbers(parts.train) == sorted(set(numbers(parts.train)))
    assert parts.test.n == 7
    other = split(whole, config("x", validation=30.0, subset=5, split_seed=1))
    assert numbers(other.train) != numbers(parts.train)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"validation": 150.0}, "data.validation"),
        ({"validation": 0.999}, "data.validation"),
        ({"validation": 0.001}, "data.validation"),
        ({"validation": 1.5}, "data.validation"),
        ({"subset": 10}, "data.subset: expected at most the training images of each class, class c has 9"),
        ({"subset": 9, "validation": 30.0}, "data.subset"),
        ({"normalize": "paper"}, "data.normalize"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(keys, words):
    with pytest.raises(BadInput) as error:
        split(source(), config("x", **keys))
    assert words in str(error.value) and "\n" not in str(error.value)


def test_nothing_held_out_is_the_source_itself():
    whole = source()
    parts = split(whole, config("x"))
    assert parts.validation is None
    assert parts.train.images.data_ptr() == whole.train_images.data_ptr()
    assert (parts.classes, parts.title, parts.fingerprint) == (whole.classes, "x", whole.fingerprint)
    assert torch.equal(parts.one_hot, torch.eye(4))


@pytest.mark.parametrize("keys", [{}, {"validation": 40.0}, {"subset": 6}, {"validation": 0.2, "subset": 2}])
def test_mean_and_std_are_exactly_those_of_the_images_that_are_trained_on(keys):
    parts = split(source(), config("x", **keys))
    pixels = parts.train.images.numpy().astype(np.float64)
    assert np.array_equal(parts.mean.numpy(), pixels.mean((0, 2, 3)).astype(np.float32))
    assert np.allclose(parts.std.numpy(), pixels.std((0, 2, 3)), rtol=1e-7)
    x = (parts.train.images.float() - parts.mean.view(-1, 1, 1)) / parts.std.view(-1, 1, 1)
    assert x.mean((0, 2, 3)).abs().max() < 1e-5 and (x.std((0, 2, 3), correction=0) - 1).abs().max() < 1e-5


def test_a_constant_channel_becomes_zero():
    images = torch.zeros(4, 2, 2, 2, dtype=torch.uint8)
    images[:, 0] = 200
    images[0, 1] = 9
    labels = torch.tensor([0, 1, 0, 1])
    parts = split(Arrays(images, labels, images, labels, ("a", "b"), "x"), config("x"))
    assert parts.mean[0] == 200 and parts.std[0] == 1 and parts.std[1] > 0


def test_large_sums_are_exact():
    mean, std = mean_std([[0] * 254 + [1, 10**15]])
    assert float(mean) == 255.0 and 0 < float(std) < 1e-6


def test_the_histogram_counts_every_pixel():
    images = torch.randint(0, 256, (2500, 2, 2, 2), generator=generator(1)).to(torch.uint8)
    counts = histogram(Resident(images, torch.zeros(2500, dtype=torch.int64)))
    for channel, value in itertools.product(range(2), (0, 17, 255)):
        assert counts[channel, value] == (images[:, channel] == value).sum()
    assert counts.sum() == images.numel()


def test_the_papers_constants_are_scaled_to_raw_pixels():
    parts = split(source(constants=(0.5, 0.25)), config("x", normalize="paper"))
    assert parts.mean.tolist() == parts.std.tolist() == [127.5, 63.75]


def test_a_real_set():
    whole = data.load(config("digits"))
    parts = split(whole, config("digits", validation=0.1))
    assert parts.validation.n == 144 and parts.train.n == 1298 and parts.test.n == 355
    assert parts.train.shape == (1, 8, 8)
