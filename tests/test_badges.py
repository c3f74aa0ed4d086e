"""The README's badges say what the project's files say."""

import subprocess
import sys

from tests.conftest import ROOT


def test_the_badges_are_of_these_files(tmp_path):
    code = "import runpy, sys; sys.stdout.write(runpy.run_path('docs/badges.py')['svg']())"
    drawn = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert drawn == (ROOT / "docs" / "badges.svg").read_text(encoding="utf-8"), "make docs"
