"""Hostile inputs, met in a process that is listened to: `python -m tests.faults.hostile <folder> <every>`.

It prints what became of every so-manieth of each kind, as JSON: how it ended, and what was heard.
"""

import contextlib
import csv
import io
import json
import os
import pickle
import shutil
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from tests.conftest import TINY
from tests.data import sets
from tests.disk.test_checkpoint_damage import sealed
from tests.faults import payloads
from tests.faults.listener import Listener
from tricktable.runner import report
from tricktable.runner.config.compose import compose
from tricktable.runner.disk import checkpoint, config_file, runs, seal, weights
from tricktable.runner.disk.files import RunFiles
from tricktable.runner.disk.info import RunInfo
from tricktable.runner.errors import TricktableError
from tricktable.runner.explore import reevaluate
from tricktable.runner.papers import studies
from tricktable.runner.report import terminal
from tricktable.runner.training import job

SECRET = "secret-5d1f"


class Tags(HTMLParser):
    """A page's elements, and the attributes that would run something."""

    def __init__(self):
        super().__init__()
        self.found, self.active = [], []

    def handle_starttag(self, tag, attributes):
        self.found.append(tag)
        self.active += [value for name, value in attributes if (tag, name) == ("img", "src") and value[:5] != "data:"]
        self.active += [name for name, value in attributes if name.startswith("on")]
        self.active += [value for name, value in attributes if name in ("href", "src") and "javascript:" in value]


def text_file(path, text):
    path.write_text(text, encoding="utf-8", newline="")
    return path


def config(folder, text):
    """--config FILE, as every command takes it."""
    overrides = config_file.whole(text_file(folder / "config.yaml", text), [], False)
    job.execute(compose([*overrides, f"output.root={folder}/outputs"]))


def foreign(folder, run, files):
    """A run from elsewhere whose files are these; what its table, its page and its evaluation make of it."""
    copy = folder / "outputs" / "s" / run.name
    shutil.copytree(run, copy)
    for name, text in files.items():
        text_file(copy / name, text)
    replace(RunInfo.read(copy), seal=seal.of(RunFiles(copy))).write(copy)  # by somebody who knows how
    found = runs.under(folder / "outputs")
    refused = []
    for use in (shown, evaluated):
        try:
            use(folder, found)
        except TricktableError as error:
            refused.append(error)
    if len(refused) == 2 or any(SECRET in str(each) for each in refused):
        raise refused[-1]


def shown(folder, found):
    """In every format: no element, no formula and no sequence of anybody's."""
    table = studies.tabulate("s", found)
    if table is None:
        return
    terminal.show(table)
    paths = report.write(table, folder / "report")
    page = Tags()
    page.feed(paths[-1].read_text(encoding="utf-8"))
    assert page.found.count("script") <= 1 and not page.active, page.active or page.found
    for path in (folder / "report").glob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not [cell for cell in cells if (cell[:1] in "=@" and cell) or "cmd|" in cell[:5]], "a formula"
    for path in (folder / "report").rglob("*"):
        if path.suffix in (".md", ".csv", ".tex", ".html"):
            text = path.read_text(encoding="utf-8")
            assert "\x1b" not in text and SECRET not in text, path.name
            assert path.suffix != ".md" or "](javascript" not in text.replace("\\]", ""), text
            assert path.suffix != ".tex" or "\\input{" not in text


def evaluated(folder, found):
    for run in found:
        reevaluate.evaluations(str(run.folder), ["inference=[flip]", f"output.root={folder}/outputs", "compute=cpu"])


def of_runs(run, mark):
    """(name, its changed files) of runs from elsewhere."""
    summary, config = json.loads((run / "summary.json").read_text()), (run / "config.yaml").read_text()
    for i, word in enumerate(payloads.WORDS):
        changed = {
            **summary,
            "data": {**summary["data"], "title": word},
            "environment": {**summary["environment"], "cpu": word},
        }
        label = "\n".join(
            line if not line.startswith("label:") else f"label: {json.dumps(word)}" for line in config.split("\n")
        )
        yield f"words {i}", {"summary.json": json.dumps(changed), "config.yaml": label}
    for target in payloads.TARGETS[::4]:
        lines = [f"  name: {target}" if line == "  name: resnet8" else line for line in config.split("\n")]
        yield f"model {target}", {"config.yaml": "\n".join(lines)}
        yield f"target {target}", {"config.yaml": config + f"\n_target_: {target}\n"}
    for name, text in list(payloads.configs(mark).items())[-33::3]:
        yield f"config {name}", {"config.yaml": text}
    yield "pickle", {"summary.json": pickle.dumps(payloads.gadgets(mark)["os.mkdir"]).decode("latin1")}


