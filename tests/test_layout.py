"""The house rules (docs/design.md), each as a test over the tree."""

import ast
import hashlib
import re
from pathlib import Path

import pytest
import yaml

from tricktable.runner.config import CONFIGS
from tricktable.runner.config.compose import GROUPS
from tricktable.runner.config.options import LISTS
from tricktable.runner.config.places import PLACES
from tricktable.runner.config.roots import PACKAGE, Code
from tricktable.runner.training import objects

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("runner", "models", "tricks", "benchmarks")
SOURCES = [ROOT / "tricktable.py", *sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py"))]
TRICKS = sorted(p for p in (ROOT / "tricks").rglob("*.py") if not p.name.startswith("_"))
SHARED = sorted((ROOT / "tricks").rglob("_[!_]*.py"))  # what a family of tricks shares
COMMON = {"all", "auto", "batch", "constant", "cpu", "gpu", "linear", "plain", "step", "sum"}
OPTION_NAMES = {p.stem for group in GROUPS for p in (CONFIGS / group).glob("*.yaml")}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.removeprefix("tricktable.").split(".")[0] for name in names}


def imported_from(folder: str, path: Path) -> set[str]:
    """The modules under models/ or tricks/ that a file imports."""
    nodes = [n for n in ast.walk(tree(path)) if isinstance(n, ast.ImportFrom)]
    return {n.module for n in nodes if n.module and n.module.startswith(f"tricktable.{folder}.")}


def shared(trick: Path) -> list[Path]:
    return [each.path for each in objects.shared(Code(PACKAGE, relative(trick)))]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_files_and_functions_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < 50, f"{node.name} is longer than 50 lines"


def drawing() -> list[list[str]]:
    """The rooms as docs/design.md draws them: a list of floors, the highest first, each with its rooms."""
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    lines = text.partition("<!-- rooms -->\n```\n")[2].partition("```")[0].splitlines()
    return [re.findall(r"(?<!\S)(\w+)/(?= )", line) for line in lines]


FLOORS = drawing()
FRONT = {p.stem for p in (ROOT / "runner").glob("*.py")}
GROUND = FRONT - {"__main__", "cli"}  # what every room may import, and imports no room


