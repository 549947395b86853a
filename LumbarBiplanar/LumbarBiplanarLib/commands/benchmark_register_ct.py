"""``lumbar-biplanar benchmark register-ct``: how well known vertebrae are registered to two films."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from .left_out_models import make_left_out_models
from .terminal import print_table, progress_bar

NAME = "register-ct"
EXAMPLE = "  lumbar-biplanar benchmark register-ct --data DATA --csv register_ct.csv"
SUBJECTS = ("vhm", "verse004", "verse009", "verse010")


def add_part(parts) -> argparse.ArgumentParser:
    """Add the part to the subparsers of ``benchmark``; return its parser."""
    parser = parts.add_parser(NAME, help="pose errors of vertebrae known from a CT")
    parser.add_argument("--csv", type=Path, required=True, metavar="FILE", help="table to write; replaced if there")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of open data")
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder of left-out models, made if absent")
    parser.add_argument(
        "--subjects", nargs="+", default=SUBJECTS, metavar="SUBJECT", help=f"whose vertebrae ({', '.join(SUBJECTS)})"
    )
    parser.add_argument("--seeds", type=int, default=2, help="cases per person and condition (2)")
    parser.add_argument("-v", "--verbose", action="count", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return parser


def run_part(args: argparse.Namespace) -> None:
    """Run the part and show its figures; raises StudyError if there are neither models nor data to make them from."""
    from ..evaluation.ct_benchmark import CONDITIONS, benchmark_register_ct, summarize
    from ..evaluation.left_out import read_left_out

    with tempfile.TemporaryDirectory() as temporary:
        folder = args.models or Path(temporary)
        make_left_out_models(folder, args.data, args.subjects, args.verbose)
        people = [read_left_out(folder, subject) for subject in args.subjects]
        total, done = len(people) * (1 + len(CONDITIONS) * args.seeds), [0]
        with progress_bar("registering", args.verbose) as update:

            def tell(text: str) -> None:
                done[0] += 1
                update(text, done[0] / total)

            rows = benchmark_register_ct(args.csv, people, seeds=range(args.seeds), progress=tell)
    columns = ("condition", "vertebrae", "TRE mean (mm)", "worst", "relative", "per axis (mm)", "per axis (deg)")
    table = [(name, count, *(f"{value:.2f}" for value in values)) for name, count, *values in summarize(rows)]
    print_table("Known vertebrae registered to two films", columns, table)