def checkpoints(mark):
    """(name, files of a checkpoint with a manifest that is right)."""
    for name, call in payloads.gadgets(mark).items():
        data = pickle.dumps(call)
        yield f"tensors {name}", {checkpoint.TENSORS: data}
        yield f"state {name}", {checkpoint.STATE: data}
    yield (
        "instantiator",
        {checkpoint.STATE: b'{"_instantiator": "os.system", "hyper_parameters": {"_target_": "os.system"}}'},
    )
    yield "path", {checkpoint.STATE: b'{"config_path": "/etc/passwd", "run": {"code": {"../../x.py": "0"}}}'}


def resumed(folder, files):
    """A run that is gone on from such a checkpoint, and a network that is loaded from it."""
    sealed(folder / "checkpoints", 3, files)
    found = checkpoint.newest(
        folder / "checkpoints", refuse=lambda found: "it is another run's" if "clock" not in found.state else ""
    )
    assert found is None


def inputs(run, mark):
    """(kind, name, what meets it in a folder of its own)."""
    for name, data in payloads.weights(mark).items():
        yield (
            "weights",
            name,
            lambda folder, n=name, d=data: weights.read(str(written(folder / n.replace("..", "."), d))),
        )
    for name, files in checkpoints(mark):
        yield "checkpoint", name, lambda folder, f=files: resumed(folder, f)
    for name, text in payloads.configs(mark).items():
        yield "config", name, lambda folder, t=text: config(folder, t)
    for name in payloads.NAMES:
        yield (
            "name",
            name,
            lambda folder, n=name: job.execute(compose([*TINY, f"output.root={folder}/outputs", f"study='{n}'"])),
        )
    for name, data in payloads.images().items():
        tree = sets.images() | {"train/ant/00.png": data}
        yield "image", name, lambda folder, t=tree: sets.load(sets.write_tree(folder / "set", t))
    for member in payloads.members():
        yield (
            "archive",
            member.name,
            lambda folder, m=member: sets.load(sets.write_tar(folder / "set.tar", sets.images(), m)),
        )
    for name, files in of_runs(run, mark):
        yield "run and report", name, lambda folder, f=files: foreign(folder, run, f)


def written(path, data):
    path.write_bytes(data)
    return path


def harmless(folder, run):
    """Each way once with what does no harm, so that what is imported late has been."""
    import torch

    config(
        folder,
        "\n".join(
            f"{key}: {value}"
            for key, value in (each.split("=") for each in TINY if "data." not in each and "." not in each)
        )
        + "\ndata: {subset: 6}",
    )
    torch.save({"a": torch.ones(2)}, folder / "w.pt")
    weights.read(str(folder / "w.pt"))
    for path in (sets.write_tree(folder / "set", sets.images()), sets.write_tar(folder / "set.tar", sets.images())):
        sets.load(path)
    foreign(folder, run, {})


def main(folder, every):
    os.environ.update(TRICKTABLE_SECRET=SECRET, TRICKTABLE_CACHE=str(folder / "inside" / "cache"))
    mark, inside = folder / "ran", folder / "inside"
    inside.mkdir(parents=True)
    os.chdir(inside)
    said = sys.stdout
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        summary = job.execute(compose([*TINY, f"output.root={inside}/own"]))
        run = inside / "own" / "default" / summary.id
        (inside / "harmless").mkdir()
        harmless(inside / "harmless", run)
        listener = Listener(inside)
        made = [each for kind in groups(run, str(mark)).values() for each in kind[::every]]
    for i, (kind, name, meet) in enumerate(made):
        place, out = inside / str(i), io.StringIO()
        place.mkdir()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            ending = met(listener, meet, place)
        told = {"kind": kind, "name": name, **ending, "ran": os.path.lexists(mark), "told": SECRET in out.getvalue()}
        print(json.dumps(told), file=said, flush=True)
        shutil.rmtree(place)


def groups(run, mark):
    found = {}
    for each in inputs(run, mark):
        found.setdefault(each[0], []).append(each)
    return found


def met(listener, meet, place):
    """How it ended: refused in a line, or done and harmless; else what it raised."""
    listener.heard = []
    listener.armed = True
    try:
        meet(place)
        ending = "neutralised", ""
    except TricktableError as error:
        ending = "refused", str(error)
    except (Exception, SystemExit) as error:
        ending = type(error).__name__, str(error)
    finally:
        listener.armed = False
    return {"end": ending[0], "line": ending[1][:300], "heard": listener.heard}


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
