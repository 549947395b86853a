"""``lumbar-biplanar benchmark ablations``: what the parts of the network and of its training are worth."""

from __future__ import annotations

import argparse
from pathlib import Path

from .terminal import counted, print_table, progress_bar

NAME = "ablations"
EXAMPLE = "  lumbar-biplanar benchmark ablations --data DATA --output ablations --csv network_ablations.csv"
SUBJECTS = ("vhm", "verse010")


def add_part(parts) -> argparse.ArgumentParser:
    """Add the part to the subparsers of ``benchmark``; return its parser."""
    parser = parts.add_parser(
        NAME,
        help="small trainings of the network, each without one of its parts",
        description="Train small networks, each without one part, and judge them on people left out. "
        "Both stages take some three hours of a processor core for each seed; finished trainings are kept: started "
        "again, it goes on.",
    )
    parser.add_argument("--csv", type=Path, required=True, metavar="FILE", help="table to write; replaced if there")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of open data")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder of spines and weights; made if absent"
    )
    parser.add_argument(
        "--shape-model",
        type=Path,
        metavar="FILE",
        help=f"built without {' and '.join(SUBJECTS)} (default: built so, kept in OUTPUT)",
    )
    parser.add_argument("--stages", nargs="+", choices=("spine", "refine"), default=("spine", "refine"), help="(both)")
    parser.add_argument("--steps", type=int, metavar="N", help="of every training (those of docs/network-accuracy.md)")
    parser.add_argument("--batch", type=int, metavar="N", help="films of a step (spine 8, refine 32)")
    parser.add_argument("--spines", type=int, default=400, help="random spines that the films are made of (400)")
    parser.add_argument(
        "--width-share", type=float, default=0.5, help="channels, as a share of the module's networks (0.5)"
    )
    parser.add_argument(
        "--pixel-mm", type=float, default=3.0, help="of the first stage's films, 1.5 as the module's network has (3)"
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=(1,), metavar="N", help="of everything random; one round for each (1)"
    )
    parser.add_argument("--workers", type=int, default=0, help="processes that form films beside a training (0)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (auto)")
    parser.add_argument("-v", "--verbose", action="count", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return parser


def run_part(args: argparse.Namespace) -> None:
    """Run the part and show its figures; raises StudyError for settings or trainings that do not fit."""
    from ..errors import StudyError
    from ..evaluation.ablation_benchmark import COLUMNS, AblationSettings, benchmark_ablations, summarize
    from ..evaluation.network_benchmark import read_people
    from ..files import make_folder
    from ..rendering.device import resolve_device
    from ..shape.pipeline import model_without, read_model_without
    from ..training.anatomy import read_context
    from ..training.loop import require_packages

    steps = {stage: AblationSettings().steps[stage] if args.steps is None else args.steps for stage in args.stages}
    try:
        settings = AblationSettings(
            args.spines,
            steps,
            args.width_share,
            args.batch,
            seeds=tuple(args.seeds),
            workers=args.workers,
            pixel_mm=args.pixel_mm,
        )
    except ValueError as error:
        raise StudyError(str(error)) from None
    # Before minutes go into the shape model and the spines.
    require_packages()
    resolve_device(args.device)
    make_folder(args.output)
    with progress_bar("ablations", args.verbose) as update:
        if args.shape_model is None:
            model = model_without(
                args.data, SUBJECTS, args.output / "shape_model.npz", counted(update), args.workers or 1
            )
        else:
            model = read_model_without(SUBJECTS, args.shape_model)
        update("true landmarks", 0.0)
        people, context = read_people(args.data, SUBJECTS), read_context(args.data, args.workers or 1)
        rows = benchmark_ablations(
            args.csv, args.output, model, people, context, settings, device=args.device, progress=update
        )
    print_table("Small networks without one part each", COLUMNS, summarize(rows))
