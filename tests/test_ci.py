"""docs/ci.md: its commands run as they are written, but for the installation, and do what it says."""

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
import yaml

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
WORKFLOW = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE, re.S)[1])
STEPS = {step.get("name"): step for step in WORKFLOW["jobs"]["smoke"]["steps"]}


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Run a script as a CI does, in an empty folder with `tricktable` on the path."""
    folder = tmp_path_factory.mktemp("ci")
    (folder / "bin").mkdir()
    (folder / "bin" / "tricktable").write_text(f'#!/bin/sh\nexec {sys.executable} -m tricktable "$@"\n')
    (folder / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    for file in (folder / "bin").iterdir():
        file.chmod(0o755)
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "TRICKTABLE_CACHE": str(folder / "cache")}

    def run(script):
        command = ["bash", "-e", "-o", "pipefail", "-c", script]  # as GitHub runs a step
        options = {"capture_output": True, "text": True, "timeout": 1800}
        return folder, subprocess.run(command, cwd=folder, env=environment, check=False, **options)

    return run


def test_the_workflow_passes_and_its_reports_say_why(shell):
    folder, done = shell(STEPS["Train a smoke study"]["run"])
    assert done.returncode == 0, done.stderr
    assert done.stdout == "" and "outputs/smoke/table.md" in done.stderr, "the JSON is alone on stdout"
    outcomes = json.loads((folder / "smoke.json").read_text())
    assert [each["state"] for each in outcomes] == ["complete"] * 2 and not any(each["misses"] for each in outcomes)
    assert all(each["summary"]["updates"] == 96 for each in outcomes)
    root = ET.parse(folder / "reports" / "smoke.xml").getroot()
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("2", "0", "0")
    names = sorted(path.name.rpartition("-")[0] for path in (folder / "outputs" / "smoke").glob("resnet8-*"))
    assert names == ["resnet8-digits-adam-s0", "resnet8-digits-sgd-s0"], "the study varies the optimizer"
    _, told = shell(STEPS["Print what each run came to"]["run"])
    assert told.returncode == 0 and told.stdout.count("complete []") == 2, told.stderr
    assert (folder / "outputs" / "smoke" / "table.md").is_file(), "what is uploaded is there"

    changed = STEPS["Train a smoke study"]["run"].replace("accuracy>=75", "accuracy>=100.5")
    _, failed = shell(changed)
    assert failed.returncode == 9 and "2 of 2 runs do not hold" in failed.stderr
    root = ET.parse(folder / "reports" / "smoke.xml").getroot()
    assert root.get("failures") == "2" and "expected accuracy>=100.5, got" in root.find(".//failure").get("message")


def test_the_installation_is_of_the_cpu_build_before_anything_asks_for_torch():
    first, second = STEPS["Install with the CPU build of torch"]["run"].strip().splitlines()
    assert "torch torchvision --index-url https://download.pytorch.org/whl/cpu" in first and second.endswith(
        "install ."
    )


def test_the_other_commands_of_the_page(shell):
    for line in re.search(r"```sh\n(.*?)```", PAGE, re.S)[1].splitlines():
        folder, done = shell(line)
        assert done.returncode == 0, done.stderr
    assert json.loads((folder / "run.json").read_text())["state"] == "complete"
    table = json.loads((folder / "table.json").read_text())
    assert table["table"] == "liu2020_radam/sec5.2_warmup" and table["rows"] and table["claims"]


def test_every_exit_code_is_told():
    from tricktable.runner import errors

    classes = [errors.TricktableError, *errors.TricktableError.__subclasses__()]
    assert {0, *(each.exit_code for each in classes)} == {
        int(code) for cell in re.findall(r"^\| ([0-9, ]+) \|", PAGE, re.M) for code in cell.split(",")
    }
