"""Which images of a set are for training and which for testing: by their folders, or drawn where there are none."""

import itertools
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import torch

from tricktable.runner import randomness
from tricktable.runner.data.members import SHAPE, TESTS, TRAIN, UNSPLIT, Member
from tricktable.runner.data.stratify import stratified
from tricktable.runner.errors import BadInput, DataProblem


class Share(NamedTuple):
    """How a set that is not split is split: this share of each class is for testing, drawn by this seed."""

    share: float
    seed: int


class Layout(NamedTuple):
    """The sorted images of both splits, and their common classes, sorted: a label is an index into these."""

    train: list[Member]
    test: list[Member]
    classes: tuple[str, ...]


def layout(places: Iterable[Member], where: Path, share: Share | None = None) -> Layout:
    """The two splits, drawn where a `share` is given; DataProblem where the set is not of the expected shape."""
    places = list(places)
    above = {at.above for at in places}
    if share is not None and {TRAIN, *TESTS} & above and (len(above) > 1 or not {TRAIN} & above):
        raise BadInput(
            f"data.test_share: {where} has folders for its splits ({', '.join(sorted(above))}); leave it null"
        )
    top = "" if "" in above else min(above, default="")
    if "" not in above and len(above) > 1:
        raise DataProblem(f"{where}: expected one set, found {len(above)} ({', '.join(sorted(above)[:3])}); name one")
    inside = [at for at in places if at.above == top]
    if share is not None:
        return _drawn(inside, where, share)
    splits: dict[str, list[Member]] = {}
    for at in inside:
        splits.setdefault(at.split, []).append(at)
    tests = [name for name in TESTS if name in splits]
    if TRAIN not in splits or not tests:
        found = f"images in {', '.join(sorted(splits))} only" if splits else "no image in such a place"
        split_it = f"or, of {UNSPLIT}, have a part of it drawn for testing: data.test_share=0.2"
        raise DataProblem(f"{where}: expected {SHAPE}, found {found}; arrange it so, {split_it}")
    if len(tests) > 1:
        print(f"{where}: {tests[0]}/ is the test split; {', '.join(tests[1:])} is not used", file=sys.stderr)
    train, test = sorted(splits[TRAIN]), sorted(splits[tests[0]])
    _each_once(train, where)
    _each_once(test, where)
    classes, others = {at.label for at in train}, {at.label for at in test}
    if classes != others:
        odd = min(classes ^ others)
        has, lacks = (TRAIN, tests[0]) if odd in classes else (tests[0], TRAIN)
        raise DataProblem(f"{where}: expected the same classes in both, found {odd} in {has}/ and not in {lacks}/")
    return Layout(train, test, tuple(sorted(classes)))


def _each_once(images: list[Member], where: Path) -> None:
    for one, next_one in itertools.pairwise(images):
        if one == next_one:
            raise DataProblem(f"{where}: expected each name once, found {one.name} twice; make the archive anew")


def _drawn(images: list[Member], where: Path, share: Share) -> Layout:
    """The splits of a set that has none: some of each class is for testing."""
    if not images:
        raise DataProblem(f"{where}: expected {UNSPLIT}, found no image in such a place; arrange it so")
    images = sorted(images)
    _each_once(images, where)
    classes = tuple(sorted({at.label for at in images}))
    index = {label: i for i, label in enumerate(classes)}
    labels = torch.tensor([index[at.label] for at in images])
    rng = randomness.generator(share.seed, "test_share")
    rows = set(stratified(labels, round(share.share * len(images)), len(classes), rng).tolist())
    train = [at for i, at in enumerate(images) if i not in rows]
    test = [at for i, at in enumerate(images) if i in rows]
    for split, lot in (("training", train), ("test", test)):
        for label in sorted(set(classes) - {at.label for at in lot}):
            number = sum(at.label == label for at in images)
            raise BadInput(
                f"data.test_share: {share.share:g} leaves the class {label} (of {number}) without {split} images; "
                "choose another share, or give it more"
            )
    return Layout(train, test, classes)
