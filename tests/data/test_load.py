"""tricktable.runner.data.load: a name becomes a source; digits and synthetic; what is imported for them."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

import tricktable.runner.data
from tests.data.sets import config
from tricktable.runner import data
from tricktable.runner.data.source import Arrays, fingerprint, memory_limit
from tricktable.runner.errors import BadInput, DataProblem

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path.stem for path in (ROOT / "runner/data/sources").glob("[!_]*.py"))
HEAVY = {"torchvision", "sklearn", "scipy", "pandas", "rich", "hydra"}
DIGITS = "sha256:993e8c7dc6b2290e51b554df750456c61890b201279e6d34ff5c733587347dfe"


def one_line(error):
    text = str(error.value)
    assert "\n" not in text
    return text


def test_each_source_has_its_config_with_the_defaults_of_its_signature():
    assert sorted(path.stem for path in (ROOT / "configs/data").glob("*.yaml")) == SOURCES
    for name in SOURCES:
        text = (ROOT / f"configs/data/{name}.yaml").read_text(encoding="utf-8")
        assert text.startswith("# ")
        keys = yaml.safe_load(text)
        assert keys.pop("name") == name
        parameters = inspect.signature(tricktable.runner.data._function(name)).parameters
        own = {k: p.default for k, p in parameters.items() if k not in tricktable.runner.data._GIVEN}
        assert keys == own


@pytest.mark.parametrize(
    ("name", "keys", "words"),
    [
        ("digit", {}, "did you mean digits"),
        ("../sources/digits", {}, "no source"),
        ("os", {}, "no source"),
        ("__init__", {}, "no source"),
        ("digits", {"size": 8}, "unknown key data.size"),
        ("synthetic", {"chanels": 1}, "unknown key data.chanels; did you mean channels"),
        ("synthetic", {"size": "large"}, "data.size: expected a whole number"),
        ("synthetic", {"size": 0}, "data.size: expected 1 to"),
        ("synthetic", {"n_train": 5}, "data.n_train: expected 10 to"),
        ("synthetic", {"n_train": 10**9, "size": 1024}, "data.n_train"),
        ("digits", {"path": "x"}, "data.path: digits"),
        ("synthetic", {"stream": True}, "data.stream: synthetic"),
        ("cifar10", {"stream": True}, "data.stream: cifar10"),
        ("image_folder", {"path": "a\nb"}, "data.path"),
    ],
)
def test_wrong_input_is_one_line_that_names_the_key(name, keys, words):
    with pytest.raises(BadInput) as error:
        data.load(config(name, **keys))
    assert words in one_line(error)


def test_importing_and_loading_the_small_sets_imports_nothing_heavy():
    program = """
import sys
import tricktable.runner.data
assert "torch" not in sys.modules and "numpy" not in sys.modules
from tests.data.sets import config
for name in ("digits", "synthetic"):
    tricktable.runner.data.load(config(name))
import tricktable.runner.data.split
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert not HEAVY & set(done.stdout.split())


def test_a_decoding_process_imports_no_torch():
    program = "import sys; import tricktable.runner.data.worker; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert not (HEAVY | {"torch"}) & set(done.stdout.split())


def test_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    expected = load_digits()
    source = data.load(config("digits"))
    n = len(expected.target)
    rank = [int((expected.target[:i] == expected.target[i]).sum()) for i in range(n)]
    test = torch.tensor(rank) % 5 == 4
    images = torch.from_numpy(expected.images).to(torch.uint8).unsqueeze(1)
    labels = torch.from_numpy(expected.target).long()
    assert torch.equal(source.train_images, images[~test]) and torch.equal(source.test_images, images[test])
    assert torch.equal(source.train_labels, labels[~test]) and torch.equal(source.test_labels, labels[test])


def test_the_digits_split_is_stratified_and_fixed():
    source = data.load(config("digits"))
    train, test = source.train_labels.bincount(), source.test_labels.bincount()
    assert torch.equal(test, (train + test) // 5)
    assert (len(source.train_labels), len(source.test_labels)) == (1442, 355)
    assert source.fingerprint == DIGITS
    assert source.title == "digits" and source.mean is None


def test_digits_from_a_damaged_file_are_a_data_problem(tmp_path, monkeypatch):
    from tricktable.runner.data.sources import digits

    path = tmp_path / "digits.csv.gz"
    monkeypatch.setattr(digits, "_file", lambda: path)
    for content in (None, b"no gzip"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(DataProblem) as error:
            digits.digits()
        assert str(path) in one_line(error)


@pytest.mark.parametrize(("size", "channels", "classes"), [(1, 1, 2), (8, 1, 10), (32, 3, 10), (17, 4, 7)])
def test_synthetic_images_have_the_shape_that_was_asked_for(size, channels, classes):
    source = data.load(config("synthetic", size=size, channels=channels, classes=classes, n_train=40, n_test=11))
    assert source.train_images.shape == (40, channels, size, size)
    assert source.test_images.shape == (11, channels, size, size)
    counts = source.train_labels.bincount(minlength=classes)
    assert counts.max() - counts.min() <= 1


def test_synthetic_images_are_of_their_seed_and_can_be_learnt():
    one, same, other = (data.load(config("synthetic", seed=seed, size=16)) for seed in (1, 1, 2))
    assert one.fingerprint == same.fingerprint != other.fingerprint
    known = data.load(config("synthetic", n_train=20, n_test=10, size=8, channels=1, seed=0)).fingerprint
    assert known == "sha256:2aa34d61282c8fe720d64bb3de9b26f21b8532a7afe2fcf5b1e5f0f36c1f608a"
    x, y = one.train_images.double().flatten(1), one.train_labels
    centres = torch.stack([x[y == label].mean(0) for label in range(10)])
    guess = torch.cdist(one.test_images.double().flatten(1), centres).argmin(1)
    assert (guess == one.test_labels).double().mean() > 0.95


def test_the_fingerprint_is_of_shapes_and_every_bit():
    images, labels = torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 1, 0, 1])
    source = Arrays(images[:3], labels[:3], images[3:], labels[3:], ("a", "b"), "x")
    again = Arrays(images[:3].clone(), labels[:3].clone(), images[3:].clone(), labels[3:].clone(), ("a", "b"), "y")
    assert source.fingerprint == again.fingerprint
    changed = images.clone()
    changed[3, 0, 1, 1] = 1
    assert Arrays(changed[:3], labels[:3], changed[3:], labels[3:], ("a", "b"), "x").fingerprint != source.fingerprint
    assert Arrays(images[:2], labels[:2], images[2:], labels[2:], ("a", "b"), "x").fingerprint != source.fingerprint
    assert fingerprint(images) != fingerprint(images.view(4, 1, 4, 1))
    strided = torch.arange(12, dtype=torch.uint8).view(3, 4).T
    assert fingerprint(strided) == fingerprint(strided.contiguous())


def test_the_memory_limit_is_of_this_machine():
    assert 2**20 < memory_limit() < 2**60
