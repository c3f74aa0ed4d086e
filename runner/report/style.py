"""How the page looks: type, colours for light and for dark, cards in place of wide tables on a phone."""

LIGHT = {
    "surface": "#ffffff", "ground": "#f7f5f0", "ink": "#1d1f23", "muted": "#5c6068", "grid": "#e2e0da",
    "line": "#d9d5cb",
    "link": "#1f5fa8", "theirs": "#b3261e", "code": "#f1eee7",
    "good": "#14603a", "good-ground": "#dff2e6", "bad": "#9b1c1c", "bad-ground": "#fce4e1",
    "open": "#7a4a00", "open-ground": "#fbecd0", "quiet": "#4b4f57", "quiet-ground": "#eceae4",
    "row-0": "#1f5fa8", "row-1": "#b4470b", "row-2": "#0f6f66", "row-3": "#8e2a80", "row-4": "#6d5800",
    "row-5": "#4b5563",
}  # fmt: skip
DARK = {
    "surface": "#1b1e24", "ground": "#121418", "ink": "#eceae5", "muted": "#a7abb3", "grid": "#31353d",
    "line": "#3a3f48",
    "link": "#8fc1fa", "theirs": "#ff8f85", "code": "#23272e",
    "good": "#8fe0b0", "good-ground": "#143524", "bad": "#ffb1a8", "bad-ground": "#4a1a18",
    "open": "#f6cd84", "open-ground": "#422f0c", "quiet": "#c3c6cc", "quiet-ground": "#2b2f37",
    "row-0": "#86bbf7", "row-1": "#ffa267", "row-2": "#55d2bd", "row-3": "#ea96dc", "row-4": "#e0c350",
    "row-5": "#b1b8c4",
}  # fmt: skip