def module(path: Path) -> str:
    return ".".join(["tricktable", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__")


def imports(path: Path, known: set[str]) -> set[str]:
    """The modules of the runner that a file imports, at its head or within a function; types alone do not count."""
    found = set()
    whole = tree(path)
    checked = [n for n in ast.walk(whole) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    exempt = {id(inner) for node in checked for statement in node.body for inner in ast.walk(statement)}
    for node in ast.walk(whole):
        if id(node) in exempt:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (names & known) | ({node.module or ""} if names - known else set())
    return found & known


RUNNER = {module(p): p for p in SOURCES if p.is_relative_to(ROOT / "runner")}
ARROWS = {name: imports(path, set(RUNNER)) for name, path in RUNNER.items()}


def room(name: str) -> str:
    """config, disk ... of tricktable.runner.config.schema; a file at the front is its own."""
    return [*name.split("."), ""][2]


def test_the_drawing_has_every_room_once():
    rooms = [p.name for p in (ROOT / "runner").iterdir() if p.is_dir() and p.name != "__pycache__"]
    assert sorted(name for floor in FLOORS for name in floor) == sorted(rooms)
    assert len(FRONT) <= 8, "the front of the house stays small"


@pytest.mark.parametrize("name", sorted(RUNNER))
def test_a_room_imports_only_rooms_below_it(name):
    height = {each: i for i, floor in enumerate(reversed(FLOORS)) for each in floor}
    mine = room(name)
    for other in ARROWS[name]:
        theirs = room(other)
        if theirs == mine or theirs in GROUND or theirs == "" or mine in ("__main__", "cli"):
            continue
        assert mine not in GROUND - {"__init__"}, f"{name} imports {other}: what all rooms share imports none"
        assert height[theirs] < height[mine], f"{name} imports {other}, which does not lie below it"


def test_no_imports_go_in_a_circle():
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a circle: {' -> '.join([*path[path.index(name) :], name])}"
        if name not in done:
            for other in sorted(ARROWS[name]):
                visit(other, (*path, name))
            done.add(name)

    for name in RUNNER:
        visit(name, ())


@pytest.mark.parametrize("name", [each for floor in FLOORS for each in floor])
def test_a_room_says_what_lives_there_and_what_it_imports(name):
    said = ast.get_docstring(tree(ROOT / "runner" / name / "__init__.py")) or ""
    assert "import" in said and len(said.splitlines()) <= 12


@pytest.mark.parametrize("path", [p for p in SOURCES if p.is_relative_to(ROOT / "runner")], ids=relative)
def test_the_runner_imports_no_trick_and_no_model(path):
    assert not imported(path) & {"models", "tricks"}


@pytest.mark.parametrize("path", [p for p in SOURCES if p.is_relative_to(ROOT / "runner")], ids=relative)
def test_the_runner_compares_no_option_name(path):
    """`if name == "mixup"` in the runner is how tricks stop composing. Data sources may know themselves."""
    if path.is_relative_to(ROOT / "runner" / "data"):
        return
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Compare | ast.MatchValue):
            literals = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
            others = {
                n.id if isinstance(n, ast.Name) else n.attr
                for n in ast.walk(node)
                if isinstance(n, ast.Name | ast.Attribute)
            }
            # An option called by a common word ("step") is meant only where something's name is compared with it.
            meant = OPTION_NAMES if others & {"name", "names", "option", "options", "trick"} else OPTION_NAMES - COMMON
            assert not meant & literals, f"{relative(path)}:{node.lineno} compares with an option's name"


# Who is asked whether it has something, by file and object; and why that is not about a trick or a network.
ASKED = {
    ("runner/machine.py", "os"): "an operating system's feature",
    ("runner/config/typed.py", "hint"): "a type's name, for a message",
    ("runner/data/decode.py", "main"): "Python's main module, which a shell has no file for",
}


def test_the_runner_asks_for_interfaces_and_not_for_attributes():
    """What a trick may do is an interface of places.py, and `having` or isinstance finds who has it.

    `hasattr(hook, "on_setp")` is silently false; a name in a Protocol is checked wherever it is called.
    """
    asked = set()
    for path in (p for p in SOURCES if p.is_relative_to(ROOT / "runner")):
        for node in ast.walk(tree(path)):
            name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None
            if name == "hasattr" or (name == "getattr" and len(node.args) == 3):
                asked.add((relative(path), ast.unparse(node.args[0])))
    assert asked <= set(ASKED), f"{sorted(asked - set(ASKED))}: an interface of runner/config/places.py says this"
    assert asked == set(ASKED), f"{sorted(set(ASKED) - asked)} no longer ask"


# Families that are another library's networks as they are there: each imports that library, and builds by its names.
LIBRARIES = {"models/torchvision.py": "torchvision", "models/timm.py": "timm"}


@pytest.mark.parametrize("path", [p for p in SOURCES if p.parts[len(ROOT.parts)] in ("models", "tricks")], ids=relative)
def test_models_and_tricks_stand_alone(path):
    own = imported(path)
    if relative(path) in LIBRARIES:
        assert own == {"torch", LIBRARIES[relative(path)]}
        return
    if path.parent.name == "models" and imported_from("models", path) <= {"tricktable.models._parts"}:
        own -= {"models"}
    beside = {module(p) for p in SHARED if p.parent == path.parent}
    if path in TRICKS and imported_from("tricks", path) <= beside:
        own -= {"tricks"}
    assert not own & {"runner", "models", "tricks", "configs", "tests", "hydra", "omegaconf", "torchvision"}
    allowed = {
        "torch",
        "numpy",
        "math",
        "collections",
        "typing",
        "functools",
        "itertools",
        "copy",
        "__future__",
        "dataclasses",
    }
    assert own <= allowed, f"imports {own - allowed}"


def test_every_trick_has_its_config_and_its_test_and_the_other_way_round():
    def names(base: Path, pattern: str, prefix: str = "") -> set[tuple[str, str]]:
        found = {(p.parent.name, p.stem.removeprefix(prefix)) for p in base.glob(f"*/{pattern}")}
        return {(place, name) for place, name in found if place in PLACES and not name.startswith("_")}

    tricks = names(ROOT / "tricks", "*.py")
    assert tricks == names(ROOT / "configs", "*.yaml")
    assert tricks == names(ROOT / "tests" / "tricks", "test_*.py", "test_")
    assert {place for place, _ in tricks} == set(PLACES), "one inhabitant per place, and no folder beside them"


@pytest.mark.parametrize("path", SHARED, ids=relative)
def test_what_a_family_of_tricks_shares_is_shared(path):
    """Several tricks beside it import it, and so it belongs to their runs' identity."""
    assert sum(path in shared(trick) for trick in TRICKS) >= 2
    assert {trick.parent for trick in TRICKS if path in shared(trick)} == {path.parent}


@pytest.mark.parametrize("path", TRICKS, ids=relative)
def test_tricks_are_small_and_say_their_paper(path):
    text = path.read_text(encoding="utf-8")
    assert 5 <= len(text.splitlines()) <= 120
    assert ast.get_docstring(tree(path)), "a trick's header states its equation"


def configs() -> list[Path]:
    return sorted(p for group in GROUPS for p in (CONFIGS / group).glob("*.yaml"))


@pytest.mark.parametrize("path", configs(), ids=relative)
def test_configs_say_what_they_are(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    group, name = path.parent.name, path.stem
    if group in LISTS:
        assert lines[0] == f"# @package {group}.{name}"
        lines = lines[1:]
    elif group == "noise":  # whole schedules: they set keys of several places
        assert lines.pop(0) == "# @package _global_"
    assert lines[0].startswith("# ") and not lines[0].startswith("# @package"), "`tricktable list` prints this line"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert "_target_" not in path.read_text(encoding="utf-8")
    if group in PLACES:
        assert values["name"] == name


def test_what_stands_beside_the_groups_of_options():
    files = ["campaign.yaml", "same_code.yaml", "synonyms.yaml", "train.yaml"]
    assert sorted(p.name for p in CONFIGS.iterdir() if p.is_file()) == files


SAME_CODE = yaml.safe_load((CONFIGS / "same_code.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", SAME_CODE)
def test_code_that_is_said_to_be_the_same_is_the_code_that_is_there(path):
    """Whoever edits such a file decides: add its last digest to `was` and renew `is`, or remove the entry."""
    entry = SAME_CODE[path]
    assert set(entry) == {"is", "was"} and entry["was"] and path.split("/")[0] in ("models", "tricks")
    now = hashlib.sha256((ROOT / path).read_bytes()).hexdigest()
    assert entry["is"] == now, f"{path} has changed since configs/same_code.yaml was written: its digest is {now}"
    assert now not in entry["was"] and all(re.fullmatch("[0-9a-f]{64}", each) for each in entry["was"])


def test_the_same_code_is_listed_by_path():
    assert list(SAME_CODE) == sorted(SAME_CODE)


def test_there_is_no_junk_drawer():
    names = [p.name for p in SOURCES]
    assert not {"utils.py", "helpers.py", "misc.py", "common.py"} & set(names)


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_nothing_unpickles_evaluates_or_instantiates(path):
    """Checkpoints and configs come from anybody; what could run code in them is not called anywhere.

    Weights from elsewhere are often pickles: one file reads them, by the one reader of torch's that runs nothing.
    """
    if relative(path) == "runner/disk/weights.py":
        calls = [n for n in ast.walk(tree(path)) if isinstance(n, ast.Call) and ast.unparse(n.func) == "torch.load"]
        assert [ast.unparse(each) for each in calls] == ["torch.load(path, map_location='cpu', weights_only=True)"]
        assert not imported(path) & {"pickle", "joblib", "dill"}
        return
    banned = {"eval", "exec", "instantiate", "pickle", "joblib", "dill", "weights_only", "allow_pickle", "unsafe_load"}
    for node in ast.walk(tree(path)):
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None
        called = isinstance(node, ast.Attribute) and node.attr == "eval"  # Module.eval() is another thing
        assert called or name not in banned, f"{relative(path)}:{node.lineno} uses {name}"
        if isinstance(node, ast.keyword):
            assert node.arg not in ("weights_only", "allow_pickle")
        if isinstance(node, ast.Attribute) and node.attr == "load" and isinstance(node.value, ast.Name):
            assert node.value.id not in ("torch", "yaml", "pickle", "np", "numpy")


def test_the_top_level_is_as_designed():
    folders = {
        p.name for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith((".", "_")) and p.suffix != ".egg-info"
    }
    assert {"configs", "runner", "models", "tricks", "tests", "outputs"} <= folders
    assert folders <= {
        "configs",
        "runner",
        "models",
        "tricks",
        "tests",
        "outputs",
        "benchmarks",
        "docs",
        "results",
        "build",
    }
