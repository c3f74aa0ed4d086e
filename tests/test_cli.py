"""The commands as a person types them."""

import csv
import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from tests.conftest import ROOT, TINY
from tricktable.runner.machine import cores


def summary_of(folder):
    (path,) = folder.glob("outputs/*/*/summary.json")
    return json.loads(path.read_text())


def test_train_writes_a_table_and_a_summary(tricktable, tmp_path):
    done = tricktable("train", *TINY, "study=first")
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "outputs" / "first").iterdir()
    assert re.fullmatch(r"resnet8-digits-s0-[0-9a-f]{8}", run.name)
    with open(run / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    summary = json.loads((run / "summary.json").read_text())
    assert summary["test_error"] == float(rows[-1]["test_error"])
    assert summary["updates"] == 12 and summary["params"] > 70_000 and summary["madds"] > 0
    assert summary["data"]["fingerprint"].startswith("sha256:")
    assert re.fullmatch("[0-9a-f]{64}", summary["weights_sha256"])
    assert summary["compute"] == {
        "device": "cpu", "precision": "fp32", "channels_last": True, "threads": 1, "deterministic": False,
        "compile": False, "processes": 1,
    }  # fmt: skip
    assert yaml.safe_load((run / "config.yaml").read_text())["batch_size"] == 16
    assert json.loads((run / "run.json").read_text())["state"] == "complete"
    assert f"{run.relative_to(tmp_path)}" in done.stdout

    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    again = tricktable("train", *TINY, "study=first")
    assert again.returncode == 0 and "already complete" in again.stdout
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before

    collected = tricktable("report", "output.root=outputs")
    assert collected.returncode == 0 and (tmp_path / "outputs" / "runs.csv").is_file(), collected.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["train", "optimzer.lr=1"], 2, "did you mean optimizer.lr=1?"),
        (["train", "optimizer.lr=abc"], 2, "optimizer.lr: expected a number"),
        (["train", "batch_size=5000"], 2, "batch_size: 5000 is more than"),
        (["train", "--nonsense"], 2, "unknown option --nonsense"),
        (["train", "--expect", "acuracy>5"], 2, "no figure is called acuracy; did you mean accuracy?"),
        (["trian"], 2, "no command is called trian; did you mean train?"),
        (["train", "--lr", "0.1"], 2, "unknown option --lr; did you mean optimizer.lr=0.1?"),
        (["train", "--junit", "x.xml"], 2, "--junit are for several runs: add -m"),
        (["train", "--gpus", "two"], 2, "--gpus: expected the numbers of GPUs, such as 0,1, got two"),
        (["cache", "--clear", "nothing"], 2, "keeps nothing called nothing"),
        (["train", "study=../x"], 2, "study"),
        (["train", "-m", "seed=0,1", "optimizer.lr=0.1,abc"], 2, "optimizer.lr=abc: optimizer.lr: expected a number"),
        (["train", "-m", "batch_size=16,5000"], 2, "batch_size=5000"),
        (["train", "data=cifar10", "data.path=nowhere", "data.download=false"], 5, "nowhere"),
        (["train", "data=image_folder", "data.path=nowhere.tar.xz"], 5, "nowhere.tar.xz"),
        (["pack", "nowhere", "--size", "32"], 5, "nowhere"),
        (["pack", ".", "--size", "0"], 2, "data.size: expected 1 to 4096 pixels"),
        (["train", "data=packed"], 2, "data.path: packed needs the file"),
        (["train", "compute=gpu"], 2, "compute.device: cuda was asked for"),
        (["list", "nowhere"], 2, "no place is called nowhere"),
        (["count", "model=resnet21"], 2, "did you mean model=resnet"),
    ],
)
def test_bad_input_is_one_line_and_creates_nothing(tricktable, tmp_path, arguments, code, said):
    import torch

    if "compute=gpu" in arguments and torch.cuda.is_available():
        pytest.skip("has a GPU")
    done = tricktable(*arguments)
    assert done.returncode == code, done.stderr
    assert said in done.stderr and done.stderr.startswith("tricktable: ")
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "outputs").exists()


def test_expectations(tricktable):
    assert tricktable("train", *TINY, "--expect", "test_error<=100").returncode == 0
    failed = tricktable("train", *TINY, "--expect", "test_error<0")
    assert failed.returncode == 9 and "expected test_error<0, got" in failed.stderr


def test_several_expectations_are_all_checked_and_a_diverged_run_holds_none(tricktable):
    first = ["--expect", "test_error<0", "--expect", "updates==12", "--expect", "accuracy>100"]
    failed = tricktable("train", *TINY, "--json", *first)
    assert failed.returncode == 9 and json.loads(failed.stdout)["updates"] == 12
    assert re.search(r"expected test_error<0, got [\d.]+; expected accuracy>100, got [\d.]+ \(resnet8", failed.stderr)
    lost = tricktable("train", *TINY, "optimizer.lr=1e30", "--expect", "test_error<100.5", "--json")
    assert lost.returncode == 9 and "the run has no result: diverged at update" in lost.stderr
    assert json.loads(lost.stdout)["state"] == "diverged"


