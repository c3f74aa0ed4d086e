"""docs/fine-tuning.md: its commands run as they are written, on a few pictures and weights drawn at random."""

import json
import os
import re
import subprocess
import sys

import pytest
import torch

from tests.conftest import ROOT
from tests.data import sets

PAGE = (ROOT / "docs" / "fine-tuning.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from torchvision import models

    folder = tmp_path_factory.mktemp("fine_tuning")
    files = {name.removeprefix("train/"): each for name, each in sets.images(per_class=4, size=(66, 64)).items()}
    sets.write_tree(folder / "pets", {k: v for k, v in files.items() if not k.startswith("test/")})
    torch.manual_seed(3)
    torch.save(models.resnet18().state_dict(), folder / "resnet18.pth")
    (folder / "bin").mkdir()
    (folder / "bin" / "tricktable").write_text(f'#!/bin/sh\nexec {sys.executable} -m tricktable "$@"\n')
    (folder / "bin" / "tricktable").chmod(0o755)
    return folder


def test_the_page(folder):
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "TRICKTABLE_CACHE": str(folder / "cache")}

    def run(command):
        options = {"cwd": folder, "env": environment, "capture_output": True, "text": True, "timeout": 300}
        done = subprocess.run(command, check=False, **options)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout + done.stderr

    script = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.S))
    said = run(["bash", "-e", "-c", script])
    assert "init.pretrained: 120 of 122 tensors are the source's; as drawn: fc.weight, fc.bias" in said
    assert "of torchvision_resnet18's 11,689,512 parameters 8,906,728 train." in said.lower()
    pets = sorted(path.name.rpartition("-")[0] for path in (folder / "outputs" / "pets").glob("*-s0-*"))
    assert pets == [f"torchvision_resnet18-image_folder-pretrained{each}-s0" for each in ("-freeze", "")]
    (again,) = (folder / "outputs" / "again").glob("*-s1-*")
    (digits,) = (folder / "outputs" / "digits").glob("*-s0-*")
    assert list(json.loads((again / "run.json").read_text())["teachers"]) == [digits.name]

    told = run([sys.executable, "-W", "ignore", "-c", re.search(r"```python\n(.*?)```", PAGE, re.S)[1]])
    assert re.fullmatch(r"\[('\d', ){2}'\d'\]\n", told)