_RULES = """
*, ::before, ::after { box-sizing: border-box; }
html { color-scheme: light dark; -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--ground); color: var(--ink); line-height: 1.55; font-size: 1rem;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif;
  overflow-wrap: break-word;
}
main, header, footer { max-width: 76rem; margin: 0 auto; padding: 0 clamp(1rem, 4vw, 3rem); }
header { padding-top: clamp(2rem, 6vw, 4.5rem); padding-bottom: 0; }
h1, h2, h3, h4 { line-height: 1.2; text-wrap: balance; margin: 0; font-weight: 600; }
h1, h2 { font-family: "Iowan Old Style", "Palatino Linotype", Palatino, Charter, Georgia, "DejaVu Serif", serif; }
h1 { font-size: clamp(1.6rem, 1.1rem + 2.4vw, 2.7rem); letter-spacing: -0.012em; max-width: 28ch; }
h2 { font-size: clamp(1.25rem, 1.1rem + 0.7vw, 1.6rem); max-width: 56ch; }
h3 { font-size: 1.15rem; }
h4 { font-size: 1rem; }
p { margin: 0.5rem 0; max-width: 72ch; }
a { color: var(--link); text-underline-offset: 0.18em; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 3px; }
.over { margin: 0 0 0.9rem; font-size: 0.8rem; letter-spacing: 0.09em; text-transform: uppercase; color: var(--muted); }
.banner {
  margin: 1.2rem 0; padding: 0.7rem 1rem; border-left: 4px solid var(--open); background: var(--open-ground);
  color: var(--open); font-weight: 600; max-width: 72ch;
}
.conclusion { font-size: 1.15rem; }
.by, .note, caption, figcaption, footer, .fine { color: var(--muted); font-size: 0.9rem; }
nav ul, .tally, .key { list-style: none; margin: 1rem 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: 0.5rem; }
nav ul { gap: 0.3rem 1.4rem; }
section { margin: 2.2rem 0 4rem; }
.fine { margin: 0.2rem 0; }
.wide + .fine { margin-top: 0.9rem; }
section > h3 { margin: 2.6rem 0 0.9rem; }
.tally { margin: 1.2rem 0; }

.badge {
  display: inline-flex; align-items: baseline; gap: 0.4em; padding: 0.12em 0.7em; border-radius: 99px;
  font-size: 0.85rem; font-weight: 600; white-space: nowrap; border: 1px solid transparent;
}
.good { color: var(--good); background: var(--good-ground); }
.bad { color: var(--bad); background: var(--bad-ground); }
.open { color: var(--open); background: var(--open-ground); }
.quiet { color: var(--quiet); background: var(--quiet-ground); }
.hint { background: transparent; border: 1px dashed currentColor; }

.wide {
  overflow-x: auto; margin-top: 1rem; background: var(--surface); border: 1px solid var(--line); border-radius: 10px;
}
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 0.93rem; }
th, td { padding: 0.65rem 0.65rem; text-align: right; vertical-align: baseline; border-bottom: 1px solid var(--line); }
tbody tr:last-child > * { border-bottom: 0; }
thead th { font-size: 0.8rem; font-weight: 600; line-height: 1.3; color: var(--muted); vertical-align: bottom; }
th:first-child { padding-left: 1rem; }
th:first-child { text-align: left; min-width: 10rem; max-width: 20rem; overflow-wrap: anywhere; }
th.verdicts { text-align: left; }
tbody th { font-weight: 600; }
td { white-space: nowrap; }
td.counts { white-space: normal; }
td small { display: block; font-weight: 400; color: var(--muted); font-size: 0.8rem; }
td.ours { font-weight: 650; }
td.why { text-align: left; color: var(--muted); white-space: normal; min-width: 14rem; }
td.verdicts { text-align: left; white-space: normal; }
td .badges { display: flex; flex-wrap: wrap; gap: 0.25rem; }
td .badge { font-size: 0.76rem; }
abbr { text-decoration: none; color: var(--theirs); font-weight: 600; }

.claims { display: grid; gap: 0.9rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); }
.card, figure, .warning {
  background: var(--surface); border: 1px solid var(--line); border-radius: 10px; padding: clamp(0.9rem, 2.5vw, 1.3rem);
}
.card p { margin: 0.7rem 0; }
.card > :last-child { margin-bottom: 0; }
dl { display: flex; flex-wrap: wrap; gap: 0.4rem 1.6rem; margin: 0.6rem 0 0; font-variant-numeric: tabular-nums; }
dt { font-size: 0.76rem; color: var(--muted); }
dd { margin: 0; font-weight: 600; font-size: 0.93rem; }
.warning { border-left: 4px solid var(--open); margin: 1rem 0; padding-block: 0.5rem; }

.figures {
  display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); align-items: start;
}
figure { margin: 0; min-width: 0; }
figure > svg { display: block; width: 100%; height: auto; max-width: 30rem; margin: 0.6rem auto; overflow: visible; }
.whole, section > .figures { margin: 1rem 0; }
.whole figure > svg { max-width: 52rem; min-width: 34rem; }
.whole figure { overflow-x: auto; }
figure > svg text { font-family: inherit !important; font-variant-numeric: tabular-nums; }
.key { gap: 0.3rem 1.1rem; margin: 0.3rem 0 0.8rem; font-size: 0.88rem; }
.key li { display: flex; gap: 0.5rem; align-items: center; min-width: 0; }
.key li span { min-width: 0; overflow-wrap: anywhere; }
.key svg { flex: none; width: 2.2rem; height: 0.7rem; }
.worst { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); margin: 1rem 0; }
.worst div { min-width: 0; font-size: 0.82rem; line-height: 1.3; overflow-wrap: anywhere; }
.worst img { display: block; width: 7rem; height: 7rem; object-fit: contain; image-rendering: pixelated; }
.worst span { display: block; margin-top: 0.25rem; }
.wrong { color: var(--bad); }
details { margin-top: 0.6rem; }
summary { cursor: pointer; }
pre {
  overflow-x: auto; background: var(--code); border-radius: 8px; padding: 0.8rem 1rem; margin: 0.6rem 0;
  font-size: 0.85rem; line-height: 1.5; overflow-wrap: normal;
}
code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
footer { padding-block: 1.5rem 3rem; border-top: 1px solid var(--line); }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.tools { display: flex; flex-wrap: wrap; gap: 0.4rem 0.8rem; align-items: center; margin: 1rem 0 0; max-width: none; }
.tools + .wide { margin-top: 0.5rem; }
.tools input, .tools button, .hide, .sort { font: inherit; color: inherit; background: none; border: 0; padding: 0; }
.tools input, .tools button {
  background: var(--surface); border: 1px solid var(--line); border-radius: 8px; padding: 0.3rem 0.7rem;
}
.tools input { width: 16rem; max-width: 100%; color: var(--ink); }
.tools button, .hide, .sort { cursor: pointer; }
.tools [hidden], tr[hidden] { display: none !important; }
.sort { text-align: inherit; }
.sort:hover { color: var(--ink); }
[aria-sort] .sort { color: var(--ink); }
[aria-sort="ascending"] .sort::after { content: " ▴"; }
[aria-sort="descending"] .sort::after { content: " ▾"; }
tbody th { position: relative; }
.hide { position: absolute; left: 0; top: 0.65rem; width: 1rem; color: var(--muted); opacity: 0; font-weight: 400; }
tr:hover .hide, .hide:focus-visible { opacity: 1; }
@media (hover: none) { .hide { opacity: 1; } }

@media (max-width: 56rem) {
  .wide { overflow: visible; background: none; border: 0; }
  table, tbody, tr, th, td { display: block; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tbody { display: grid; gap: 0.9rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); }
  tbody tr { background: var(--surface); border: 1px solid var(--line); border-radius: 10px; padding: 0.8rem 1rem; }
  tbody th { padding: 0 0 0.4rem; border: 0; font-size: 1.02rem; }
  td {
    white-space: normal; display: flex; justify-content: space-between; gap: 1rem; padding: 0.3rem 0; border: 0;
    text-align: right;
  }
  td::before { content: attr(data-name); color: var(--muted); font-weight: 400; text-align: left; flex: 0 1 auto; }
  td > * { flex: 0 0 auto; max-width: 70%; }
  td.none { display: none; }
  td.why { display: block; }
  td.why::before { content: ""; }
  td.verdicts { flex-wrap: wrap; gap: 0.25rem 1rem; }
  td .badges { justify-content: flex-end; margin-left: auto; }
  th:first-child { max-width: none; padding-left: 0; }
  .live thead { display: block; position: static; width: auto; height: auto; clip-path: none; margin: 0 0 0.9rem; }
  .live thead tr { display: flex; flex-wrap: wrap; gap: 0.2rem 1.1rem; }
  .live thead th { padding: 0.2rem 0; border: 0; min-width: 0; }
  tbody th { padding-right: 2rem; }
  .hide { opacity: 1; left: auto; right: 0; top: 0; width: 2rem; }
}
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
@media print { .tools, .hide { display: none; } }
@media print { body { background: none; } .card, figure, tr { break-inside: avoid; } details > pre { display: block; } }
"""


_ALONE = """
color-scheme: light dark; background: var(--ground); color: var(--ink); line-height: 1.55; padding: 0.2rem 1.4rem;
font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif;
"""


def sheet() -> str:
    """The style sheet of a page, whole."""
    dark = f"@media (prefers-color-scheme: dark) {{ :root {{ {_variables(DARK)} }} }}"
    return f":root {{ {_variables(LIGHT)} }}\n{dark}{_RULES}"


def within(name: str) -> str:
    """The same for the elements in one of this class alone: the page that it stands in is somebody else's."""
    dark = f"@media (prefers-color-scheme: dark) {{ .{name} {{ {_variables(DARK)} }} }}"
    return f".{name} {{ {_variables(LIGHT)} {_ALONE} }}\n{dark}\n.{name} {{ {_RULES} }}"


def _variables(colours: dict[str, str]) -> str:
    return " ".join(f"--{name}: {value};" for name, value in colours.items())
