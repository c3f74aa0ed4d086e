"""What can be chosen: the options of every place, each with the line that its YAML begins with."""

from collections.abc import Iterator

from runner.compose import CONFIGS, GROUPS, options
from runner.errors import BadInput, suggest


def about(group: str, name: str) -> str:
    """The first comment of an option's YAML that is not Hydra's: what it is, and its paper."""
    for line in (CONFIGS / group / f"{name}.yaml").read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and not line.startswith("# @package"):
            return line.lstrip("# ")
    return ""


def listing(group: str | None) -> Iterator[tuple[str, str]]:
    """(name, line) of a place's options, or (place, its options) of every place."""
    if group is None:
        yield from ((g, " ".join(options(g)) or "-") for g in GROUPS)
        return
    if group not in GROUPS:
        raise BadInput(f"no place is called {group}{suggest(group, GROUPS)}")
    yield from ((name, about(group, name)) for name in options(group))


def complete(prefix: str) -> list[str]:
    """What can follow on the command line: keys, and the options of a place after its `=`. For argcomplete."""
    from omegaconf import OmegaConf

    from runner.compose import keys
    from runner.places import KNOBS

    key, equals, value = prefix.partition("=")
    group = "schedule" if key.startswith("schedule.") else key
    if equals and group in GROUPS:
        bracket, _, begun = value.rpartition(",") if "," in value else ("", "", value.lstrip("["))
        head = f"{key}={bracket + ',' if bracket else '[' if value.startswith('[') else ''}"
        return [head + name for name in options(group) if name.startswith(begun)]
    own = [k for k in keys(OmegaConf.load(CONFIGS / "train.yaml")) if not k.startswith("defaults")]
    of_options = [
        f"{g}.{k}"
        for g in ("model", "optimizer", "compute", "data")
        for name in options(g)
        for k in keys(OmegaConf.load(CONFIGS / g / f"{name}.yaml"))
        if k.split(".")[0] not in ("name", "paper", "defaults")
    ]
    known = {*GROUPS, *(f"schedule.{knob}" for knob in KNOBS), *own, *of_options} - {"schedule"}
    return sorted(f"{k}=" for k in known if k.startswith(key))
