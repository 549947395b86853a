"""``lumbar-biplanar benchmark speed``: how long each stage takes on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path

from .terminal import counted, print_table, progress_bar

NAME = "speed"
EXAMPLE = "  lumbar-biplanar benchmark speed --csv speed.csv --device cuda"


def add_part(parts) -> argparse.ArgumentParser:
    """Add the part to the subparsers of ``benchmark``; return its parser."""
    parser = parts.add_parser(NAME, help="how long each stage takes on this machine, on the bundled study")
    parser.add_argument("--csv", type=Path, required=True, metavar="FILE", help="table to write; replaced if there")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (auto)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each stage, after one that does not count (5)")
    parser.add_argument("-v", "--verbose", action="count", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return parser


def run_part(args: argparse.Namespace) -> None:
    """Run the part and show its figures; raises StudyError if there is nothing to repeat."""
    from ..errors import StudyError
    from ..evaluation.speed_benchmark import benchmark_speed, summarize

    if args.repeats < 1:
        raise StudyError(f"{args.repeats} repeats give no time; let --repeats be 1 or more.")
    with progress_bar("speed", args.verbose) as update:
        rows = benchmark_speed(args.csv, device=args.device, repeats=args.repeats, progress=counted(update))
    columns = ("stage", "device", "median s", "of the processor", "ms per iteration")
    table = [
        (stage, device, f"{seconds:.2f}", f"{cpu:.2f}", "" if iteration is None else f"{iteration:.0f}")
        for stage, device, seconds, cpu, iteration in summarize(rows)
    ]
    print_table("Time of each stage", columns, table)
