"""``lumbar-biplanar benchmark accuracy``: surface errors of people left out, under every condition."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from ..errors import StudyError
from .left_out_models import make_left_out_models
from .terminal import print_table, progress_bar


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``benchmark accuracy`` to a parser."""
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for the tables; made if absent")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of open data")
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder of left-out models, made if absent")
    parser.add_argument("--conditions", nargs="+", metavar="NAME", help="groups or conditions to compute (all)")
    parser.add_argument("--subjects", nargs="+", metavar="SUBJECT", help="people to leave out in turn (all)")
    parser.add_argument("--cases", type=int, metavar="N", help="at most so many per condition and person (all)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes, of one thread each (1)")
    parser.add_argument("--weights", metavar="PATH", help="weights of the network (the module's)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="cpu", help="where to compute (cpu)")
    parser.add_argument("--list", action="store_true", help="print the conditions and stop")
    parser.add_argument(
        "--summary", type=Path, metavar="DIR", help="print what the tables in a folder come to and stop"
    )
    parser.add_argument("-v", "--verbose", action="count", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Run ``benchmark accuracy``."""
    from ..evaluation.accuracy_conditions import conditions
    from ..evaluation.accuracy_summary import summary_tables

    chosen = conditions(args.conditions)
    if args.list:
        for item in chosen:
            print(f"{item.name}  ({len(item.subjects)} people, {item.seeds} cases each)")
        return 0
    if args.summary is None:
        _compute(args, chosen)
    folder = args.output if args.summary is None else args.summary
    for table in summary_tables(folder).values():
        print_table(table.title, table.columns, table.rows)
    if args.summary is None:
        print(f"Written to {folder}")
    return 0


def _compute(args: argparse.Namespace, chosen) -> None:
    from ..evaluation.accuracy_benchmark import benchmark_accuracy, cases_of
    from ..files import make_folder

    if args.output is None:
        raise StudyError("Say where the tables shall go: --output DIR.")
    make_folder(args.output)
    cases = cases_of(chosen, args.subjects, args.cases)
    if not cases:
        who = ", ".join(args.subjects or ["anybody"])
        raise StudyError(
            f"There is no case of {who} under these conditions; --list names them, --cases must be 1 or more."
        )
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.models or Path(temporary)
        make_left_out_models(folder, args.data, {case.subject for case in cases}, args.verbose)
        with progress_bar("accuracy", args.verbose) as update:
            done = benchmark_accuracy(
                cases,
                folder,
                args.output,
                data=args.data,
                jobs=args.jobs,
                device=args.device,
                weights=args.weights,
            )
            for count, (case, _) in enumerate(done, start=1):
                update(f"{case.condition.name}, {case.subject}, case {case.seed}", count / len(cases))
