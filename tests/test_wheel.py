"""The wheel: one package, tricktable, in an environment that has nothing of the checkout, beside folders of its names."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TINY = ["data=digits", "model=resnet8", "data.subset=64", "epochs=1", "compute=cpu", "compute.threads=1"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT]
    subprocess.run([sys.executable, "-m", "pip", *build], check=True, capture_output=True)
    (file,) = folder.iterdir()
    return file


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """A virtual environment with the wheel; what the wheel requires is read from where it is installed."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    installing = ["--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run([sys.executable, "-m", "pip", *installing], check=True, capture_output=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "required.pth").write_text(
        sysconfig.get_path("purelib")
    )  # as a folder: the checkout's own .pth there is not read
    return folder


@pytest.fixture
def foreign(tmp_path):
    """A project of somebody's own, whose folders have the names of ours."""
    for name in ("models", "tricks", "runner", "configs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise RuntimeError('the {name} of another project')\n")
    return tmp_path


def run(folder, program, *arguments):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [program, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_takes_one_name(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"tricktable"}
    yamls = {str(path.relative_to(ROOT)) for path in (ROOT / "configs").rglob("*.yaml")}
    assert yamls <= {name.removeprefix("tricktable/") for name in names}
    assert not [name for name in names if "__pycache__" in name or "/tests/" in name]


def test_it_is_the_package_of_its_own_folder(environment, tmp_path):
    code = "import tricktable, tricktable.runner.config as c; print(tricktable.__path__[0]); print(c.CONFIGS)"
    package, configs = run(tmp_path, environment / "bin" / "python", "-c", code).split()
    assert Path(package).is_relative_to(environment.resolve()) and Path(configs) == Path(package) / "configs"


def test_train_table_and_report_beside_a_foreign_project(environment, foreign):
    command, python = environment / "bin" / "tricktable", environment / "bin" / "python"
    assert "test error" in run(foreign, python, "-m", "tricktable", "train", *TINY)
    run(foreign, command, "train", "-m", "study=own", *TINY, "seed=0,1")  # in processes of their own
    assert "own" in run(foreign, command, "report", "own")
    assert (foreign / "outputs" / "report" / "own").is_dir() or list(foreign.glob("outputs/**/*.html"))
    run(foreign, command, "table", "liu2020_radam/sec5.2_warmup", "--budget", "smoke", "--dry-run")
