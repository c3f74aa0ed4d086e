"""Finished runs evaluated again: rows are added, nothing is trained or overwritten; a run as another's teacher."""

import csv
import hashlib
import json
from dataclasses import replace

import pytest
import torch
import yaml

from tests.conftest import TINY
from tricktable.runner.config import schema
from tricktable.runner.config.compose import compose
from tricktable.runner.disk import meant, runs, seal
from tricktable.runner.disk.files import RunFiles
from tricktable.runner.disk.info import RunInfo
from tricktable.runner.errors import BadInput, CheckpointProblem, DataProblem
from tricktable.runner.explore import reevaluate
from tricktable.runner.papers import studies
from tricktable.runner.training import job, named
from tricktable.runner.training.summary import weights_sha256

EPOCHS = "epochs=3"


def train(root, *overrides):
    keys = {override.partition("=")[0] for override in overrides}
    tiny = [t for t in TINY if t.partition("=")[0] not in keys]
    summary = job.execute(compose([*tiny, f"output.root={root}", *overrides]))
    return root / summary.study / summary.id


@pytest.fixture
def root(tmp_path):
    return tmp_path / "outputs"


def evaluate(text, root, *overrides):
    return reevaluate.evaluations(str(text), [f"output.root={root}", *overrides])


def hashes(folder):
    files = [p for p in folder.rglob("*") if p.is_file() and p.name != ".lock"]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_rows_are_added_and_nothing_else_changes(root):
    folder = train(root, "hook=[ema]", "data.validation=0.1")
    before = hashes(folder)
    ((run, rows),) = evaluate(folder, root, "inference=[plain,flip,example_weight]")
    assert [(r.variant, r.inference) for r in rows] == [
        (v, i) for v in ("final", "ema") for i in ("plain", "flip", "example_weight")
    ]
    after = hashes(folder)
    assert after.keys() - before.keys() == {"evaluations.csv"}
    assert [k for k in before if after[k] != before[k]] == ["run.json"], "which seals what was added"
    assert run.info.seal.keys() | {"evaluations.csv"} == runs.at(folder).info.seal.keys()
    assert replace(runs.at(folder).info, seal=run.info.seal) == run.info
    own = {(r["variant"], r["inference"]): r for r in json.loads((folder / "summary.json").read_text())["results"]}
    for row in rows:  # the same figures by the same inference, from the saved weights alone
        if (row.variant, row.inference) in own:
            known = own[row.variant, row.inference]
            assert {k: getattr(row, k) for k in known} == known
    added = list(csv.DictReader((folder / "evaluations.csv").open()))
    assert [(r["variant"], r["inference"]) for r in added] == [
        (v, i) for v in ("final", "ema") for i in ("flip", "example_weight")
    ]
    assert all(float(r["picked"]) >= 0 for r in added if r["inference"] == "example_weight")
    evaluate(run.folder.name, root, "inference=[flip,crops]", "inference.crops.pad=1")
    assert len(meant.one(run.id, root).evaluations) == 2 + 4 + 2


def test_a_reparametrised_network_is_evaluated_and_teaches(root, make_run):
    folder = train(root, "groups=norm_decay", "init=[orthogonal]")
    ((run, rows),) = evaluate(folder, root)
    assert rows[0].test_loss == run.summary.figure("test_loss")
    make_run("loss=distillation", f"loss.teacher={folder}")


@pytest.mark.parametrize(
    "overrides",
    [
        ["optimizer=schedule_free_sgd", "schedule.lr=warmup"],
        ["optimizer=schedule_free_adamw", "schedule.lr=warmup", "hook=[swa,early_stopping]", "data.validation=0.1"],
        ["hook=[swa]", "augment=[crop]"],
    ],
    ids=["schedule_free", "both", "swa"],
)
def test_averaged_weights_are_evaluated_with_the_statistics_that_they_had(root, overrides):
    folder = train(root, *overrides)
    ((run, rows),) = evaluate(folder, root)
    own = {(r.variant, r.inference): r.plain() for r in run.summary.results}
    assert {(r.variant, r.inference): {k: getattr(r, k) for k in own[r.variant, r.inference]} for r in rows} == own


