"""``lumbar-biplanar benchmark quality``: the quality flag calibrated and judged on simulated cases."""

from __future__ import annotations

import argparse
from pathlib import Path

from .terminal import counted, print_table, progress_bar

NAME = "quality"
EXAMPLE = "  lumbar-biplanar benchmark quality --data DATA --csv quality.csv --calibration Quality.json"


def add_part(parts) -> argparse.ArgumentParser:
    """Add the part to the subparsers of ``benchmark``; return its parser."""
    parser = parts.add_parser(NAME, help="the flag ok / check / refuse on cases with something wrong (an hour)")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of open data")
    parser.add_argument("--csv", type=Path, required=True, metavar="FILE", help="table to write; replaced if there")
    parser.add_argument("--calibration", type=Path, metavar="FILE", help="calibration to write, for Resources")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of all faults to calibrate on (9)")
    parser.add_argument("-v", "--verbose", action="count", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return parser


def run_part(args: argparse.Namespace) -> None:
    """Run the part and show its figures."""
    from ..evaluation.quality_benchmark import benchmark_quality
    from ..evaluation.quality_summary import FAULT_COLUMNS, FLAG_COLUMNS, fault_rows, flag_rows
    from ..shape.pipeline import collect_open_data

    with progress_bar("quality", args.verbose) as update:
        tell = counted(update)
        collection = collect_open_data(args.data, include_sample=True, progress=tell)
        result = benchmark_quality(collection, args.csv, args.calibration, rounds=args.rounds, progress=tell)
    for part in dict.fromkeys(row.part for row in result.rows):
        print_table(f"What the flag is worth, {part}", FLAG_COLUMNS, flag_rows(result.rows, part))
        print_table(f"By fault, {part}", FAULT_COLUMNS, fault_rows(result.rows, part))