def test_a_diverged_run_is_a_result(tricktable, tmp_path):
    done = tricktable("train", *TINY, "optimizer.lr=1e30")
    assert done.returncode == 4 and re.search(r"diverged at update \d+", done.stderr)
    summary = summary_of(tmp_path)
    assert summary["state"] == "diverged" and summary["diverged_at"] >= 1 and summary.get("test_error") is None
    again = tricktable("train", *TINY, "optimizer.lr=1e30")
    assert again.returncode == 4 and "not run again" in again.stderr


def test_a_multirun_ends_in_a_table(tricktable, tmp_path):
    overrides = [*TINY, "epochs=1", "study=sweep", "augment=[],[crop]", "seed=0,1"]
    done = tricktable("train", "-m", *[o for o in overrides if o != "epochs=3"])
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "outputs/sweep").glob("resnet8-*"))) == 4
    with open(tmp_path / "outputs/sweep/table.csv") as file:
        rows = list(csv.DictReader(file))
    assert [(row["row"], row["n"]) for row in rows] == [("augment=[]", "2"), ("augment=[crop]", "2")]
    assert "outputs/sweep/table.md" in done.stdout and "augment=[crop]" in done.stdout


def test_a_runs_failure_does_not_end_a_multirun(tricktable, tmp_path):
    done = tricktable("train", "-m", *TINY, "optimizer.lr=0.1,1e30")
    assert done.returncode == 0, done.stderr  # diverged is a result
    assert re.search(r"optimizer.lr=1e\+30 +│ 0 +│ +1 │", done.stdout.replace("│ ", "│ "))
    done = tricktable("train", "-m", *TINY, "optimizer.lr=0.1,1e30", "--expect", "test_error<100.5")
    assert done.returncode == 9 and "1 of 2" in done.stderr  # but where something is expected of it, it fails


def test_show_prints_the_config(tricktable):
    done = tricktable("show", "model=resnet56", "schedule.lr=[warmup,step]")
    shown = yaml.safe_load(done.stdout)
    assert shown["model"]["depth"] == 56 and shown["schedule"]["lr"]["then"]["name"] == "step"


def test_list_shows_places_and_options_with_papers(tricktable):
    places = tricktable("list").stdout
    assert re.search(r"^augment +.*mixup", places, re.M)
    options = tricktable("list", "augment").stdout
    assert re.search(r"^mixup +.*1710\.09412", options, re.M)


def test_count(tricktable):
    (row,) = json.loads(tricktable("count", "model=resnet20", "--json").stdout)
    assert (row["params"], row["madds"], row["flops"]) == (269722, 40551040, 81102080)


@pytest.mark.long
def test_count_of_the_whole_zoo(tricktable):
    text = tricktable("count", "--all").stdout
    assert re.search(r"^resnet56 .*853,018", text, re.M) and "MAdds" in text


def test_a_new_model_without_a_paper_is_counted_on_its_data(tricktable, tmp_path):
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "model" / "without_a_paper.yaml").write_text(
        "# for a test\nname: mlp\nhidden: [10]\ndropout: 0.0\ninput_dropout: 0.0\nresolution: 8\n"
    )
    mine = ("count", "--config-dir", tmp_path / "mine", "model=without_a_paper")
    (row,) = json.loads(tricktable(*mine, "--json").stdout)
    assert (row["input"], row["classes"], row["params"]) == ([1, 8, 8], 10, 64 * 10 + 10 + 10 * 10 + 10)
    (row,) = json.loads(tricktable(*mine, "data=cifar100", "--json").stdout)
    assert (row["input"], row["classes"], row["params"]) == ([3, 32, 32], 100, 3 * 64 * 10 + 10 + 10 * 100 + 100)
    refused = tricktable(*mine, "data=image_folder")
    assert refused.returncode == 2 and "choose others, such as data=cifar10" in refused.stderr


def test_version_and_bare_command(tricktable):
    assert re.fullmatch(r"tricktable \S+, torch \d\S+, Python 3\S+\n", tricktable("--version").stdout)
    bare = tricktable()
    assert bare.returncode == 0 and bare.stdout == tricktable("--help").stdout


def test_more_threads_than_cores_is_one_warning(tricktable):
    threads = [each for each in TINY if "threads" not in each and "epochs" not in each]
    more = cores() + 1
    done = tricktable("train", "-m", *threads, "epochs=1", f"compute.threads={more}", "seed=0,1")
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).count(f"compute.threads={more} is more than the {cores()} CPU cores") == 1


def test_a_run_that_was_made_under_another_name_is_found(tricktable, tmp_path):
    """A single run is named as it always was; a multirun that varies the default finds it, and does not make it again."""
    epochs = [*(each for each in TINY if "epochs" not in each), "epochs=1"]
    assert tricktable("train", *epochs, "optimizer=sgd").returncode == 0
    done = tricktable("train", "-m", *epochs, "optimizer=sgd,adam")
    assert done.returncode == 0 and "1 already complete" in done.stdout, done.stderr
    made = sorted(path.name.rpartition("-")[0] for path in (tmp_path / "outputs" / "default").glob("resnet8-*"))
    assert made == ["resnet8-digits-adam-s0", "resnet8-digits-s0"]


