"""Folders of one's own: what is found in them, what counts, and the one line for what is wrong with them."""

import os
import pickle
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tricktable.runner import data
from tricktable.runner.config import catalogue, completion, options, own, roots
from tricktable.runner.config.compose import _composed, _read, compose
from tricktable.runner.disk import config_file
from tricktable.runner.errors import BadInput
from tricktable.runner.papers import facts, recipe
from tricktable.runner.training import objects

TRICK = '''"""Adds a constant. Nobody 2024."""

from ._constants import twice


class Constant:
    def __init__(self, by: float = 0.1) -> None:
        self.by = twice(by)

    def sample(self, n, rng):
        raise NotImplementedError

    def __call__(self, images, targets, drawn):
        return images + self.by, targets
'''
FILES = {
    "tricks/augment/constant.py": TRICK,
    "tricks/augment/_constants.py": "def twice(x):\n    return 2 * x\n",
    "configs/augment/constant.yaml": "# @package augment.constant\n# adds a constant\nname: constant\nby: 0.1\n",
    "configs/experiment/first.yaml": "# a first try\naugment: [flip, constant]\naugment.constant.by: 0.5\nepochs: 3\n",
    "data/blobs.py": "WHITE = 7\nKNOWN = (9, (1, 5, 6), 3)\n\n\ndef blobs(*, n: int = 4):\n    return n\n",
    "configs/data/blobs.yaml": "# blobs\nname: blobs\nn: 4\n",
}
CACHED = [
    *(_composed, _read),
    *(options.options, options.within, options.composite, options.arguments, options.made_by),
    *(facts.papers, facts.load, recipe.names, recipe.load),
]


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def clear(monkeypatch):
    """What is kept of the folders that this test names does not stay for others."""
    for variable in (roots.PLUGINS, roots.CONFIG_DIR):
        monkeypatch.setenv(variable, "")
    forget()
    yield
    monkeypatch.undo()
    forget()


def forget():
    for function in CACHED:
        function.cache_clear()


def named(*folders, option="--plugins"):
    forget()
    return own.named([word for folder in folders for word in (option, str(folder))])


@pytest.fixture
def plugins(tmp_path):
    folder = write(tmp_path / "mine", FILES)
    named(folder)
    return folder


def test_a_command_line_is_left_without_them_and_the_environment_has_them(tmp_path, monkeypatch):
    one, two = (write(tmp_path / name, {f"experiment/{name}.yaml": "epochs: 3\n"}) for name in ("one", "two"))
    monkeypatch.chdir(tmp_path)
    assert own.named(["train", "--config-dir", "one", "-m", "seed=0,1", "--config-dir=two"]) == [
        "train",
        "-m",
        "seed=0,1",
    ]
    assert os.environ[roots.CONFIG_DIR] == os.pathsep.join([str(one), str(two)])
    assert [root.configs for root in roots.every()] == [roots.PACKAGE.configs, one, two]
    own.named(["--config-dir", str(one)])  # named again, it is not there twice
    assert [root.configs for root in roots.own()] == [one, two]


def test_options_of_ones_own_are_chosen_listed_and_completed(plugins):
    config = compose(["augment=[flip,constant]", "augment.constant.by=0.3"])
    assert [each.name for each in config.augment] == ["flip", "constant"]
    made = objects.several("augment", config.augment)
    assert made["constant"].by == 0.6
    assert dict(catalogue.listing("augment"))["constant*"] == "adds a constant"
    assert "flip" in dict(catalogue.listing("augment")) and str(plugins) in dict(catalogue.listing(None))["*"]
    assert completion.overrides("augment=[const") == ["augment=[constant"]
    assert data.load(compose(["data=digits"]).data).classes and data._function("blobs")(n=3) == 3


def test_the_identity_has_the_files_by_their_names_in_the_folder(plugins, tmp_path):
    config = compose(["augment=[constant]"])
    code = objects.files(config)
    assert {"tricks/augment/constant.py", "tricks/augment/_constants.py", "models/resnet.py"} <= set(code)
    moved = plugins.rename(tmp_path / "elsewhere")
    os.environ[roots.PLUGINS] = str(moved)
    assert objects.files(config) == code
    (moved / "tricks/augment/_constants.py").write_text("def twice(x):\n    return x + x\n")
    assert {name for name, digest in objects.files(config).items() if code[name] != digest} == {
        "tricks/augment/_constants.py"
    }
    os.environ[roots.PLUGINS] = ""
    with pytest.raises(
        BadInput, match=r"^augment: no file tricks/augment/constant\.py here or in a folder of --plugins"
    ):
        objects.files(config)


