"""summary.json: a run's final figures, and what they were made with."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from runner.machine import environment
from runner.training.run import Run


def summarise(run: Run, results: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A run's summary from its results (one per variant x inference; the first is the run's own) and its epochs' rows.

    Both are empty for a run that diverged: it has no final figures.
    """
    final = dict(results[0]) if results else {}
    final |= {key: rows[-1][key] for key in ("train_loss", "train_error") if rows}
    validation = run.splits.validation
    return {
        **final,
        "results": list(results),
        "diverged_at": run.diverged,
        "seed": run.seed,
        "epochs": run.clock.epoch,
        "updates": run.clock.updates,
        "samples": run.clock.samples,
        "params": run.cost.params,
        "madds": run.cost.madds,
        "data": {
            "title": run.splits.title,
            "fingerprint": run.splits.fingerprint,
            "train": run.splits.train.n,
            "validation": validation.n if validation else 0,
            "test": run.splits.test.n,
            "classes": len(run.splits.classes),
            "mean": run.splits.mean.tolist(),  # of the training pixels: what the network's images are normalised by
            "std": run.splits.std.tolist(),
        },
        "weights_sha256": weights_sha256(run.model.state_dict()),
        "compute": run.compute.plain(),
        "environment": environment(run.compute.device),
    }


def weights_sha256(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over every parameter and buffer: name, type, shape and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def outcome(summary: Mapping[str, Any], root: str) -> str:
    """A finished run in one line: errors in percent."""
    figures = f"test error {summary['test_error']:.2f}%  loss {summary['test_loss']:.4f}"
    return f"{figures}  {Path(root) / summary['study'] / summary['id']}"
