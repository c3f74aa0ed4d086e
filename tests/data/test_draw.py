"""Batches: a Resident's are naive indexing; a Stream's are of (file, key, position) alone."""

import io

import pytest
import torch
from PIL import Image

from tests.data import sets
from tests.data.sets import config
from tricktable.runner import data
from tricktable.runner.data import worker
from tricktable.runner.data.decode import Decoded
from tricktable.runner.data.draw import Crop, Resident, watched
from tricktable.runner.data.split import split
from tricktable.runner.data.stream import default_workers
from tricktable.runner.errors import BadInput, DataProblem
from tricktable.runner.randomness import generator
from tricktable.tricks.augment.random_resized_crop import RandomResizedCrop

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
    own = {k: keys.pop(k) for k in ("size", "resize", "grayscale") if k in keys}
    settings = config("image_folder", path=root, stream=True, workers=workers, **own, **keys)
    return split(data.load(settings), settings)


def crop_of(seed, interpolation="bilinear"):
    trick = RandomResizedCrop(interpolation=interpolation)
    return Crop(trick.boxes, trick.sample(12, generator(seed)), trick.interpolation)


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
    drawn = bytes_of(resident, BATCHES, order)
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


@pytest.mark.parametrize("words", ["(pid 7) is killed by signal: Killed. ", "(pid(s) 7, 8) exited unexpectedly"])
def test_a_decoding_process_that_died_is_a_data_problem(words):
    """As torch says it, wherever the main process stands then; tests/faults/test_e_runs.py kills real ones."""
    with (
        pytest.raises(DataProblem, match="^a decoding process (was killed|ended).*the same command goes on"),
        watched(),
    ):
        raise RuntimeError(f"DataLoader worker {words}")
    with pytest.raises(RuntimeError, match="^another$"), watched():
        raise RuntimeError("another")


@pytest.mark.gpu
@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_does_not_wait_for_the_device(large, workers):
    part = stream(large, workers).train
    expected = bytes_of(part, BATCHES, torch.arange(12), crop_of(3))
    on_device = part.to("cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        drawn = list(on_device.draw(BATCHES, torch.arange(12), crop_of(3)))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert same([(x.cpu(), y.cpu()) for x, y in drawn], expected)


def test_a_stream_gives_the_same_bytes_for_any_number_of_workers_and_any_start(large):
    order, epoch = torch.randperm(12, generator=generator(2)), crop_of(1)
    full = bytes_of(stream(large).train, BATCHES, order, epoch)
    assert [images.shape for images, _ in full] == [(stop - start, 3, 16, 16) for start, stop in BATCHES]
    assert torch.cat([labels for _, labels in full]).tolist() == (order // 4).tolist()
    assert same(bytes_of(stream(large, workers=2).train, BATCHES, order, epoch), full)
    assert same(bytes_of(stream(large, workers=2).train, BATCHES[2:], order, epoch), full[2:])
    assert same(bytes_of(stream(large).train, BATCHES[1:], order, epoch), full[1:])
    other_sizes = bytes_of(stream(large).train, [(0, 12)], order, epoch)
    assert torch.equal(other_sizes[0][0], torch.cat([images for images, _ in full]))


def test_a_stream_s_crops_depend_on_their_table_and_the_position(large):
    part = stream(large).train
    drawn = [torch.cat([images for images, _ in part.draw(BATCHES, None, crop_of(epoch))]) for epoch in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    twice = torch.zeros(12, dtype=torch.int64)
    images = torch.cat([images for images, _ in part.draw(BATCHES, twice, crop_of(1))])
    assert not torch.equal(images[0], images[1]), "one file at two positions has two crops"


def test_a_stream_leaves_torch_s_generator_alone(large):
    before = torch.get_rng_state()
    for workers in (0, 2):
        list(stream(large, workers).train.draw(BATCHES, None, crop_of(1)))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_stream_s_crops_are_torchvision_s_of_whole_pictures(large, interpolation):
    from torchvision.transforms.v2 import InterpolationMode, functional

    files = sets.images(size=(40, 30), kind="JPEG")
    crop = crop_of(5, interpolation)
    images = torch.cat([images for images, _ in stream(large).train.draw(BATCHES, None, crop)])
    names = sorted(name for name in files if name.startswith("train"))
    boxes = RandomResizedCrop().boxes(30, 40, crop.drawn).tolist()
    for image, name, box in zip(images, names, boxes, strict=True):
        picture = Image.open(io.BytesIO(files[name]))
        whole = functional.pil_to_tensor(
            functional.resized_crop(picture, *box, [16, 16], InterpolationMode(interpolation))
        )
        assert torch.equal(image, whole)


def test_crops_are_the_same_whichever_way_square_pictures_are_loaded(tmp_path):
    parts = stream(sets.write_tree(tmp_path / "square", sets.images(size=(16, 16))))
    crop, trick = crop_of(5), RandomResizedCrop()
    decoded = torch.cat([images for images, _ in parts.train.draw(BATCHES, None, crop)])
    stored = torch.cat([images for images, _ in parts.train.draw(BATCHES)]).float()
    on_device, _ = trick(stored, torch.ones(12, 1), crop.drawn)
    assert (decoded - on_device).abs().max() < 1.1, "rounded to whole values once along each side"


@pytest.mark.parametrize("resize", [16, 18, 29])
def test_evaluation_is_a_resize_and_a_centre_crop(large, resize):
    from torchvision.transforms.v2 import functional

    files = sets.images(size=(40, 30), kind="JPEG")
    names = sorted(name for name in files if name.startswith("test"))
    (images, labels), *rest = stream(large, resize=resize).test.draw([(0, 6)])
    assert not rest and labels.tolist() == [0, 0, 1, 1, 2, 2]
    for image, name in zip(images, names, strict=True):
        resized = functional.resize(Image.open(io.BytesIO(files[name])), [resize])
        assert torch.equal(image, functional.pil_to_tensor(functional.center_crop(resized, [16, 16])))


@pytest.mark.parametrize("resize", [None, 18])
@pytest.mark.parametrize("grayscale", [False, True])
def test_images_are_the_same_whichever_way_they_are_loaded(large, resize, grayscale):
    parts = stream(large, resize=resize, grayscale=grayscale)
    settings = config("image_folder", path=large, stream=False, size=16, grayscale=grayscale, resize=resize)
    arrays = split(data.load(settings), settings)
    for name in ("train", "test"):
        streamed, resident = (getattr(each, name) for each in (parts, arrays))
        assert same(bytes_of(streamed, BATCHES[:2]), bytes_of(resident, BATCHES[:2]))
    assert torch.equal(parts.mean, arrays.mean) and torch.equal(parts.std, arrays.std)
    assert parts.train.streamed and not arrays.train.streamed


@pytest.mark.parametrize(("size", "resize"), [(16, 15), (None, 18), (16, 5000)])
def test_a_resize_that_leaves_no_crop_is_refused(large, size, resize):
    assert "data.resize: expected" in sets.problem(large, BadInput, size=size, resize=resize)


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
    from tricktable.runner.data import split as module

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
        list(parts.train.draw(BATCHES, None, crop_of(1)))
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_the_number_of_workers_is_by_the_cores():
    assert [default_workers(cores) for cores in (1, 2, 3, 8, 64)] == [0, 0, 2, 7, 16]


def test_lossy_formats():
    empty = torch.zeros(0)
    for formats, lossy in ((("PNG",), False), (("BMP", "PPM"), False), (("JPEG", "PNG"), True), (("WEBP",), True)):
        assert Decoded(empty, empty, empty, empty, (), formats, (), "").lossy is lossy