def test_a_teacher_of_averaged_weights_is_the_average(root, make_run):
    folder = train(root, "optimizer=schedule_free_sgd", "schedule.lr=warmup")
    stored = meant.one(str(folder), root)
    run = make_run("loss=distillation", f"loss.teacher={folder}")
    config = compose([*TINY, "loss=distillation", f"loss.teacher={folder}"])
    frozen = named.given(config, run.splits, run.compute).loss.arguments["teacher"]
    assert weights_sha256(frozen.model.state_dict()) == stored.summary.weights_sha256
    tensors = stored.checkpoint().tensors
    for name, p in frozen.model.named_parameters():
        assert torch.equal(p, tensors[f"optimizer/{name}/x"]) and not torch.equal(p, tensors[f"model/{name}"])


def test_arguments_that_are_not_the_defaults_are_part_of_the_name(root):
    folder = train(root)
    ((_, rows),) = evaluate(folder, root, "inference=[crops]", "inference.crops.pad=1")
    assert rows[0].inference == "crops(pad=1)"


def test_a_study_is_evaluated_whole_and_its_table_has_the_rows(root):
    for seed in (0, 1):
        train(root, f"seed={seed}")
    evaluated = evaluate(root / "default", root, "inference=[flip]")
    assert len(evaluated) == 2
    table = studies.tabulate("default", runs.under(root))
    assert len(table.rows) == 1 and len(table.rows[0].figures) == 2  # its runs' own results
    (by_flip,) = table.evaluated
    assert by_flip.what == "final, flip"
    assert by_flip.figures == tuple(rows_[0].test_error for _, rows_ in evaluated)


def test_other_images_are_tested_on_with_the_runs_own_normalisation(root):
    folder = train(root, "data=synthetic", "data.channels=1", "model.width=8")
    own = meant.one(str(folder), root).summary
    ((_, rows),) = evaluate(folder, root, "data=digits")
    assert rows[0].data == "digits" and rows[0].fingerprint != own.data.fingerprint
    table = studies.tabulate("default", runs.under(root))
    assert len(table.rows) == 1 and [each.what for each in table.evaluated] == ["final, plain, on digits"]


def test_an_evaluation_says_which_images_were_meant_and_what_they_are(root):
    folder = train(root)
    typed = ["data=synthetic", "data.channels=1", "data.size=8"]
    ((_, rows),) = evaluate(folder, root, *typed)
    own, stored = meant.one(str(folder), root).evaluations
    assert stored == rows[0] and (stored.dataset, stored.complete) == (None, False)
    assert stored.images_key == schema.images_key(compose([*typed, "data.workers=3"]).data)
    assert stored.images_key != schema.images_key(compose([*typed, "data.seed=1"]).data)
    assert own.images_key is None