def test_a_data_source_of_ones_own_is_in_the_identity(plugins):
    config = compose(["data=blobs"])
    assert "data/blobs.py" in objects.files(config)
    assert (data.side(config.data), data.white(config.data), data.known(config.data)) == ((5, 6), 7, (9, (1, 5, 6), 3))
    assert not any("digits" in name for name in objects.files(compose(["data=digits"])))


def test_two_folders_with_files_of_one_name_keep_their_own(plugins, tmp_path):
    files = {name.replace("constant", "third").replace("_thirds", "_constants"): text for name, text in FILES.items()}
    files = {name: text.replace("augment.constant", "augment.third") for name, text in files.items() if "third" in name}
    files["configs/augment/third.yaml"] = files["configs/augment/third.yaml"].replace("name: constant", "name: third")
    files["tricks/augment/_constants.py"] = "def twice(x):\n    return 3 * x\n"
    named(write(tmp_path / "two", files))
    made = objects.several("augment", compose(["augment=[constant,third]"]).augment)
    assert made["constant"].by == pytest.approx(0.2) and made["third"].by == pytest.approx(0.3)
    names = [name for name in sys.modules if name.endswith("augment._constants")]
    assert len(names) >= 2 and all(name.startswith("tricktable.runner.config.roots.p") for name in names)
    assert objects.files(compose(["augment=[third]"]))  # each alone is told by its names
    with pytest.raises(
        BadInput, match=r"_constants\.py: this run uses another file called tricks/augment/_constants\.py"
    ):
        objects.files(compose(["augment=[constant,third]"]))


def test_a_process_that_starts_afresh_takes_an_object_of_a_plugin(plugins, tmp_path):
    trick = objects.target("tricks/augment", "constant")(by=1.5)
    (tmp_path / "sent").write_bytes(pickle.dumps(trick))
    code = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).by, 'torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, tmp_path / "sent"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "3.0 False\n"


def test_an_experiment_begins_and_what_is_typed_wins(plugins):
    begun = config_file.begun(["experiment=first", "epochs=7", "seed=2"])
    assert list(begun) == ["augment=[flip,constant]", "augment.constant.by=0.5", "epochs=7", "seed=2"]
    config = compose(begun)
    assert (config.epochs, config.seed, config.augment[1].arguments["by"]) == (7, 2, 0.5)
    assert config_file.begun(["epochs=7"]) == ("epochs=7",)


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        (["experiment=frist"], "experiment: nothing is called frist; did you mean first?"),
        (["experiment=first", "experiment=first"], "experiment is given twice: first and first"),
        (["experiment=../../first"], "experiment: nothing is called ../../first"),
    ],
)
def test_an_experiment_that_cannot_be(plugins, typed, line):
    with pytest.raises(BadInput) as error:
        config_file.begun(typed)
    assert str(error.value).startswith(line)


def test_a_preset_is_the_trick_that_it_builds_on(tmp_path):
    preset = "# SGD as I use it\ndefaults: [sgd, _self_]\nlr: 0.7\n"
    named(write(tmp_path / "presets", {"optimizer/my_sgd.yaml": preset}), option="--config-dir")
    config, plain = compose(["optimizer=my_sgd"]), compose(["optimizer=sgd", "optimizer.lr=0.7"])
    assert config.optimizer == plain.optimizer
    assert catalogue.header("optimizer", "my_sgd") == catalogue.header("optimizer", "sgd")


def test_a_papers_table_of_ones_own(tmp_path):
    name = "smith2018_batch_size"
    text = (facts.PAPERS / f"{name}.yaml").read_text(encoding="utf-8").replace(f"id: {name}", "id: mine", 1)
    table = (recipe.TABLES / name / "fig5_section52.yaml").read_text(encoding="utf-8")
    named(write(tmp_path, {"paper/mine.yaml": text, "table/mine/fig5_section52.yaml": table}), option="--config-dir")
    assert (
        recipe.load("mine/fig5_section52").table.rows.keys() == recipe.load(f"{name}/fig5_section52").table.rows.keys()
    )
    assert "mine" in completion.papers() and "mine/fig5_section52" in completion.tables()


