"""A table as Markdown, as LaTeX, and as records for CSV."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from runner import terminal
from runner.papers.measured import Measured, MeasuredRow
from runner.report import cells
from runner.report.runs import shared

_MARKDOWN = re.compile(r"([\\|*`\[\]~$#])|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_LATEX = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''",
    "†": r"$^\dagger$", "‡": r"$^\ddagger$", "±": r"$\pm$", "≈": r"$\approx$", "≤": r"$\le$", "≥": r"$\ge$",
    "–": "--", "—": "---", "−": "$-$", "×": r"$\times$", "·": r"$\cdot$", "…": r"\dots{}", "→": r"$\to$",
    "∞": r"$\infty$",
    "α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$", "ε": r"$\epsilon$", "λ": r"$\lambda$", "μ": r"$\mu$",
    "σ": r"$\sigma$",
    "‘": "`", "’": "'", "“": "``", "”": "''", "`": r"\textasciigrave{}", "'": "'", "[": "{[}", "]": "{]}",
}  # fmt: skip


def markdown(tables: Sequence[Measured]) -> str:
    """The tables one after the other, each with its claims, legend, caption and command."""
    return "\n".join(line for each in tables for line in _markdown(each))


def _markdown(measured: Measured) -> Iterator[str]:
    table = measured.recipe.table
    yield from (f"# {_md(cells.title(measured))}", "", f"{_md(measured.recipe.name)}: {_md(table.caption)}", "")
    yield from _md_table(cells.columns(measured), (cells.row_cells(measured, row) for row in measured.rows))
    yield from (f"{_md(line)}  " for line in cells.legend(measured))
    yield ""
    if measured.claims:
        yield from ("## Claims", "")
        yield from _md_table(cells.CLAIM_COLUMNS, (cells.claim_cells(measured, judged) for judged in measured.claims))
    yield from (_md(measured.caption), "")
    for warning in measured.warnings:
        yield from (f"**Note:** {_md(warning)}", "")
    yield from ("Made by:", "", *(f"    {terminal.clean(line)}" for line in measured.command.splitlines()), "")


def _md_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield _md_line(columns)
    yield "| --- |" + " ---: |" * (len(columns) - 2) + " --- |"
    yield from map(_md_line, rows)
    yield ""


def _md_line(row: Sequence[str]) -> str:
    return "| " + " | ".join(map(_md, row)) + " |"


def _md(text: str) -> str:
    """Text that stands for itself in Markdown, on one line; underscores within words need no escape."""
    text = "".join(_ENTITIES.get(c, c) for c in terminal.clean(" ".join(text.split())))
    return _MARKDOWN.sub(lambda match: f"\\{match[0]}", text)


def latex(tables: Sequence[Measured]) -> str:
    """Floats to \\input into a document that uses booktabs."""
    head = "% needs \\usepackage{booktabs} and UTF-8"
    return "\n".join([head, *(line for each in tables for line in _latex(each))])


def _latex(measured: Measured) -> Iterator[str]:
    said = [*cells.legend(measured), measured.caption, *measured.warnings]
    note = " ".join(f"{line.strip().removesuffix('.')}." for line in said if line.strip())
    rows = [cells.row_cells(measured, row) for row in measured.rows]
    claims = [cells.claim_cells(measured, judged) for judged in measured.claims]
    caption = f"{cells.title(measured)}: {measured.recipe.table.caption}"
    yield from (f"% {line}" for line in map(terminal.clean, measured.command.splitlines()))
    # Wide columns wrap: a reason that a row cannot be run is a sentence.
    yield from _float(
        caption, note, r"l r p{0.16\linewidth} r r r r r p{0.14\linewidth}", cells.columns(measured), rows
    )
    if claims:
        wide = r"p{0.3\linewidth} l r r r r r p{0.26\linewidth}"
        yield from _float(f"Claims. {caption}", measured.caption, wide, cells.CLAIM_COLUMNS, claims)


def _float(caption: str, note: str, columns: str, names: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield from (
        r"\begin{table*}",
        r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{_tex(caption)}}}",
    )
    yield from (rf"\begin{{tabular}}{{{columns}}}", r"\toprule", _tex_line(names), r"\midrule")
    yield from map(_tex_line, rows)
    yield from (r"\bottomrule", r"\end{tabular}", rf"\par\smallskip {_tex(note)}", r"\end{table*}", "")


def _tex_line(row: Sequence[str]) -> str:
    return " & ".join(map(_tex, row)) + r" \\"


def _tex(text: str) -> str:
    """Text that stands for itself in LaTeX; a character that pdflatex would refuse is spelt out."""
    text = terminal.clean(" ".join(text.split()))
    return "".join(_LATEX.get(c) or (c if c.isascii() else _letter(c)) for c in text)


def _letter(character: str) -> str:
    plain = unicodedata.normalize("NFKD", character)
    if character.isalpha() and plain[0].isascii() and ord(character) < 0x180:  # é, ö, š: in every UTF-8 LaTeX
        return character
    return f"{{[}}U+{ord(character):04X}{{]}}"


def row_records(measured: Measured) -> list[dict[str, Any]]:
    """The table's rows with exact figures."""
    return [_row_record(measured, row) for row in measured.rows]


def _row_record(measured: Measured, row: MeasuredRow) -> dict[str, Any]:
    theirs, recipe = row.theirs, measured.recipe
    return {
        "paper": recipe.paper.id,
        "table": recipe.table.id,
        "row": theirs.label,
        "budget": measured.budget,
        "metric": recipe.table.metric.name,
        "unit": recipe.table.metric.unit,
        "theirs": theirs.value,
        "theirs_spread": theirs.spread,
        "theirs_spread_kind": theirs.spread_kind,
        "theirs_n": theirs.n,
        "confidence": theirs.confidence,
        "secondary": int(theirs.secondary),
        "ours": row.mean,
        "ours_ci95": row.half,
        "difference": cells.difference(row),
        "n": len(row.figures),
        "declared": len(row.seeds),
        "diverged": row.diverged,
        "seeds": " ".join(map(str, row.seeds)),
        **{f"{name}_{who}": getattr(of, name) for name in ("updates", "params", "madds")
           for who, of in (("theirs", theirs), ("ours", row))},
        "verdicts": cells.verdicts(measured, row).replace(cells.NOTHING, ""),
        "not_runnable": row.reason,
        "overrides": " ".join(row.overrides),
        **shared(row.runs),
    }  # fmt: skip


def claim_records(measured: Measured) -> list[dict[str, Any]]:
    """The table's claims with exact figures."""
    recipe = measured.recipe
    return [
        {
            "paper": recipe.paper.id,
            "table": judged.claim.table,
            "claim": judged.claim.id,
            "statement": judged.claim.statement,
            "kind": judged.claim.kind,
            "field": judged.claim.field,
            "left": " | ".join(judged.claim.left),
            "right": " | ".join(judged.claim.right),
            "budget": measured.budget,
            "verdict": judged.verdict,
            "reason": judged.reason,
            "theirs": judged.theirs,
            "ours": judged.ours,
            "ours_ci95": judged.half,
            "p": judged.p,
            "p_holm": judged.adjusted,
            "ratio": judged.ratio,
            "seeds_needed": judged.needed,
            "confidence": judged.claim.confidence,
        }
        for judged in measured.claims
    ]
