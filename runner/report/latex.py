"""Tables as LaTeX."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from tricktable.runner import terminal
from tricktable.runner.papers.measured import MeasuredTable
from tricktable.runner.report import cells, headline
from tricktable.runner.report.columns import CLAIMS, EVALUATED, LATER, Column, Kind, Line, columns, grid

_SPECIAL = {
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
# Wide columns wrap: a reason that a row cannot be run is a sentence.
_COLUMNS: Mapping[Kind, str] = {
    "label": "l", "overrides": "l", "ours": r"p{0.16\linewidth}", "verdicts": r"p{0.14\linewidth}",
    "statement": r"p{0.3\linewidth}", "verdict": "l", "why": r"p{0.26\linewidth}",
}  # fmt: skip


def document(tables: Sequence[MeasuredTable]) -> str:
    """Floats to \\input into a document that uses booktabs."""
    head = "% needs \\usepackage{booktabs} and UTF-8"
    return "\n".join([head, *(line for each in tables for line in _table(each))])


def _table(table: MeasuredTable) -> Iterator[str]:
    said = [
        *headline.run_here(table),
        headline.conclusion([table]),
        *cells.legend(table),
        table.provenance,
        *table.warnings,
    ]
    said += [f"{heading}: {line}" for heading, lines in cells.statements(table).items() for line in lines]
    said += [f"Overrides, {line}" for line in cells.overrides(table)]
    note = _sentences(said)
    caption = f"{cells.title(table)}: {table.caption}"
    yield from (f"% {line}" for line in map(terminal.clean, table.command.splitlines()))
    yield from _float(caption, note, table, columns(table), table.rows)
    if table.evaluated:
        yield from _float(f"{LATER}. {caption}", table.provenance, table, EVALUATED, table.evaluated)
    if table.claims:
        note = _sentences([*cells.verdict_legend(table), table.provenance])
        yield from _float(f"Claims. {caption}", note, table, CLAIMS, table.claims)


def _sentences(lines: Sequence[str]) -> str:
    return " ".join(f"{line.strip().removesuffix('.')}." for line in lines if line.strip())


def _float(
    caption: str, note: str, table: MeasuredTable, columns: Sequence[Column[Line]], lines: Sequence[Line]
) -> Iterator[str]:
    widths = " ".join(_COLUMNS.get(column.kind, "r") for column in columns)
    yield from (
        r"\begin{table*}",
        r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{escaped(caption)}}}",
        rf"\begin{{tabular}}{{{widths}}}",
        r"\toprule",
        _line([column.heading for column in columns]),
        r"\midrule",
    )
    yield from map(_line, grid(table, columns, lines))
    yield from (r"\bottomrule", r"\end{tabular}", rf"\par\smallskip {escaped(note)}", r"\end{table*}", "")


def _line(values: Sequence[str]) -> str:
    return " & ".join(map(escaped, values)) + r" \\"


def escaped(text: str) -> str:
    """Text that stands for itself in LaTeX; a character that pdflatex would refuse is spelt out."""
    text = terminal.clean(" ".join(text.split()))
    return "".join(_SPECIAL.get(c) or (c if c.isascii() else _letter(c)) for c in text)


def _letter(character: str) -> str:
    plain = unicodedata.normalize("NFKD", character)
    if character.isalpha() and plain[0].isascii() and ord(character) < 0x180:  # é, ö, š: in every UTF-8 LaTeX
        return character
    return f"{{[}}U+{ord(character):04X}{{]}}"