WRONG = {
    "no YAML": (
        {"configs/augment/constant.yaml": None},
        "constant.py: no option names it; add configs/augment/constant.yaml",
    ),
    "no trick": (
        {"tricks/augment/constant.py": None},
        "constant.yaml: name: there is no tricks/augment/constant.py, here or",
    ),
    "taken": (
        {"configs/augment/flip.yaml": "# @package augment.flip\nname: flip\n"},
        "flip.yaml: the name flip is taken by",
    ),
    "taken file": ({"models/resnet.py": "class Mine: ...\n"}, "models/resnet.py: the name resnet is taken by"),
    "place": ({"configs/augmnt/x.yaml": "name: x\n"}, "x.yaml: no group is called augmnt; did you mean augment?"),
    "place of a trick": ({"tricks/augmnt/x.py": ""}, "x.py: no place is called augmnt; did you mean augment?"),
    "no place": ({"tricks/x.py": ""}, "x.py: a trick lies in its place's folder"),
    "package": ({"configs/augment/constant.yaml": "name: constant\n"}, "the first line # @package augment.constant"),
    "other name": (
        {"configs/augment/other.yaml": "# @package augment.other\nname: constant\n"},
        "other.yaml: name: expected other, as at every place that takes a list",
    ),
    "defaults": (
        {"configs/loss/x.yaml": "defaults: [nothing]\n"},
        "x.yaml: defaults: no option of loss is called nothing",
    ),
    "circle": ({"configs/loss/x.yaml": "defaults: [x]\n"}, "x.yaml: defaults: they go in a circle"),
    "twice": ({"configs/loss/x.yaml": "name: focal\nname: poly\n"}, "x.yaml: line 2: the key name stands twice"),
    "no mapping": ({"configs/loss/x.yaml": "- focal\n"}, "x.yaml: expected a mapping"),
    "above the groups": ({"configs/train.yaml": "epochs: 3\n"}, "train.yaml: it would not be read"),
    "a name": ({"configs/loss/a b.yaml": "name: focal\n"}, "a b.yaml: expected a name of letters, digits and _"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_a_folder_is_one_line(tmp_path, case):
    changed, line = WRONG[case]
    files = {name: text for name, text in {**FILES, **changed}.items() if text is not None}
    with pytest.raises(BadInput) as error:
        named(write(tmp_path / "mine", files))
    assert line in str(error.value) and str(tmp_path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--plugins", "absent"], "absent: there is no such folder"),
        (["--config-dir", "absent"], "absent: there is no such folder"),
        (["--plugins"], "--plugins: expected one argument"),
        (["--plugins", "empty"], "expected configs/ with tricks/, models/ or data/, found none"),
        (["--config-dir", "empty"], "expected <group>/<option>.yaml, found none"),
        (["--plugins", "a:b"], "a:b: a folder's path cannot have : in it"),
    ],
)
def test_a_folder_that_is_none(tmp_path, monkeypatch, arguments, line):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput) as error:
        own.named(arguments)
    assert line in str(error.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("class A: ...\nclass B: ...\n", "constant.py: expected one public class or function, found A, B"),
        ("from math import *\n", "constant.py: expected one public class or function, found none"),
        ("raise RuntimeError('no\\nway')\n", "constant.py: it cannot be imported: RuntimeError: no"),
        (
            "import nothing_of_this_name\n",
            "it cannot be imported: ModuleNotFoundError: No module named 'nothing_of_this_name'",
        ),
        ("def f(:\n", "it cannot be imported: SyntaxError"),
        ("raise SystemExit(3)\n", "it cannot be imported: SystemExit: 3"),
    ],
)
def test_a_file_that_is_no_trick(tmp_path, text, line):
    named(write(tmp_path / "mine", {**FILES, "tricks/augment/constant.py": text}))
    with pytest.raises(BadInput) as error:
        objects.target("tricks/augment", "constant")
    assert line in str(error.value)


def test_a_file_called_as_a_module_of_pythons_hides_none(tmp_path):
    files = {"models/json.py": "class Mine: ...\n", "configs/model/json.yaml": "name: json\n"}
    named(write(tmp_path / "mine", files))
    assert objects.target("models", "json").__name__ == "Mine"
    import json

    assert json.loads("1") == 1 and sys.modules["json"] is json


def test_a_config_cannot_name_a_folder(tmp_path):
    write(tmp_path / "mine", FILES)
    for key in ("plugins", "config_dir", "hydra.searchpath", "experiment"):
        file = tmp_path / "config.yaml"
        file.write_text(f"{key}: ['{tmp_path / 'mine'}']\n", encoding="utf-8")
        with pytest.raises(BadInput, match="unknown key|hydra's own keys are not used here"):
            config_file.overrides(file, [])
