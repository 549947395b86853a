"""Put the tables of docs/benchmarks into the pages that show them: python docs/benchmark_tables.py [--check]."""

from __future__ import annotations

import argparse
import re
import sys
from functools import lru_cache
from pathlib import Path

from LumbarBiplanarLib.evaluation import network_summary, quality_summary
from LumbarBiplanarLib.evaluation.ablation_benchmark import ABLATIONS_FILE, COLUMNS, summarize
from LumbarBiplanarLib.evaluation.accuracy_summary import Table, summary_tables
from LumbarBiplanarLib.files import read_table
from LumbarBiplanarLib.training.ablation_rows import AblationRow

DOCS = Path(__file__).resolve().parent
PAGES = tuple(
    DOCS / f"{name}.md"
    for name in (
        "accuracy",
        "accuracy-robustness",
        "measurement-accuracy",
        "network-accuracy",
        "model-card",
        "quality",
    )
)
_BLOCK = re.compile(r"<!-- table: (?P<name>[\w-]+) -->\n.*?<!-- end -->", re.DOTALL)


def filled(text: str, folder: Path) -> str:
    """Return a page with every block ``<!-- table: NAME --> ... <!-- end -->`` made anew from the tables in a folder.

    A block whose conditions are not in the tables says so.
    """
    tables = _tables(folder)

    def block(match: re.Match) -> str:
        name = match["name"]
        content = f"\n{tables[name].markdown()}\n\n" if name in tables else "\nNot measured yet.\n\n"
        return f"<!-- table: {name} -->\n{content}<!-- end -->"

    return _BLOCK.sub(block, text)


@lru_cache(maxsize=1)
def _tables(folder: Path) -> dict[str, Table]:
    """Return the tables of all pages, read once for all of them."""
    other = network_summary.page_tables(folder) | quality_summary.page_tables(folder)
    if (folder / ABLATIONS_FILE).exists():
        other["network-ablations"] = COLUMNS, summarize(read_table(folder / ABLATIONS_FILE, AblationRow))
    return summary_tables(folder) | {name: Table(name, *table) for name, table in other.items()}


def main() -> int:
    """Fill the pages."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="say whether the pages are up to date, change nothing")
    args = parser.parse_args()
    stale = []
    for page in PAGES:
        before = page.read_text(encoding="utf-8")
        after = filled(before, DOCS / "benchmarks")
        if before != after:
            stale.append(page.name)
            if not args.check:
                page.write_text(after, encoding="utf-8")
    if args.check:
        print(f"stale: {', '.join(stale)}; run python docs/benchmark_tables.py" if stale else "up to date")
    return int(args.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