def test_evaluations_of_an_earlier_version_are_kept_beside_later_ones(root):
    folder = train(root)
    evaluate(folder, root, "inference=[flip]")
    path = folder / "evaluations.csv"
    lines = [line.split(",") for line in path.read_text().splitlines()]
    kept = [i for i, name in enumerate(lines[0]) if name not in ("dataset", "copy", "complete", "images_key")]
    path.write_text("".join(",".join(line[i] for i in kept) + "\n" for line in lines))
    replace(runs.at(folder).info, seal={}).write(folder)  # which that version did not have
    before = meant.one(str(folder), root).evaluations
    evaluate(folder, root, "data=synthetic", "data.channels=1", "data.size=8")
    after = meant.one(str(folder), root).evaluations
    assert after[:2] == before and len(after) == 3 and after[2].images_key


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model=resnet20"], "model: a finished run keeps its own"),
        (["seed=3"], "seed: a finished run keeps its own"),
        (["data.validation=0.1"], "data.validation: a finished run keeps its own split"),
        (["inference=[ensemble]"], "inference.ensemble: "),
        (["inference=[example_weight]"], "inference.example_weight: picks its value on a validation split"),
        (["data=synthetic"], "data: synthetic (seed 0) has 3 channels, and the network was trained for 1"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line(root, overrides, said):
    folder = train(root)
    with pytest.raises(BadInput) as error:
        evaluate(folder, root, *overrides)
    assert str(error.value).removeprefix(f"{folder.name}: ").startswith(said)
    assert not (folder / "evaluations.csv").exists()


def test_an_ensemble_of_several_runs_has_the_snapshots_of_all(root):
    """Each run is rebuilt with its own inferences: `plain` alone takes none of two snapshots."""
    hook = ["hook=[snapshots]", "hook.snapshots.cycles=2", "inference=[plain,ensemble]"]
    first, second = (meant.one(str(train(root, *hook, f"seed={seed}")), root) for seed in (0, 1))
    request = reevaluate.read([f"output.root={root}", "inference=[ensemble]"])
    made = {row.variant: row for row in reevaluate.evaluated(first, request, [second])}
    assert made.keys() == {"final", "snapshots"} and made["snapshots"].members == second.id
    built = [reevaluate.rebuilt(run, reevaluate.read([f"output.root={root}"])) for run in (first, second)]
    models = [model for run in built for model in run.variants["snapshots"]]
    assert len(models) == 4
    images = built[0]
    x = images.prepare(images.splits.test.images)
    with torch.no_grad():
        mean = torch.stack([torch.softmax(model.eval()(x), 1) for model in models]).mean(0)
    wrong = (mean.argmax(1) != images.splits.test.labels).double().mean().item()
    assert made["snapshots"].test_error == pytest.approx(100 * wrong)


def test_a_network_of_one_pixel_is_evaluated_by_batches_of_its_own_size(root):
    """Batch normalisation of one pixel trains on no single image; to evaluate it none needs to."""
    folder = train(root, "model=resnet8", "model.width=4", "model.stem=imagenet", "batch_size=16")
    ((_, rows),) = evaluate(folder, root, "inference=[flip]")
    assert [row.inference for row in rows] == ["flip"]


def test_runs_that_are_not_complete_are_left_out(root, capsys):
    whole, broken = train(root), train(root, "seed=1")
    replace(runs.at(broken).info, state="interrupted").write(broken)
    assert [run.folder for run, _ in evaluate(root / "default" / "*", root)] == [whole]
    assert "left out: " in capsys.readouterr().err
    with pytest.raises(BadInput, match="is interrupted, not complete"):
        evaluate(broken, root)
    with pytest.raises(BadInput, match="no run; a run is its folder"):
        evaluate("nothing", root)


def test_a_run_without_its_last_checkpoint_says_so(root):
    folder = train(root)
    for path in (folder / "checkpoints").glob("step_*"):
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    with pytest.raises(CheckpointProblem, match="the checkpoint of its last update is not there"):
        evaluate(folder, root)


def test_changed_code_is_said(root, capsys, monkeypatch):
    folder = train(root)
    files = reevaluate.objects.files
    monkeypatch.setattr(reevaluate.objects, "files", lambda config: {**files(config), "models/resnet.py": "0" * 64})
    evaluate(folder, root)
    assert "models/resnet.py changed since it trained" in capsys.readouterr().err


def test_the_command_prints_the_figures(tricktable):
    assert tricktable("train", *TINY).returncode == 0
    done = tricktable("evaluate", "outputs/default", "inference=[plain,flip]")
    assert done.returncode == 0 and "flip" in done.stdout and not done.stderr
    assert tricktable("evaluate", "outputs/default", "epochs=3").returncode == 2


def test_a_teacher_is_the_runs_network_on_its_own_normalisation(root, make_run):
    folder = train(root, "data.normalize=computed", "data.subset=8")
    run = make_run("loss=distillation", f"loss.teacher={folder}", "loss.temperature=1")
    config = compose([*TINY, "loss=distillation", f"loss.teacher={folder}"])
    frozen = named.given(config, run.splits, run.compute).loss.arguments["teacher"]
    own = make_run("data.subset=8")
    saved = meant.one(str(folder), root).checkpoint()
    own.load(saved.tensors, saved.state)
    own.model.eval()
    images, _ = next(iter(run.splits.test.draw([(0, 50)])))
    expected = own.model(own.prepare(images))
    torch.testing.assert_close(frozen(run.prepare(images)), expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(own.splits.mean, run.splits.mean, rtol=1e-6), "else this would show nothing"
    assert not any(p.requires_grad for p in frozen.parameters()) and not frozen(run.prepare(images)).requires_grad


def test_a_teacher_counts_by_what_it_is_and_not_by_where_it_lies(root, tmp_path):
    folder = train(root)
    by_folder = compose([*TINY, "loss=distillation", f"loss.teacher={folder}", f"output.root={root}"])
    by_id = compose([*TINY, "loss=distillation", f"loss.teacher={folder.name}", f"output.root={root}"])
    assert job.config_hash(by_folder) == job.config_hash(by_id)
    student = train(root, "loss=distillation", f"loss.teacher={folder.name}")
    teachers = json.loads((student / "run.json").read_text())["teachers"]
    assert teachers == {folder.name: meant.one(str(folder), root).summary.weights_sha256}


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["loss=distillation"], "loss: teacher must name a finished run"),
        (["loss=distillation", "loss.teacher=nothing"], "loss.teacher: nothing: no run"),
        (["loss=distillation", "loss.teacher=<run>", "data=synthetic"], "loss.teacher: "),
    ],
)
def test_a_teacher_that_cannot_be_is_one_line(root, make_run, overrides, said):
    folder = train(root)
    with pytest.raises(BadInput) as error:
        make_run(*(o.replace("<run>", str(folder)) for o in overrides), f"output.root={root}")
    assert str(error.value).startswith(said)


