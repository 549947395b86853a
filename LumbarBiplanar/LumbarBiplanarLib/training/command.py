"""``lumbar-biplanar train``: from the open data to weights."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from ..errors import StudyError
from ..files import sha256_of
from ..shape.model import ShapeModel
from .options import TrainingOptions

SUMMARY = "train the network on films drawn from the shape model"
EPILOG = """\
examples:
  lumbar-biplanar train --data DATA --output run1
  lumbar-biplanar train --data DATA --output run1 --resume --minutes 120

First the ingredients of the films are drawn into the cache (about a second per spine), then the network is trained.
The output folder gets spine.pt (the weights), training_record.json and checkpoint.pt. People named by --leave-out
are left out of the shape model the films are drawn from, so that the network can be tested on them.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``train`` to a parser."""
    default = TrainingOptions()
    parser.add_argument("--data", type=Path, required=True, help="folder of the open data (docs/shape-model.md)")
    parser.add_argument("--output", type=Path, required=True, help="folder for weights, record and checkpoint")
    parser.add_argument("--leave-out", nargs="*", default=[], metavar="SUBJECT", help="people to keep out, e.g. vhm")
    parser.add_argument("--shape-model", type=Path, help="shape model to draw from (default: the module's own)")
    parser.add_argument("--minutes", type=float, default=default.minutes, help="length of the training (%(default)s)")
    parser.add_argument("--steps", type=int, default=0, help="end after so many steps instead of a time")
    parser.add_argument("--films", type=int, default=default.subjects, help="spines to draw films of (%(default)s)")
    parser.add_argument("--batch", type=int, default=default.batch, help="films per step (%(default)s)")
    parser.add_argument("--workers", type=int, default=default.workers, help="processes drawing films (%(default)s)")
    parser.add_argument("--seed", type=int, default=default.seed, help="of everything random (%(default)s)")
    parser.add_argument("--cache", type=Path, help="folder of the ingredients (default: OUTPUT/ingredients)")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help="(%(default)s)")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in the output folder")


def run(args: argparse.Namespace) -> int:
    """Train as the arguments say; returns the exit status.

    Raises:
        LumbarBiplanarError: for anything wrong with data, options or output.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from .anatomy import read_context
    from .loop import CHECKPOINT, WEIGHTS, train
    from .pool import build_pool

    options = _options(args)
    if (args.output / WEIGHTS).exists() and not args.resume:
        raise StudyError(f"{args.output / WEIGHTS} exists; choose another output folder, or --resume.")
    if (args.output / CHECKPOINT).exists() and not args.resume:
        raise StudyError(f"{args.output / CHECKPOINT} exists; --resume goes on from it, or choose another folder.")
    args.output.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as bars:
        model, about = _shape_model(args, bars)
        pool = args.cache or args.output / "ingredients"
        context = read_context(args.data)
        drawing = bars.add_task("drawing spines", total=options.subjects)
        for done in build_pool(pool, model, context, options.subjects, options.seed):
            bars.update(drawing, completed=done)
        training = bars.add_task("training", total=options.steps or round(60 * options.minutes))
        for state in train(pool, args.output, options, device=args.device, resume=args.resume, about=about):
            losses = f"landmarks {state.landmark_loss:.2f}, image {state.image_loss_mm:.2f} mm"
            done = state.step if options.steps else round(state.seconds)
            bars.update(training, completed=done, description=f"training: step {state.step}, {losses}")
    print(f"Weights: {args.output / WEIGHTS} ({sha256_of(args.output / WEIGHTS)[:16]}...)")
    return 0


def _options(args: argparse.Namespace) -> TrainingOptions:
    try:
        return replace(
            TrainingOptions(),
            subjects=args.films,
            minutes=args.minutes,
            steps=args.steps,
            batch=args.batch,
            workers=args.workers,
            seed=args.seed,
        )
    except ValueError as error:
        raise StudyError(str(error)) from None


def _shape_model(args: argparse.Namespace, bars) -> tuple[ShapeModel, dict]:
    """Return the model to draw from, built anew if people are to be left out, and what the record says of it."""
    from ..shape.pipeline import collect_open_data
    from ..shape.storage import load_shape_model, save_shape_model

    path = args.shape_model
    if args.leave_out and path is not None:
        raise StudyError("--leave-out builds a shape model and --shape-model gives one; use one of them.")
    if args.leave_out:
        path = args.output / "shape_model.npz"
        if not path.exists():
            task = bars.add_task("shape model")
            collection = collect_open_data(
                args.data, progress=lambda what, done, total: bars.update(task, completed=done, total=total)
            )
            save_shape_model(collection.build(args.leave_out), path)
    model = load_shape_model(path)
    return model, {"shape_model_sha256": model.sha256, "left_out": sorted(args.leave_out)}
