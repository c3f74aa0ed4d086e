"""What the figures of a table come from: data, budget, seeds, device, commits. Without them a figure says nothing."""

from collections import Counter
from collections.abc import Iterable, Sequence

from tricktable.runner.disk.seal import MEND, Damage
from tricktable.runner.disk.summary import DataSummary
from tricktable.runner.papers.facts import Table
from tricktable.runner.papers.measured import MeasuredRow, each_once

EDITED = "+"  # behind the commit of a tree whose tracked files differed from it


def of(table: Table, budget: str, rows: Sequence[MeasuredRow]) -> str:
    """In one line; the caption is the paper's, what was run stands behind it."""
    summaries = [run.summary for row in rows for run in row.runs or row.sources]

    def said(values: Iterable[object]) -> str:
        return each_once(values) or "nothing run"

    tested = each_once(
        f"{each.data} ({each.fingerprint.removeprefix('sha256:')[:12]})"
        for each in (run.elsewhere for row in rows for run in row.runs)
        if each
    )
    images = said(data(each.data) for each in summaries) + (f", tested on {tested} too" if tested else "")
    epochs = said(summary.epochs for summary in summaries)
    devices = said(summary.environment.device for summary in summaries)
    precision = said(summary.compute.precision for summary in summaries)
    seeds = said(len(row.seeds or row.grid[0].seeds) for row in rows if row.seeds or row.grid)
    return (
        f"The paper's caption: {table.caption}. Budget {budget}: {images}; "
        f"{epochs} epochs; {seeds} seeds a row declared; last epoch; {devices}, {precision}; Student's t intervals"
    )


def data(seen: DataSummary) -> str:
    """The images in words: title, number, fingerprint, and where they came from as far as the source vouches for it."""
    archive = f", from {seen.archive}" if seen.archive else ""
    fingerprint = seen.fingerprint.removeprefix("sha256:")[:12]
    return f"{seen.title}, {seen.train:,} training images ({fingerprint}){archive}"


def warnings(rows: Sequence[MeasuredRow]) -> tuple[str, ...]:
    """A sentence where a table's runs are of several commits, of none that is known, or of a tree that was edited."""
    commits = [run.summary.environment.commit for row in rows for run in row.sources]
    counted = Counter(commits)
    edited = sum(number for commit, number in counted.items() if commit and commit.endswith(EDITED))
    found = []
    if len({commit and commit.removesuffix(EDITED) for commit in counted}) > 1:
        each = ", ".join(f"{number} of {commit or 'none that is known'}" for commit, number in counted.items())
        found.append(f"These runs were made by several commits: {each}.")
    elif set(counted) == {None}:
        found.append("The commit that made these runs is not known.")
    if edited:
        which = f"{edited} of these {len(commits)} runs were"
        which = f"All {edited} runs were" if edited == len(commits) else which
        found.append(
            f"{which} made with uncommitted changes ({EDITED} behind the commit): the commit alone may not make "
            "them again."
        )
    sources = {run.run.folder: run.run for row in rows for run in row.sources}
    if unsealed := sum(not run.info.seal for run in sources.values()):
        several = "runs of an earlier version carry" if unsealed > 1 else "run of an earlier version carries"
        found.append(f"{unsealed} {several} no seal: whether files were changed since cannot be told.")
    return tuple(found)


def left_out(damaged: Sequence[Damage]) -> tuple[str, ...]:
    """A sentence for each run that is there and cannot be used, and what to do."""
    if not damaged:
        return ()
    return (*(f"Damaged, and in no row: {each}." for each in damaged), f"{MEND[0].upper()}{MEND[1:]}.")
