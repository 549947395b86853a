"""The page of a report: HTML that needs no other file, prints on A4, and holds nothing unescaped."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from string import Template

DISCLAIMER = "Research software, not for clinical use."

_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
@page { size: A4; margin: 14mm 14mm 16mm 14mm; }
* { box-sizing: border-box; }
body { font: 10pt/1.4 "Segoe UI", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif; color: #1b1f24; background: #fff;
  margin: 0 auto; padding: 8mm; max-width: 200mm; }
h1 { font-size: 17pt; margin: 0 0 1mm 0; }
h2 { font-size: 12.5pt; margin: 5mm 0 2mm 0; padding-bottom: 1mm; border-bottom: 1px solid #9aa4af;
  page-break-after: avoid; break-after: avoid; }
h3 { font-size: 10.5pt; margin: 3mm 0 1mm 0; page-break-after: avoid; break-after: avoid; }
p { margin: 0 0 2mm 0; }
.facts { color: #4a545e; margin-bottom: 3mm; }
.disclaimer { border: 1.5px solid #a33; color: #922; padding: 1.5mm 3mm; font-weight: bold; margin: 0 0 3mm 0; }
.warnings { border: 1.5px solid #c78a00; background: #fff6de; padding: 2mm 3mm; page-break-inside: avoid; }
.fine { border: 1px solid #7aa37a; background: #f1f8f0; padding: 2mm 3mm; }
.warnings ul { margin: 1mm 0 0 0; padding-left: 5mm; }
table { border-collapse: collapse; width: 100%; margin: 0 0 3mm 0; page-break-inside: avoid; break-inside: avoid; }
th, td { padding: 0.7mm 1.6mm; text-align: left; vertical-align: top; border-bottom: 1px solid #d5dbe1; }
thead th { background: #eef1f4; border-bottom: 1.5px solid #9aa4af; }
tbody th { font-weight: normal; }
td.number, th.number { text-align: right; }
td.number { min-width: 17mm; }
td.whole { white-space: nowrap; }
td { overflow-wrap: anywhere; }
.small, .small td, .small th, dl, ol { font-size: 8.5pt; line-height: 1.3; }
.pictures { width: 100%; } .pictures td { border: 0; padding: 0 1mm; width: 50%; text-align: center; }
.pictures img { max-width: 100%; max-height: 118mm; }
.keep { page-break-inside: avoid; break-inside: avoid; }
.spread { color: #5a646e; font-size: 8pt; }
img.wide { width: 100%; page-break-inside: avoid; }
.columns { columns: 2; column-gap: 7mm; }
dl { margin: 0; } dt { font-weight: bold; margin-top: 1.3mm; page-break-after: avoid; break-after: avoid; }
dd { margin: 0; break-inside: avoid; } ol { margin: 2mm 0; padding-left: 6mm; color: #4a545e; }
footer { margin-top: 6mm; border-top: 1px solid #9aa4af; padding-top: 2mm; font-size: 8.5pt; color: #4a545e; }
@media print { body { padding: 0; max-width: none; } }
</style>
</head>
<body>
$body
</body>
</html>
""")


def page(title: str, parts: Iterable[str]) -> str:
    """Return the whole page from its title (plain text) and the HTML of its parts."""
    return _PAGE.substitute(title=escape(title), body="\n".join(parts))


def heading(text: str) -> str:
    """Return the heading of a section."""
    return f"<h2>{escape(text)}</h2>"


def kept_together(parts: Iterable[str]) -> str:
    """Return parts that go onto one sheet of paper."""
    return f'<div class="keep">{"".join(parts)}</div>'


def paragraph(text: str, css: str = "") -> str:
    """Return a paragraph of plain text."""
    return f"<p{_class(css)}>{escape(text)}</p>"


def listing(title: str, items: Sequence[str]) -> str:
    """Return a box with a title and plain texts below it."""
    points = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f'<div class="warnings"><b>{escape(title)}</b><ul>{points}</ul></div>'


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[int] = (), css: str = "") -> str:
    """Return a table.

    Args:
        header: plain texts of the columns; empty for a table without a header.
        rows: plain texts of the cells; a line break stays one.
        numbers: columns to align right.
        css: classes of the table.
    """

    def cell(tag: str, column: int, text: str) -> str:
        lines = escape(text).replace("\n", "<br>")
        # A value is not parted from its interval where the column is narrow; words may be.
        css = ("number whole" if "±" in text else "number") if column in numbers else ""
        return f"<{tag}{_class(css)}>{lines}</{tag}>"

    cells = "".join(cell("th", column, text) for column, text in enumerate(header))
    head = f"<thead><tr>{cells}</tr></thead>\n" if header else ""
    body = "".join(
        "<tr>" + "".join(cell("td" if column else "th", column, text) for column, text in enumerate(row)) + "</tr>\n"
        for row in rows
    )
    return f"<table{_class(css)}>{head}<tbody>\n{body}</tbody></table>"


def picture(png: bytes, description: str, css: str = "") -> str:
    """Return a PNG picture as part of the page itself."""
    data = base64.b64encode(png).decode("ascii")
    return f'<img{_class(css)} alt="{escape(description)}" src="data:image/png;base64,{data}">'


def side_by_side(pictures: Sequence[str]) -> str:
    """Return pictures beside each other."""
    return f'<table class="pictures"><tr>{"".join(f"<td>{item}</td>" for item in pictures)}</tr></table>'


def definitions(items: Iterable[tuple[str, str, str]]) -> str:
    """Return a list of (term, definition, source), the sources numbered and below it; a source may be empty."""
    lines, sources = [], []
    for term, text, source in items:
        cited = ""
        if source:
            sources = sources if source in sources else [*sources, source]
            cited = f" [{sources.index(source) + 1}]"
        lines.append(f"<dt>{escape(term)}</dt><dd>{escape(text)}{cited}</dd>")
    listed = "".join(f"<li>{escape(source)}</li>" for source in sources)
    return f'<div class="columns"><dl>{"".join(lines)}</dl></div><ol>{listed}</ol>'


def _class(css: str) -> str:
    return f' class="{css}"' if css else ""
