"""What a network costs: parameters, multiply-adds (MAdds) and floating-point operations (FLOPs) of one image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Count:
    """params: trainable and not; madds: of convolutions and matrix products, forward, one image; flops: 2 a MAdd."""

    params: int
    madds: int
    flops: int


def count(model: nn.Module, shape: tuple[int, int, int]) -> Count:
    """Count a model on one image C H W, on the meta device: nothing is computed, and the model stays as it is."""
    meta = {k: torch.empty_like(v, device="meta") for k, v in model.state_dict().items()}
    training = model.training
    model.eval()
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        torch.func.functional_call(model, meta, (torch.empty(1, *shape, device="meta"),))
    model.train(training)
    flops = counter.get_total_flops()
    return Count(sum(p.numel() for p in model.parameters()), flops // 2, flops)


def network(overrides: Sequence[str]) -> dict[str, Any]:
    """What a config's network costs at its paper's resolution and number of classes, beside the paper's figures."""
    from runner import schema
    from runner.build import build_model
    from runner.compose import merge
    from runner.errors import BadInput

    merged = merge(overrides)
    config = schema.read(merged)
    paper = merged["model"].get("paper") or {}
    if not {"input", "classes"} <= set(paper):
        raise BadInput(f"model: configs/model/ says no `paper: {{input: [3, 32, 32], classes: 10}}` for {config.label}")
    channels, height, width = paper["input"]
    with torch.device("meta"):
        model = build_model(config, channels, paper["classes"])
    counted = count(model, (channels, height, width))
    return {
        "model": config.label.split("-")[0],
        "input": [channels, height, width],
        "classes": paper["classes"],
        "params": counted.params,
        "madds": counted.madds,
        "flops": counted.flops,
        "paper_params": paper.get("params"),
        "paper_madds": paper.get("madds"),
    }


def all_networks(overrides: Sequence[str]) -> list[dict[str, Any]]:
    """Every network of configs/model/, with the same overrides."""
    from runner.compose import options

    return [network([f"model={name}", *overrides]) for name in options("model")]


def text(rows: list[dict[str, Any]]) -> str:
    """A table for a person; differences from the paper's figures in counts."""
    header = [
        "model",
        "input",
        "params",
        "MAdds",
        "FLOPs",
        "paper's params",
        "difference",
        "paper's MAdds",
        "difference",
    ]
    lines = [header]
    for row in rows:
        cells = [row["model"], "x".join(map(str, row["input"]))]
        cells += [f"{row[key]:,}" for key in ("params", "madds", "flops")]
        for key in ("params", "madds"):
            paper = row[f"paper_{key}"]
            cells += ["-", "-"] if paper is None else [f"{paper:,}", f"{row[key] - paper:+,}"]
        lines.append(cells)
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    shown = [
        "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    ]
    return "\n".join(
        [
            *shown,
            "one image, forward; MAdds: multiply-adds of convolutions and matrix products; FLOPs: 2 a MAdd",
        ]
    )
