"""`--config FILE`: keys of a file, as if they were typed; a foreign file is data, and what is wrong is one line."""

import pytest
import yaml

from tricktable.runner.config import schema
from tricktable.runner.config.compose import compose
from tricktable.runner.disk import config_file, record
from tricktable.runner.errors import BadInput


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "own.yaml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return path

    return write


def test_a_run_s_config_makes_the_same_run_again(tmp_path):
    config = compose(["augment=[crop]", "augment.crop.pad=1", "seed=4", "study=first"])
    path = tmp_path / "config.yaml"
    record.write_config(path, schema.plain(config))
    assert compose(config_file.overrides(path, [])) == config
    later = compose(config_file.overrides(path, ["seed=5", "augment=[]"]))
    assert (later.seed, later.augment, later.study) == (5, (), "first")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("optimizer: {lrr: 1}", "unknown key optimizer.lrr"),
        ("of_tomorrow: 1", "unknown key of_tomorrow"),
        ("model: {name: ../../etc/passwd}", "model"),
        ("epochs: abc", "epochs: expected a whole number"),
        ("epochs: 1\nepochs: 2", "the key epochs stands twice"),
        ("study: ${oc.env:HOME}", "nothing is interpolated here"),
        ("a: &x [1]\nb: *x", "it has an alias"),
        ("[1, 2]", "no mapping of names"),
        ("{", "damaged"),
        ("model: !!python/object/apply:os.system [ls]", "damaged"),
        ("study: " + "x" * (1 << 20), ""),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line_with_its_name(file, content, said):
    path = file(content)
    with pytest.raises(BadInput) as error:
        config_file.overrides(path, [])
    text = " ".join(str(error.value).split())
    assert str(path) in text and said in text and len(text) < 1000


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(BadInput, match="there is no such file"):
        config_file.overrides(tmp_path / "absent.yaml", [])


def test_the_commands_take_it(file, tricktable):
    path = file({"model": "resnet8", "epochs": 3, "augment": ["crop"]})
    done = tricktable("show", "--config", path, "epochs=5")
    assert done.returncode == 0, done.stderr
    shown = yaml.safe_load(done.stdout)
    assert (shown["epochs"], shown["model"]["depth"], list(shown["augment"])) == (5, 8, ["crop"])
    assert tricktable("schedule", "--config", path, "--images", "1000", "--json").returncode == 0
    failed = tricktable("train", "--config", file("epochz: 3"))
    assert failed.returncode == 2 and "unknown key epochz" in failed.stderr and failed.stderr.count("\n") == 1
