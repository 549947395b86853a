"""``lumbar-biplanar benchmark``: the tables of docs/benchmarks, one part of the method at a time."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from . import benchmark_ablations, benchmark_accuracy, benchmark_quality, benchmark_register_ct, benchmark_speed
from .left_out_models import make_left_out_models
from .shape_model import show_shape
from .terminal import counted, print_table, progress_bar

# Parts that have a file of their own and write one table.
_OWN_FILE = (benchmark_ablations, benchmark_quality, benchmark_register_ct, benchmark_speed)
SUMMARY = "remake the figures of one part of the method"
EPILOG = f"""\
examples:
  lumbar-biplanar benchmark renderer --csv renderer.csv
  lumbar-biplanar benchmark accuracy --data DATA --models LEFT_OUT --output accuracy --jobs 2
  lumbar-biplanar benchmark accuracy --models LEFT_OUT --output accuracy --conditions lumbar-only "wrong angle"
  lumbar-biplanar benchmark accuracy --summary docs/benchmarks
  lumbar-biplanar benchmark shape --data DATA --csv shape.csv
  lumbar-biplanar benchmark network --data DATA --output network
{chr(10).join(part.EXAMPLE for part in _OWN_FILE)}

People are always left out of what is judged on them. DATA is the folder of open data (docs/shape-model.md).
'accuracy' builds the models without each person first (some minutes); --models keeps them, or takes those that are
there. It keeps finished cases in its output folder: started again, it goes on. With --conditions the rows of other
conditions in tables that are there already stay."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``benchmark`` to a parser."""
    parts = parser.add_subparsers(dest="part", metavar="PART", required=True)
    renderer = parts.add_parser("renderer", help="path length against ray casting, leaks, derivatives, times")
    accuracy = parts.add_parser("accuracy", help="surface error of whole reconstructions of people left out")
    benchmark_accuracy.add_arguments(accuracy)
    shape = parts.add_parser("shape", help="generalisation, compactness and specificity of the shape model")
    network = parts.add_parser("network", help="landmarks and lumbar-only images on films of people left out")
    network.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder for the tables; made if absent"
    )
    network.add_argument("--weights", type=Path, metavar="PATH", help="spine.pt, or its folder with refine.pt (own)")
    network.add_argument("--models", type=Path, metavar="DIR", help="folder of left-out models, made if absent")
    network.add_argument("--count", type=int, default=2, help="film pairs per person, difficulty and geometry (2)")
    for one in (shape, network):
        one.add_argument("--data", type=Path, metavar="DIR", help="folder of open data")
        one.add_argument("--subjects", nargs="+", metavar="SUBJECT", help="people to leave out in turn (all)")
    for one in (renderer, shape):
        one.add_argument("--csv", type=Path, required=True, metavar="FILE", help="table to write; replaced if there")
    for one in (renderer, shape, network):
        one.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (auto)")
        one.add_argument("-v", "--verbose", action="count", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    for part in _OWN_FILE:
        part.add_part(parts)


def run(args: argparse.Namespace) -> int:
    """Run ``benchmark``."""
    from ..files import check_writable

    for path in (getattr(args, name, None) for name in ("csv", "calibration")):
        if path is not None:
            check_writable(path)
    if args.part == "accuracy":
        return benchmark_accuracy.run(args)
    parts = {"renderer": _renderer, "shape": _shape, "network": _network}
    parts |= {part.NAME: part.run_part for part in _OWN_FILE}
    parts[args.part](args)
    print(f"Written to {args.output if args.part == 'network' else args.csv}")
    return 0


def _renderer(args: argparse.Namespace) -> None:
    from ..evaluation.renderer_benchmark import benchmark_renderer

    benchmark_renderer(args.csv, device=args.device, report=print)


def _shape(args: argparse.Namespace) -> None:
    from ..evaluation.shape_benchmark import benchmark_shape

    with progress_bar("shape model", args.verbose) as update:
        rows, figures = benchmark_shape(
            args.csv, _data(args), subjects=args.subjects, mode_counts=(5, 10, 20, None), progress=counted(update)
        )
    show_shape(rows, figures)


def _network(args: argparse.Namespace) -> None:
    from ..evaluation.network_benchmark import SUBJECTS, benchmark_network
    from ..evaluation.network_summary import summary_tables
    from ..files import make_folder

    make_folder(args.output)
    done, subjects = 0, tuple(args.subjects or SUBJECTS)
    with tempfile.TemporaryDirectory() as temporary:
        models = args.models or Path(temporary)
        make_left_out_models(models, _data(args), subjects, args.verbose)
        rows = benchmark_network(
            _data(args),
            args.output,
            models=models,
            weights=args.weights,
            device=args.device,
            count=args.count,
            subjects=subjects,
        )
        with progress_bar("network", args.verbose) as update:
            for _ in rows:
                done += 1
                update(f"{done} rows", 0.0)
    tables, sentences = summary_tables(args.output)
    for title, columns, rows in tables:
        print_table(title, columns, rows)
    for sentence in sentences:
        print(sentence)


def _data(args: argparse.Namespace) -> Path:
    from ..errors import StudyError

    if args.data is None:
        raise StudyError("Say where the open data is: --data DIR (docs/shape-model.md describes the folder).")
    return args.data