def test_the_home_folder(tricktable, tmp_path):
    home = {"env": {"HOME": str(tmp_path / "home")}}
    (tmp_path / "home").mkdir()
    shown = yaml.safe_load(tricktable("show", "data.path=~/x", "output.root=~/runs", **home).stdout)
    assert shown["data"]["path"] == "~/x" and shown["output"]["root"] == str(tmp_path / "home" / "runs")
    done = tricktable("train", "data=image_folder", "data.path=~/x", **home)
    assert done.returncode == 5 and f"{tmp_path}/home/x: expected" in done.stderr


def test_help_is_there_for_every_command_and_imports_neither_torch_nor_hydra():
    script = (
        "import sys, tricktable.runner.cli\n"
        "try: tricktable.runner.cli.main(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'hydra', 'omegaconf', 'pandas', 'rich'} & set(sys.modules)"
    )
    for command in ([], ["train"], ["show"], ["list"], ["count"]):
        done = subprocess.run(
            [sys.executable, "-c", script, *command, "--help"], capture_output=True, text=True, cwd=ROOT, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "usage: tricktable" in done.stdout


def test_a_small_run_imports_little():
    """Start-up is what a smoke run costs: what it does not use must not be imported."""
    script = (
        "import sys, tricktable.runner.cli\n"
        "try: tricktable.runner.cli.main(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "heavy = {'torchvision', 'pandas', 'scipy', 'sklearn', 'matplotlib', 'rich'}\n"
        "heavy |= {'torch._dynamo', 'torch._inductor', 'torch.utils.flop_counter', 'sympy'}  # torch's compiler\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", script, "train", *TINY, f"output.root={folder}"],
            capture_output=True, text=True, cwd=ROOT, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_completion(tricktable, tmp_path):
    def completions(line):
        out = tmp_path / "completions"
        environment = {
            "_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n",
            "_ARGCOMPLETE_STDOUT_FILENAME": str(out), "_ARGCOMPLETE_COMP_WORDBREAKS": " ",
        }  # fmt: skip
        out.write_text("")
        script = "import sys; sys.argv[0] = 'tricktable'; import tricktable.runner.cli; tricktable.runner.cli.main()"
        subprocess.run([sys.executable, "-c", script], env={**os.environ, **environment}, cwd=ROOT, check=True)
        return out.read_text().split("\n")

    assert "train " in completions("tricktable tra") or "train" in completions("tricktable tra")
    assert {"optimizer=", "optimizer.lr="} <= {c.strip() for c in completions("tricktable train optimizer")}
    assert {"model=resnet20", "model=resnet56"} <= {c.strip() for c in completions("tricktable train model=resnet")}
    (tmp_path / "runs" / "mine" / "resnet20-0a1b").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "resnet20-0a1b" / "run.json").write_text("{}")
    root = f"output.root={tmp_path}/runs"
    for line, name in (
        ("table smith2018_batch_size/fig5", "smith2018_batch_size/fig5_section52"), ("static he2016", "he2016_resnet"),
        ("figure cur", "curves"), ("list fig", "figures"), (f"figure curves {root} resnet20-0", "resnet20-0a1b"),
    ):  # fmt: skip
        assert name in {c.strip() for c in completions(f"tricktable {line}")}, line
    assert "augment=\\[crop,mixup" in {c.strip() for c in completions("tricktable train augment=[crop,mi")}  # quoted


@pytest.mark.parametrize(
    ("size", "stem", "warns"), [(32, "imagenet", True), (32, "cifar", False), (64, "imagenet", False)]
)
def test_an_imagenet_stem_on_small_images_is_a_warning(tricktable, size, stem, warns):
    images = ["data=synthetic", f"data.size={size}", "data.n_train=32", "data.n_test=10"]
    done = tricktable("train", *images, "model=resnet8", f"model.stem={stem}", "epochs=1", "batch_size=16")
    assert done.returncode == 0, done.stderr
    assert ("warning: the stem divides 32x32 images by 4" in done.stderr) == warns


def piped(command, **environment):
    """The exit code of a command whose reader has gone, and what it said on stderr."""
    script = f"{sys.executable} -m tricktable {command} | head -0; echo ${{PIPESTATUS[0]}}"
    options = {"capture_output": True, "text": True, "cwd": ROOT}
    done = subprocess.run(["bash", "-c", script], env={**os.environ, **environment}, check=False, **options)
    return int(done.stdout), done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "command", ["show", "list tables", "table liu2020_radam/sec5.2_warmup output.root=/nonexistent"]
)
def test_a_closed_pipe_is_no_error(command, unbuffered):
    assert piped(command, PYTHONUNBUFFERED=unbuffered) == (0, "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_hides_no_failure(tmp_path, unbuffered):
    command = f"train {' '.join(TINY)} output.root={tmp_path} --expect 'test_error<0' 2>/dev/null"
    assert piped(command, PYTHONUNBUFFERED=unbuffered)[0] == 9
