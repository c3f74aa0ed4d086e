"""What networks cost: for `tricktable count`, beside their papers' figures, and for whoever needs a config's."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from tricktable.runner import data
from tricktable.runner.config import CONFIGS, loading, schema
from tricktable.runner.config.compose import compose, options
from tricktable.runner.config.places import PLACES
from tricktable.runner.config.schema import Config
from tricktable.runner.errors import BadInput
from tricktable.runner.training.build import build_model
from tricktable.runner.training.count import Count, count

Shape = tuple[int, int, int]  # C H W
BUILD = tuple(place.name for place in PLACES.values() if place.stage == "BUILD")
_counted: dict[tuple[str, Shape, int], Count] = {}


def cost(config: Config, shape: Shape | None = None, classes: int | None = None) -> Count:
    """What a config's network costs, at its paper's input and number of classes unless others are given.

    Each network is counted once, whatever else its configs have. BadInput where neither says an input, or the network
    cannot take it.
    """
    paper = config.model.paper or {}
    if (shape is None and "input" not in paper) or (classes is None and "classes" not in paper):
        raise BadInput(f"model: configs/model/ says no `paper: {{input: [3, 32, 32], classes: 10}}` for {config.label}")
    channels, height, width = shape or paper["input"]
    classes = classes or paper["classes"]
    network = json.dumps({name: schema.numeric(getattr(config, name)) for name in ("model", *BUILD)})
    known = (network, (channels, height, width), classes)
    if known not in _counted:
        model = blank(config, channels, classes)
        try:
            _counted[known] = count(model, (channels, height, width))
        except (ValueError, RuntimeError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise BadInput(
                f"model: {config.model.name} cannot take {channels}x{height}x{width} images: {reason}"
            ) from None
    return _counted[known]


def blank(config: Config, channels: int, classes: int) -> torch.nn.Module:
    """A config's network whose weights are not drawn: what it has, and not what it is."""
    with _NoDraws():
        return build_model(config, channels, classes)


class _NoDraws(TorchFunctionMode):
    """Nothing is drawn for weights that nobody looks at: they are 0."""

    def __torch_function__(
        self, function: Any, types: Any, arguments: Sequence[Any] = (), named: Mapping[str, Any] | None = None
    ) -> Any:
        if function in (torch.Tensor.normal_, torch.Tensor.uniform_):
            return arguments[0].zero_()
        return function(*arguments, **(named or {}))


def _input(config: Config) -> tuple[Shape, int]:
    """C H W and the number of classes: as the model's paper has them, else those of the config's images."""
    paper = config.model.paper or {}
    shape = tuple(paper["input"]) if "input" in paper else None
    classes = paper.get("classes")
    if shape is None or classes is None:
        size = data.known(config.data)
        if size is None:
            raise BadInput(
                f"data: how large {config.data.name}'s images are is not known before they are read; choose others, "
                "such as data=cifar10, or add `paper: {input: [3, 32, 32], classes: 10}` to the model's YAML"
            )
        shape, classes = shape or size[1], classes or size[2]
    return shape, classes


def network(overrides: Sequence[str]) -> dict[str, Any]:
    """What a config's network costs at its paper's resolution and number of classes, beside the paper's figures."""
    config = compose(overrides)
    shape, classes = _input(config)
    counted, paper = cost(config, shape, classes), config.model.paper or {}
    return {
        "model": config.label.split("-")[0],
        "input": list(shape),
        "classes": classes,
        "params": counted.params,
        "trained": counted.trained,
        "madds": counted.madds,
        "flops": counted.flops,
        "paper_params": paper.get("params"),
        "paper_madds": paper.get("madds"),
    }


def members() -> list[str]:
    """The networks of configs/model/ by name, without other libraries', for all of which no paper has figures."""
    facts = {name: loading.load(CONFIGS / "model" / f"{name}.yaml").get("paper") for name in options("model")}
    return [name for name, paper in facts.items() if paper is None or "params" in paper]


def all_networks(overrides: Sequence[str]) -> list[dict[str, Any]]:
    """Every network of configs/model/, with the same overrides."""
    return [network([f"model={name}", *overrides]) for name in members()]


HEADER = ("model", "input", "params", "MAdds", "FLOPs", "paper's params", "differs by", "paper's MAdds", "differs by")
UNITS = (
    "One image, forward. MAdds: multiply-adds of convolutions and matrix products. FLOPs: 2 per MAdd (torch's counter)."
)


def _cells(row: dict[str, Any]) -> list[str]:
    """A network's row; differences from the paper's figures in counts."""
    cells = [row["model"], "x".join(map(str, row["input"]))]
    cells += [f"{row[key]:,}" for key in ("params", "madds", "flops")]
    for key in ("params", "madds"):
        paper = row[f"paper_{key}"]
        cells += ["-", "-"] if paper is None else [f"{paper:,}", f"{row[key] - paper:+,}" if row[key] != paper else "0"]
    return cells


def text(rows: list[dict[str, Any]]) -> str:
    """The table for a terminal."""
    lines = [list(HEADER), *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = [
        [c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))] for line in lines
    ]
    frozen = [row for row in rows if row["trained"] < row["params"]]
    said = [f"Of {row['model']}'s {row['params']:,} parameters {row['trained']:,} train." for row in frozen]
    return "\n".join([*("  ".join(line) for line in shown), UNITS, *said])


def markdown(rows: list[dict[str, Any]]) -> str:
    """The table as docs/models.md holds it."""
    aligned = [":---", *["---:"] * (len(HEADER) - 1)]
    lines = [HEADER, aligned, *map(_cells, rows)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"# Networks\n\nGenerated by `make docs` (`tricktable count --all --markdown`).\n\n{table}\n\n{UNITS}"
