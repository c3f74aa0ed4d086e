"""The part of docs/speed.md that a card measures: tables of a ledger's rows, the newest of each."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.gpu.ledger import Line
from benchmarks.written import Row, table

HEAD = "## What does a GPU do?\n"
NONE = "Not measured yet. `python -m benchmarks.gpu --minutes 10` on a machine with one writes it down.\n"
MACHINE = ("card", "driver", "torch", "cuda", "cudnn", "commit")


def section(lines: Sequence[Line]) -> list[str]:
    """A part for each card and torch; one sentence where nothing was measured."""
    machines = list(dict.fromkeys((line.get("card"), line.get("torch")) for line in lines))
    if not machines:
        return [HEAD, NONE]
    parts = [HEAD + "\nSeconds of the clock: medians of rounds that took turns, in brackets the least and the most.\n"]
    for machine in machines:
        ours = [line for line in lines if (line.get("card"), line.get("torch")) == machine]
        where = ", ".join(f"{name} {ours[-1][name]}" for name in MACHINE if ours[-1].get(name))
        parts.append(f"### {where}\n")
        for words, rows in (
            ("A step that is recorded (`compute.capture`) beside an eager one:", _captures(ours)),
            ("An epoch of 50,000 images beside a bare eager loop:", _epochs(ours)),
            (
                "A step with channels padded to multiples of 8 (`compute.pad_channels`) beside one without:",
                _padded(ours),
            ),
            ("Several runs of ResNet-20 at once:", _packed(ours)),
            ("Steps by how they ended:", _ends(ours)),
        ):
            if rows:
                parts.append(f"{words}\n\n" + "\n".join(table(rows)) + "\n")
    return parts


def _measured(lines: Iterable[Line], kind: str, *keys: str) -> dict[tuple[str, ...], Mapping[str, Any]]:
    """The newest row of a kind by its step's network, and by these of its values."""
    found: dict[tuple[str, ...], Mapping[str, Any]] = {}
    for line in lines:
        row = line.get("measured", {})
        if row.get("measured") == kind:
            found[(line["step"].partition("/")[2], *(str(row[key]) for key in keys))] = row
    return found


def _captures(lines: Sequence[Line]) -> list[Row]:
    bits, seconds = _measured(lines, "bits"), _measured(lines, "seconds a step")
    kernels = _measured(lines, "kernels a step", "way")
    rows: list[Row] = []
    for (network,), row in seconds.items():
        same = bits.get((network,))
        eager, recorded = (kernels.get((network, way), {}) for way in ("eager", "recorded"))
        rows.append({
            "network": network, "precision": row["precision"], "bits": _same(same),
            "eager, ms": _spread(row["eager"], 1000), "recorded, ms": _spread(row["recorded"], 1000),
            "ratio": _spread(row["ratio"]), "kernels": eager.get("kernels", "–"),
            "launches": f"{eager.get('launches', '–')} / {recorded.get('launches', '–')}",
        })  # fmt: skip
    return rows


def _same(row: Mapping[str, Any] | None) -> str:
    return "–" if row is None else "not recorded" if not row["replays"] else "equal" if row["equal"] else "differ"


def _epochs(lines: Sequence[Line]) -> list[Row]:
    return [
        {
            "network": network, "precision": row["precision"], "ours, s": _spread(row["ours"]),
            "bare, s": _spread(row["bare"]), "ratio": _spread(row["ratio"]),
        }
        for (network,), row in _measured(lines, "seconds an epoch").items()
    ]  # fmt: skip


def _padded(lines: Sequence[Line]) -> list[Row]:
    return [
        {
            "network": network, "precision": row["precision"], "padded, ms": _spread(row["padded"], 1000),
            "plain, ms": _spread(row["plain"], 1000), "ratio": _spread(row["ratio"]),
        }
        for (network,), row in _measured(lines, "seconds a padded step").items()
    ]  # fmt: skip


def _packed(lines: Sequence[Line]) -> list[Row]:
    found = _measured(lines, "runs at once", "mps").items()
    rows = sorted((row for _, row in found), key=lambda row: (row["runs"], row["mps"]))
    alone = next((row["images_a_second"] for row in rows if row["runs"] == 1), None)
    return [
        {
            "runs": row["runs"], "MPS": "yes" if row["mps"] else "no",
            "images a second": f"{row['images_a_second']:,.0f}",
            "beside one run": f"{row['images_a_second'] / alone:.2f}" if alone else "–",
        }
        for row in rows
    ]  # fmt: skip


def _ends(lines: Sequence[Line]) -> list[Row]:
    """The newest end of each step, where that is not done, and the count of those that are."""
    ends = {line["step"]: line for line in lines if "state" in line}
    done = sum(line["state"] == "done" for line in ends.values())
    rows: list[Row] = [{"step": f"{done} step{'s' * (done > 1)}", "ended": "done", "why": ""}] if done else []
    others = (line for line in ends.values() if line["state"] != "done")
    return rows + [{"step": e["step"], "ended": e["state"], "why": _cell(e["reason"] or "")} for e in others]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _spread(value: Mapping[str, float], times: float = 1.0) -> str:
    median, least, most = (times * value[name] for name in ("median", "least", "most"))
    return f"{median:.3g} ({least:.3g} to {most:.3g})"
