"""The page's few lines of script: rows are sorted by a column, filtered by a box, hidden and shown again.

What needs it (buttons, the box) it makes itself, so without it the page is as it stands. The policy in the page's head
allows this text alone, by its digest. A row that is hidden in the table stays in the figures.
"""

import base64
import hashlib

SCRIPT = r"""
"use strict";
const make = (name, set) => Object.assign(document.createElement(name), {type: "button"}, set);
const number = (text) => {
  const found = /^[≈≤\s]*([−+-]?[\d,]*\.?\d+(e[+-]?\d+)?)/i.exec(text);
  return found ? Number(found[1].replaceAll(",", "").replace("−", "-")) : NaN;
};
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells], hidden = new Set();
  const rows = [...body.rows].map((line, place) => ({
    line, place, said: line.textContent.toLowerCase(), label: line.cells[0].textContent,
    texts: heads.map((head, i) => [...line.cells].find((each) => !i || each.dataset.name === head.textContent)),
  }));
  if (rows.length < 2) continue;
  for (const row of rows) row.texts = row.texts.map((cell) => cell?.textContent.trim() ?? "");
  const box = make("input", {type: "search", placeholder: "filter rows"}), said = make("span", {role: "status"});
  const back = make("button", {hidden: true});
  const show = () => {
    for (const row of rows) row.line.hidden = hidden.has(row) || !row.said.includes(box.value.trim().toLowerCase());
    const seen = rows.filter((row) => !row.line.hidden).length;
    back.hidden = !hidden.size;
    back.textContent = `show ${hidden.size} hidden`;
    said.textContent = seen < rows.length ? `${seen} of ${rows.length} rows` : "";
  };
  const tools = make("p", {className: "tools fine"});
  tools.append(box, back, said);
  table.parentNode.before(tools);
  table.classList.add("live");
  box.setAttribute("aria-label", "Filter the rows of the table that follows");
  box.addEventListener("input", show);
  back.addEventListener("click", () => { hidden.clear(); show(); box.focus(); });
  for (const row of rows) {
    const hide = make("button", {className: "hide", textContent: "×", title: "hide this row"});
    hide.setAttribute("aria-label", `Hide ${row.label}`);
    hide.addEventListener("click", () => { hidden.add(row); show(); back.focus(); });
    row.line.cells[0].append(hide);
  }
  heads.forEach((head, i) => {
    const of = (row) => row.texts[i];
    const button = make("button", {className: "sort", textContent: head.textContent, title: "sort"});
    const counted = rows.every((row) => /^[–-]?$/.test(of(row)) || !Number.isNaN(number(of(row))));
    const compare = (a, b) => counted ? number(of(a)) - number(of(b)) : of(a).localeCompare(of(b));
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const way = head.ariaSort === "ascending" ? "descending" : "ascending", sign = way === "ascending" ? 1 : -1;
      for (const each of heads) each.ariaSort = each === head ? way : null;
      const last = (row) => counted && Number.isNaN(number(of(row)));
      rows.sort((a, b) => last(a) - last(b) || (last(a) ? 0 : sign * compare(a, b)) || a.place - b.place);
      body.append(...rows.map((row) => row.line));
    });
  });
}
"""


def source() -> str:
    """What the policy calls the script: it runs where its text has this digest, and no other runs."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()}'"
