"""docs/add-a-trick.md does what it says: three new files, no old one, and the trick trains; inside and outside."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

from tests.conftest import ROOT, TINY

FILES = {
    "tricks/gradient/agc.py": "python",
    "configs/gradient/agc.yaml": "yaml",
    "tests/tricks/gradient/test_agc.py": "python",
}


def hashes(folder):
    files = (
        p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts and ".pytest_cache" not in p.parts
    )
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def copied(folder):
    """A copy of the tree, as of a checkout."""
    for name in (
        "configs",
        "models",
        "runner",
        "tests",
        "tricks",
        "benchmarks",
        "docs",
        "pyproject.toml",
        "tricktable.py",
    ):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(
            ROOT / name,
            folder / name,
            **({"ignore": shutil.ignore_patterns("__pycache__")} if (ROOT / name).is_dir() else {}),
        )
    (folder / "outputs").mkdir()


def written(page, files, folder):
    """Write the files that a page shows, in its order, into a folder that has none of them."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```(python|yaml)\n(.*?)```", text, re.S)
    assert [language for language, _ in blocks] == list(files.values())
    for path, (_, block) in zip(files, blocks, strict=True):
        assert path in text and not (folder / path).exists()
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(block, encoding="utf-8")


def started(folder, *arguments, tree=None, **variables):
    """What Python says that is started in a folder with the package of this tree, by default the folder."""
    environment = {**os.environ, "PYTHONPATH": str(tree or folder), "PYTHONDONTWRITEBYTECODE": "1", **variables}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_trick_is_three_new_files(tmp_path):
    copied(tmp_path)
    before = hashes(tmp_path)
    written("add-a-trick.md", FILES, tmp_path)
    house = ["tests/test_layout.py", "tests/tricks/gradient/test_agc.py"]
    assert "passed" in started(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", *house)
    started(tmp_path, "-m", "ruff", "check", "--no-cache", *(path for path in FILES if path.endswith(".py")))
    assert "2102.06171" in started(tmp_path, "-m", "tricktable", "list", "gradient")
    typed = ["gradient=[clip_norm,agc]", "gradient.agc.clipping=0.02"]
    assert "test error" in started(tmp_path, "-m", "tricktable", "train", *TINY, *typed)
    after = hashes(tmp_path)
    new = {name for name in after if name not in before and not name.startswith("outputs/")}
    assert new == set(FILES)
    assert all(after[name] == before[name] for name in before)


def test_a_trick_outside_the_checkout_changes_no_file_of_it(tmp_path):
    before = [hashes(ROOT / folder) for folder in ("configs", "models", "runner", "tricks")]
    written("add-a-trick.md", FILES, tmp_path / "mine")
    listed = started(tmp_path, "-m", "tricktable", "list", "gradient", "--plugins", "mine", tree=ROOT)
    assert re.search(r"^agc\* .*2102\.06171", listed, re.M) and "clip_norm " in listed
    typed = ["train", *TINY, "gradient=[clip_norm,agc]", "gradient.agc.clipping=0.02", "--plugins", "mine"]
    assert "test error" in started(tmp_path, "-m", "tricktable", *typed, tree=ROOT)
    (info,) = (json.loads(path.read_bytes()) for path in tmp_path.glob("outputs/*/*/run.json"))
    name = "tricks/gradient/agc.py"
    assert info["code"][name] == hashlib.sha256((tmp_path / "mine" / name).read_bytes()).hexdigest()
    assert before == [hashes(ROOT / folder) for folder in ("configs", "models", "runner", "tricks")]