def test_several_runs_are_one_ensemble(root):
    """The mean of their softmax outputs, against a plain transcription; told with the members, and not a run's own."""
    for seed in (0, 1, 2):
        job.execute(compose([*TINY, f"output.root={root}", "study=s", f"seed={seed}"]))
    study, typed = root / "s", [f"output.root={root}", "inference=[ensemble]"]
    ((first, (found,)),) = reevaluate.together(str(study), typed)
    others = sorted(path.name for path in study.glob("resnet8-*") if path.name != first.id)
    assert found.members == " ".join(others) and len(others) == 2
    probabilities = 0.0
    for path in sorted(study.glob("resnet8-*")):
        run = reevaluate.rebuilt(runs.at(path), reevaluate.read([f"output.root={root}"]))
        images, labels = next(iter(run.splits.test.draw([(0, run.splits.test.n)])))
        with torch.no_grad():
            probabilities = probabilities + run.model.eval()(run.prepare(images)).double().softmax(1)
    wrong = (probabilities.argmax(1) != labels).double().mean().item()
    assert found.test_error == pytest.approx(100 * wrong)
    again = reevaluate.together(str(study), typed)
    assert again and len(runs.at(first.folder).evaluations) == 2  # its own, and this one once
    ((_, alone),) = reevaluate.evaluations(first.id, [f"output.root={root}", "inference=[flip]"])
    assert alone[0].members is None


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ([], "--together: name an inference that takes several models, such as inference=[ensemble]"),
        (["inference=[plain]"], "inference.plain: plain takes exactly one model, got 2"),
    ],
)
def test_an_ensemble_of_runs_needs_an_inference_for_it(root, typed, line):
    for seed in (0, 1):
        job.execute(compose([*TINY, f"output.root={root}", "study=s", f"seed={seed}"]))
    with pytest.raises(BadInput) as raised:
        reevaluate.together(str(root / "s"), [f"output.root={root}", *typed])
    assert str(raised.value) == line
    with pytest.raises(BadInput, match="an ensemble is of several runs, and this is one"):
        reevaluate.together(str(next((root / "s").glob("*-s0-*"))), [f"output.root={root}", "inference=[ensemble]"])


def test_a_foreign_config_has_nothing_fetched_and_no_folder_made(root, tmp_path, monkeypatch):
    """Its data.path and data.download are what its author wrote; what is fetched is typed."""
    folder = train(root)
    text = (folder / "config.yaml").read_text()
    config = yaml.safe_load(text)
    target = tmp_path / "elsewhere"
    config["data"] = {**config["data"], "name": "mnist", "path": str(target), "download": True}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    info = RunInfo.load(folder)
    replace(info, seal=seal.of(RunFiles(folder))).write(folder)  # who sends a run seals it
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("the network was tried"))
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: pytest.fail("the network was tried"))
    with pytest.raises(DataProblem, match="data.download is false"):
        evaluate(folder, root)
    assert not target.exists()
