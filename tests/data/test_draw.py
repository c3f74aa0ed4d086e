"""Batches: a Resident's are naive indexing; a Stream's are of (file, key, position) alone."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from runner import data
from runner.data import worker
from runner.data.decode import Decoded
from runner.data.draw import Resident
from runner.data.split import split
from runner.data.stream import RATIO, SCALE, default_workers, random_crop
from runner.errors import DataProblem
from runner.randomness import generator, key
from tests.data import sets
from tests.data.sets import config

BATCHES = [(0, 5), (5, 6), (6, 12)]


@pytest.fixture
def resident():
    images = torch.randint(0, 256, (12, 3, 4, 5), generator=generator(0)).to(torch.uint8)
    return Resident(images, torch.arange(12) % 3)


@pytest.fixture
def large(tmp_path):
    """12 + 6 files of 40x30 pixels, which are streamed at 16x16."""
    return sets.write_tree(tmp_path / "large", sets.images(size=(40, 30), kind="JPEG"))


def stream(root, workers=0, **keys):
    keys = {"size": 16, **keys}
    own = {k: keys.pop(k) for k in ("size", "grayscale") if k in keys}
    settings = config("image_folder", path=root, stream=True, workers=workers, **own, **keys)
    return split(data.load(settings), settings)


def bytes_of(part, *arguments):
    return [(images.clone(), labels.clone()) for images, labels in part.draw(*arguments)]


def same(one, other):
    return len(one) == len(other) and all(
        torch.equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)
    )


@pytest.mark.parametrize("with_order", [True, False])
def test_a_resident_s_batch_is_naive_indexing(resident, with_order):
    order = torch.randperm(12, generator=generator(1)) if with_order else None
    rows = order.tolist() if with_order else list(range(12))
    drawn = bytes_of(resident, BATCHES, order, 7)
    for (start, stop), (images, labels) in zip(BATCHES, drawn, strict=True):
        assert images.dtype == torch.uint8 and labels.dtype == torch.int64
        assert torch.equal(images, torch.stack([resident.images[row] for row in rows[start:stop]]))
        assert labels.tolist() == [int(resident.labels[row]) for row in rows[start:stop]]
    assert same(bytes_of(resident, BATCHES[1:], order), drawn[1:])
    assert resident.n == 12 and resident.shape == (3, 4, 5)
    assert not list(resident.draw([]))
    assert same(bytes_of(resident.to("cpu"), iter(BATCHES), order), drawn)


@pytest.mark.gpu
def test_a_resident_does_not_wait_for_the_device(resident):
    order = torch.randperm(12)
    on_device = resident.to("cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        drawn = list(on_device.draw(BATCHES, order))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert same([(x.cpu(), y.cpu()) for x, y in drawn], bytes_of(resident, BATCHES, order))


@pytest.mark.gpu
@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_does_not_wait_for_the_device(large, workers):
    part = stream(large, workers).train
    expected = bytes_of(part, BATCHES, torch.arange(12), 3)
    on_device = part.to("cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        drawn = list(on_device.draw(BATCHES, torch.arange(12), 3))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert same([(x.cpu(), y.cpu()) for x, y in drawn], expected)


def test_a_stream_gives_the_same_bytes_for_any_number_of_workers_and_any_start(large):
    order, epoch = torch.randperm(12, generator=generator(2)), key(0, "stream", 1)
    full = bytes_of(stream(large).train, BATCHES, order, epoch)
    assert [images.shape for images, _ in full] == [(stop - start, 3, 16, 16) for start, stop in BATCHES]
    assert torch.cat([labels for _, labels in full]).tolist() == (order // 4).tolist()
    assert same(bytes_of(stream(large, workers=2).train, BATCHES, order, epoch), full)
    assert same(bytes_of(stream(large, workers=2).train, BATCHES[2:], order, epoch), full[2:])
    assert same(bytes_of(stream(large).train, BATCHES[1:], order, epoch), full[1:])
    other_sizes = bytes_of(stream(large).train, [(0, 12)], order, epoch)
    assert torch.equal(other_sizes[0][0], torch.cat([images for images, _ in full]))


def test_a_stream_s_crops_depend_on_the_key_and_the_position(large):
    part = stream(large).train
    drawn = [torch.cat([images for images, _ in part.draw(BATCHES, None, epoch)]) for epoch in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    twice = torch.zeros(12, dtype=torch.int64)
    images = torch.cat([images for images, _ in part.draw(BATCHES, twice, 1)])
    assert not torch.equal(images[0], images[1]), "one file at two positions has two crops"


def test_a_stream_leaves_torch_s_generator_alone(large):
    before = torch.get_rng_state()
    for workers in (0, 2):
        list(stream(large, workers).train.draw(BATCHES, None, 1))
    assert torch.equal(torch.get_rng_state(), before)


def test_evaluation_is_a_resize_and_a_centre_crop(large):
    from torchvision.transforms.v2 import functional

    files = sets.images(size=(40, 30), kind="JPEG")
    names = sorted(name for name in files if name.startswith("test"))
    (images, labels), *rest = stream(large).test.draw([(0, 6)])
    assert not rest and labels.tolist() == [0, 0, 1, 1, 2, 2]
    for image, name in zip(images, names, strict=True):
        picture = functional.pil_to_tensor(Image.open(io.BytesIO(files[name])))
        resized = functional.resize(picture, [round(16 * 256 / 224)], antialias=True)
        assert resized.shape == (3, 18, 24)
        assert torch.equal(image, functional.center_crop(resized, [16, 16]))


def test_a_stream_is_carved_as_arrays_are(large):
    parts = stream(large, validation=4.0, subset=2)
    settings = config("image_folder", path=large, validation=4.0, subset=2, stream=False)
    arrays = split(data.load(settings), settings)
    for name in ("train", "validation", "test"):
        assert torch.equal(getattr(parts, name).labels, getattr(arrays, name).labels)
    assert parts.train.n == 6 and parts.validation.n == 4 and parts.train.shape == (3, 16, 16)
    assert not set(parts.train.names) & set(parts.validation.names)


@pytest.mark.parametrize("grayscale", [False, True])
def test_a_stream_s_mean_and_std_are_exact_and_remembered(large, cache, monkeypatch, grayscale):
    parts = stream(large, grayscale=grayscale)
    images = torch.cat([images for images, _ in parts.train.draw(BATCHES)]).double()
    assert torch.equal(parts.mean, images.mean((0, 2, 3)).float())
    assert torch.allclose(parts.std.double(), images.std((0, 2, 3), correction=0))
    assert parts.train.shape[0] == (1 if grayscale else 3)
    from runner.data import split as module

    monkeypatch.setattr(module, "histogram", lambda _: pytest.fail("counted again"))
    assert torch.equal(stream(large, grayscale=grayscale).mean, parts.mean)
    assert sorted(path.name.split("-")[0] for path in cache.iterdir()) == ["files", "pixels"]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("damage", ["corrupt", "gone", "large"])
def test_a_file_that_cannot_be_used_is_named(large, workers, damage, monkeypatch):
    parts = stream(large, workers)
    path = large / "train/bee/02.jpg"
    if damage == "gone":
        path.unlink()
    elif damage == "corrupt":
        path.write_bytes(path.read_bytes()[:200])
    else:
        path.write_bytes(path.read_bytes() + b"\0" * 10_000)
        monkeypatch.setattr(worker, "MAX_BYTES", 10_000)
    with pytest.raises(DataProblem) as error:
        list(parts.train.draw(BATCHES, None, 1))
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("shape", [(30, 40), (40, 30), (1, 1), (1, 90), (90, 1), (500, 6), (7, 7)])
def test_random_crops_lie_within_the_image(shape):
    height, width = shape
    for seed in range(300):
        top, left, h, w = random_crop(height, width, generator(seed))
        assert 0 < h <= height - top and 0 < w <= width - left and top >= 0 and left >= 0


def test_random_crops_have_the_papers_areas_and_ratios():
    crops = np.array([random_crop(1000, 1000, generator(seed)) for seed in range(2000)], dtype=float)
    area, ratio = crops[:, 2] * crops[:, 3] / 1e6, crops[:, 3] / crops[:, 2]
    assert SCALE[0] * 0.99 < area.min() < 0.1 and 0.95 < area.max() <= 1
    assert RATIO[0] * 0.99 < ratio.min() < 0.77 and 1.3 < ratio.max() < RATIO[1] * 1.01
    assert abs(np.log(ratio).mean()) < 0.02
    assert abs((crops[:, 0] + crops[:, 2] / 2).mean() - 500) < 15


def test_the_number_of_workers_is_by_the_cores():
    assert [default_workers(cores) for cores in (1, 2, 3, 8, 64)] == [0, 0, 2, 7, 16]


def test_lossy_formats():
    empty = torch.zeros(0)
    for formats, lossy in ((("PNG",), False), (("BMP", "PPM"), False), (("JPEG", "PNG"), True), (("WEBP",), True)):
        assert Decoded(empty, empty, empty, empty, (), formats, (), "").lossy is lossy
