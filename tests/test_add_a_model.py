"""docs/add-a-model.md does what it says: three new files, no old one, and the network trains; inside and outside."""

import hashlib
import json
import re

from tests.conftest import ROOT
from tests.test_add_a_trick import copied, hashes, started, written
from tricktable.runner.config import roots
from tricktable.runner.training.objects import target

FILES = {
    "models/all_cnn.py": "python",
    "configs/model/all_cnn_c.yaml": "yaml",
    "tests/models/test_all_cnn.py": "python",
}
TINY = (
    "model=all_cnn_c model.width=8 data=synthetic data.n_train=64 data.n_test=32 batch_size=16 epochs=1 "
    "compute=cpu compute.threads=1"
)
DOCS = "test_shapes_gradients_and_the_papers_counts"  # it wants docs/models.md made anew, which takes a minute


def test_a_model_is_three_new_files(tmp_path):
    copied(tmp_path)
    before = hashes(tmp_path)
    written("add-a-model.md", FILES, tmp_path)
    tests = ["tests/test_layout.py", "tests/models/test_all_cnn.py", "tests/models/test_zoo.py"]
    chosen = f"all_cnn and not {DOCS}"
    said = started(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, "-k", chosen)
    assert int(re.search(r"(\d+) passed", said)[1]) >= 17  # its own 4, the layout's, and of the zoo 9 at least
    started(tmp_path, "-m", "ruff", "check", "--no-cache", *(path for path in FILES if path.endswith(".py")))
    assert "test error" in started(tmp_path, "-m", "tricktable", "train", *TINY.split(), "activation=mish")
    after = hashes(tmp_path)
    assert {name for name in after if name not in before and not name.startswith("outputs/")} == set(FILES)
    assert all(after[name] == before[name] for name in before)


def test_a_model_outside_the_checkout_changes_no_file_of_it(tmp_path, monkeypatch):
    before = [hashes(ROOT / folder) for folder in ("configs", "models", "runner", "tricks")]
    written("add-a-model.md", FILES, tmp_path / "mine")
    typed = ["train", *TINY.split(), "-m", "seed=1", "--json"]
    (outcome,) = json.loads(started(tmp_path, "-m", "tricktable", *typed, tree=ROOT, TRICKTABLE_PLUGINS="mine"))
    assert outcome["state"] == "complete"
    digest = hashlib.sha256((tmp_path / "mine" / "models" / "all_cnn.py").read_bytes()).hexdigest()
    (info,) = (json.loads(path.read_bytes()) for path in tmp_path.glob("outputs/*/*/run.json"))
    assert info["code"]["models/all_cnn.py"] == digest
    monkeypatch.setenv(roots.PLUGINS, str(tmp_path / "mine"))
    assert target("models", "all_cnn").__name__ == "AllCNN"
    assert before == [hashes(ROOT / folder) for folder in ("configs", "models", "runner", "tricks")]
