"""docs/add-a-trick.md does what it says: three new files, no old one, and the trick trains."""

import hashlib
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


def test_a_trick_is_three_new_files(tmp_path):
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
            tmp_path / name,
            **({"ignore": shutil.ignore_patterns("__pycache__")} if (ROOT / name).is_dir() else {}),
        )
    (tmp_path / "outputs").mkdir()
    before = hashes(tmp_path)
    page = (ROOT / "docs" / "add-a-trick.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(python|yaml)\n(.*?)```", page, re.S)
    assert [language for language, _ in blocks] == list(FILES.values())
    for path, (_, text) in zip(FILES, blocks, strict=True):
        assert path in page and not (tmp_path / path).exists()
        (tmp_path / path).write_text(text, encoding="utf-8")

    def run(*arguments):
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    house = ["tests/test_layout.py", "tests/tricks/gradient/test_agc.py"]
    assert "passed" in run("-m", "pytest", "-q", "-p", "no:cacheprovider", *house)
    run("-m", "ruff", "check", "--no-cache", *(path for path in FILES if path.endswith(".py")))
    assert "2102.06171" in run("-m", "tricktable", "list", "gradient")
    output = run("-m", "tricktable", "train", *TINY, "gradient=[clip_norm,agc]", "gradient.agc.clipping=0.02")
    assert "test error" in output
    after = hashes(tmp_path)
    new = {name for name in after if name not in before and not name.startswith("outputs/")}
    assert new == set(FILES)
    assert all(after[name] == before[name] for name in before)
