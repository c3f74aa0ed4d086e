"""A set that is not split: what is drawn of it for testing; and a part of the test images in place of all."""

import numpy as np
import pytest
import torch

from tests.data import sets
from tests.data.sets import config, load, problem
from tricktable.runner import data
from tricktable.runner.config import schema
from tricktable.runner.config.compose import compose
from tricktable.runner.data.source import Origin
from tricktable.runner.data.split import split
from tricktable.runner.errors import BadInput

CLASSES = {"ant": 10, "bee": 5, "cow": 20}


def images(prefix=""):
    rng = np.random.default_rng(0)
    return {
        f"{prefix}{label}/{i:02}.png": sets.encode(rng.integers(0, 256, (5, 6, 3), np.uint8))
        for label, n in CLASSES.items()
        for i in range(n)
    }


@pytest.fixture
def unsplit(tmp_path):
    return sets.write_tree(tmp_path / "pets", images())


def test_each_class_gives_its_share_and_every_image_is_used_once(unsplit):
    source = load(unsplit, test_share=0.2)
    assert source.classes == tuple(CLASSES)
    assert torch.bincount(source.test_labels).tolist() == [2, 1, 4]
    assert torch.bincount(source.train_labels).tolist() == [8, 4, 16]
    drawn = torch.cat([source.train_images, source.test_images]).numpy()
    assert sorted(each.tobytes() for each in drawn) == sorted(sets.pixels(each).tobytes() for each in images().values())


def test_the_draw_is_the_split_seed_s_and_is_said(unsplit):
    one, again, other = (load(unsplit, test_share=0.2, split_seed=seed) for seed in (0, 0, 1))
    assert one.fingerprint == again.fingerprint != other.fingerprint
    assert one.title == "pets (0.2 of each class drawn for testing, split_seed 0)"
    assert one.origin == Origin(), "a split that was drawn here is no known set's"
    assert load(unsplit, test_share=0.4).fingerprint != one.fingerprint


@pytest.mark.parametrize("form", ["set.tar", "set.zip"])
@pytest.mark.parametrize("above", ["", "folder/"])
def test_an_archive_gives_the_same_split_in_any_order(tmp_path, unsplit, form, above):
    files = images(above)
    backwards = {name: files[name] for name in reversed(files)}
    write = sets.write_zip if form.endswith("zip") else sets.write_tar
    assert (
        load(write(tmp_path / form, backwards), test_share=0.2).fingerprint == load(unsplit, test_share=0.2).fingerprint
    )


def test_streamed_it_is_the_same_images(unsplit):
    whole, files = load(unsplit, test_share=0.2, size=5), load(unsplit, test_share=0.2, size=5, stream=True)
    assert files.title == whole.title and not {*files.train_names} & {*files.test_names}
    for part, images_, labels in (
        ("train", whole.train_images, whole.train_labels),
        ("test", whole.test_images, whole.test_labels),
    ):
        streamed = getattr(split(files, config("image_folder", workers=0)), part)
        found, told = next(iter(streamed.draw([(0, streamed.n)])))
        assert torch.equal(found, images_) and torch.equal(told, labels)
    others = (
        load(unsplit, test_share=share, split_seed=seed, size=5, stream=True) for share, seed in ((0.2, 1), (0.4, 0))
    )
    assert len({files.fingerprint, *(each.fingerprint for each in others)}) == 3


def test_a_lone_train_folder_is_split_too(tmp_path, unsplit):
    alone = sets.write_tree(tmp_path / "alone", images("train/"))
    assert "data.test_share=0.2" in problem(alone)
    assert load(alone, test_share=0.2).fingerprint == load(unsplit, test_share=0.2).fingerprint


def test_what_cannot_be_is_said(tmp_path, unsplit, tree):
    assert "data.test_share=0.2" in problem(unsplit)
    assert "leaves the class bee (of 5) without test images" in problem(unsplit, BadInput, test_share=0.05)
    assert "has folders for its splits (test, train); leave it null" in problem(tree, BadInput, test_share=0.2)
    (tmp_path / "empty").mkdir()
    assert "<class>/<image>" in problem(tmp_path / "empty", test_share=0.2)
    with pytest.raises(BadInput, match=r"data\.test_share: digits has test images of its own"):
        data.load(config("digits", test_share=0.2))
    for share in ("0", "1", "1.5"):
        with pytest.raises(BadInput, match=r"data\.test_share: expected a"):
            compose(["data=image_folder", f"data.test_share={share}"])


@pytest.mark.parametrize("stream", [False, True])
def test_a_part_of_the_test_images_is_so_many_of_each_class(unsplit, stream):
    keys = {"test_share": 0.4, "size": 5, "stream": stream}
    whole, part, again, other = (
        load(unsplit, **keys, **more)
        for more in ({}, {"test_subset": 2}, {"test_subset": 2}, {"test_subset": 2, "split_seed": 1})
    )
    assert torch.bincount(part.test_labels).tolist() == [2, 2, 2]
    assert torch.equal(part.train_labels, whole.train_labels)
    if stream:
        assert {*part.test_names} < {*whole.test_names} and part.train_names == whole.train_names
    else:
        assert {each.tobytes() for each in part.test_images.numpy()} < {
            each.tobytes() for each in whole.test_images.numpy()
        }
    assert part.fingerprint == again.fingerprint and len({whole.fingerprint, part.fingerprint, other.fingerprint}) == 3
    assert part.title == f"{whole.title} (tested on 2 images per class)"


def test_a_part_of_a_known_set_s_test_images_is_not_complete():
    assert data.load(config("digits")).origin.complete
    assert not data.load(config("digits", test_subset=3)).origin.complete
    with pytest.raises(
        BadInput, match=r"data\.test_subset: expected at most the test images of each class, class .* has"
    ):
        data.load(config("digits", test_subset=1000))


def test_the_keys_belong_to_a_run_only_where_they_are_given():
    usual, drawn, seed = (
        schema.images_key(compose(["data=image_folder", *more]).data)
        for more in ([], ["data.test_share=0.2"], ["data.test_share=0.2", "data.split_seed=1"])
    )
    assert len({usual, drawn, seed}) == 3
    config = compose(["data=image_folder"])
    assert not {"test_share", "test_subset"} & set(schema.numeric(config)["data"])
    assert schema.numeric(compose(["data.test_subset=5"]))["data"]["test_subset"] == 5
