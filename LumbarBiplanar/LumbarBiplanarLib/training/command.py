"""``lumbar-biplanar train``: from the open data to weights."""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import OutputError, StudyError
from ..files import make_folder, sha256_of
from .options import FINE_PITCH_MM, PITCH_MM, TrainingOptions
from .progress import Progress as TrainingProgress

if TYPE_CHECKING:
    from ..shape.model import ShapeModel

_OF_A_SHEET = ("data", "shape_model", "seed", "contact_sheet")  # what --contact-sheet heeds
_MUCH_WAITING = 1 / 3  # share of the training
SUMMARY = "train the network on films drawn from the shape model"
EPILOG = """\
examples:
  lumbar-biplanar train --data DATA --output run1
  lumbar-biplanar train --data DATA --output run1 --resume --minutes 120
  lumbar-biplanar train --data DATA --output run1 --stage refine
  lumbar-biplanar train --data DATA --output run2 --stage refine --start-from registered --minutes 300 --device cuda

First the ingredients of the films are drawn into the cache, about half a second per spine for each of the processes of
--workers, then the network is trained.
The network has two stages, which are trained independently: "spine" finds the vertebrae on a film, "refine" looks at
each of them. The output folder gets spine.pt or refine.pt (the weights), a record and a checkpoint. People named by
--leave-out are left out of the shape model the films are drawn from, so that the network can be tested on them.
Ctrl-C leaves a checkpoint, from which --resume goes on, on another machine too if the folder is copied there.
Training needs two more packages: pip install 'lightning>=2.6' 'pytorch-optimizer>=4.1'.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``train`` to a parser."""
    default = TrainingOptions()
    parser.add_argument("--data", type=Path, required=True, help="folder of the open data (docs/shape-model.md)")
    parser.add_argument("--output", type=Path, help="folder for weights, record and checkpoint")
    parser.add_argument("--leave-out", nargs="*", default=[], metavar="SUBJECT", help="people to keep out, e.g. vhm")
    parser.add_argument("--shape-model", type=Path, help="shape model to draw from (the module's own)")
    parser.add_argument(
        "--stage", choices=("spine", "refine"), default="spine", help="the whole film, or one vertebra (%(default)s)"
    )
    parser.add_argument("--minutes", type=float, help=f"length of the training {_both('minutes')}")
    parser.add_argument("--steps", type=int, default=0, help="end after so many steps instead of a time")
    parser.add_argument("--films", type=int, help=f"spines to draw films of {_both('subjects')}")
    parser.add_argument("--batch", type=int, help=f"films or crops per step {_both('batch')}")
    parser.add_argument("--workers", type=int, help=f"processes drawing spines, then films {_both('workers')}")
    parser.add_argument(
        "--films-on-gpu", action="store_true", help="form films on the GPU that trains: for machines with few cores"
    )
    parser.add_argument(
        "--consistency",
        type=float,
        default=default.consistency_weight,
        metavar="WEIGHT",
        help="of the distance of the rays to one landmark on both films, refine only (%(default)s)",
    )
    parser.add_argument(
        "--fitted",
        type=float,
        metavar="SHARE",
        help=f"of crops shown with a fitted model, refine only {_both('fitted')}",
    )
    parser.add_argument("--seed", type=int, default=default.seed, help="of everything random (%(default)s)")
    parser.add_argument(
        "--cache", type=Path, help="folder of the ingredients (OUTPUT/ingredients; refine OUTPUT/fine_ingredients)"
    )
    parser.add_argument(
        "--contact-sheet",
        type=Path,
        metavar="PNG",
        help="only draw what films are made of; takes --shape-model and --seed",
    )
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help="(%(default)s)")
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--resume", action="store_true", help="go on from the checkpoint in the output folder")
    begin.add_argument(
        "--start-from",
        metavar="WEIGHTS",
        help="begin with these weights, a file of the same stage; 'registered' means those that come with the program",
    )
    ablation = parser.add_argument_group("ablations, to measure what a part is worth")
    ablation.add_argument("--no-fusion", action="store_true", help="decoders that exchange no features (spine only)")
    ablation.add_argument("--single-task", choices=("landmarks", "images"), help="train only one of the two tasks")
    ablation.add_argument("--plain-films", action="store_true", help="films without noise, artefacts and processing")


def _both(key: str) -> str:
    """Return the defaults of the two stages for a help text."""
    first, refine = (getattr(options, key) for options in (TrainingOptions(), TrainingOptions.refine()))
    return f"({first:g})" if first == refine else f"({first:g}; refine {refine:g})"


def run(args: argparse.Namespace) -> int:
    """Train as the arguments say; returns the exit status.

    Raises:
        LumbarBiplanarError: for anything wrong with data, options or output.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from .anatomy import read_context
    from .loop import beginning, file_names, train
    from .pool import WHOLE_SHARE, build_pool
    from .tasks import RefineTask, SpineTask

    if args.contact_sheet is not None:
        return _draw_contact_sheet(args)
    options = _options(args)
    if args.output is None:
        raise StudyError("--output is missing: the folder for weights, record and checkpoint.")
    checkpoint, weights, _ = (args.output / name for name in file_names(args.stage))
    if weights.exists() and not args.resume:
        raise StudyError(f"{weights} exists; choose another output folder, or --resume.")
    if checkpoint.exists() and not args.resume:
        raise StudyError(f"{checkpoint} exists; --resume goes on from it, or choose another folder.")
    if args.resume and not checkpoint.exists():
        raise StudyError(f"{checkpoint}: there is no checkpoint to go on from; leave out --resume.")
    refine = args.stage == "refine"
    how = {"device": args.device, "resume": args.resume, "start_from": args.start_from}
    beginning(RefineTask if refine else SpineTask, args.output, options, **how)  # before minutes go into drawing
    make_folder(args.output)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        model, about = _shape_model(args, bars)
        task = RefineTask(model) if refine else SpineTask()
        pool = args.cache or args.output / ("fine_ingredients" if refine else "ingredients")
        drawing = bars.add_task("drawing spines", total=options.subjects)
        pitch_mm = FINE_PITCH_MM if refine else PITCH_MM
        # Only the first stage sees films; crops of one vertebra are alike on short and long ones.
        drawn = {"pitch_mm": pitch_mm, "whole_share": 0.0 if refine else WHOLE_SHARE, "jobs": options.workers or 1}
        context = partial(read_context, args.data, drawn["jobs"])
        for done in build_pool(pool, model, context, options.subjects, options.seed, **drawn):
            bars.update(drawing, completed=done)
        training = bars.add_task("training", total=options.steps or round(60 * options.minutes))

        def told(state: TrainingProgress) -> None:
            losses = f"landmarks {state.landmark_loss:.2f}, image {state.image_loss_mm:.2f} mm"
            done = state.step if options.steps else round(state.seconds)
            bars.update(training, completed=done, description=f"training: step {state.step}, {losses}")

        ended = train(pool, args.output, options, about=about, task=task, told=told, **how)
    print(f"Weights: {weights} ({sha256_of(weights)[:16]}...)")
    waited = ended.waiting_seconds / max(ended.seconds, 1e-9)
    if waited > _MUCH_WAITING:
        console.print(
            f"The training waited for its films {100 * waited:.0f} % of the time: more --workers would make it faster, "
            "on a GPU also --films-on-gpu.",
            soft_wrap=True,
        )
    return 0


def _draw_contact_sheet(args: argparse.Namespace) -> int:
    """Write the contact sheet of one spine of the shape model at hand; nobody has to be left out of a picture.

    Raises:
        StudyError: if an option is given that a sheet does not heed.
        OutputError: if the file exists.
    """
    from tempfile import TemporaryDirectory

    from ..shape.storage import load_shape_model
    from .anatomy import read_context
    from .contact_sheet import draw_contact_sheet
    from .pool import build_pool

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    defaults = vars(parser.parse_args(["--data", "."]))
    ignored = [key for key, value in defaults.items() if key not in _OF_A_SHEET and getattr(args, key) != value]
    if ignored:
        names = ", ".join("--" + key.replace("_", "-") for key in ignored)
        raise StudyError(f"--contact-sheet trains nothing and would ignore {names}; leave out the one or the other.")
    if args.contact_sheet.exists():
        raise OutputError(f"{args.contact_sheet} exists; give --contact-sheet another name.")
    model = load_shape_model(args.shape_model)
    with TemporaryDirectory() as folder:
        list(build_pool(folder, model, read_context(args.data), 1, args.seed, whole_share=0.0))
        draw_contact_sheet(args.contact_sheet, Path(folder) / "00000.npz", args.seed)
    print(f"Contact sheet: {args.contact_sheet}")
    return 0


def _options(args: argparse.Namespace) -> TrainingOptions:
    default = TrainingOptions.refine() if args.stage == "refine" else TrainingOptions()
    given = {"subjects": args.films, "minutes": args.minutes, "batch": args.batch, "workers": args.workers}
    given |= {"fitted": args.fitted}
    given = {key: value for key, value in given.items() if value is not None}
    if args.films is not None and args.films < 1:
        raise StudyError(f"--films must be at least 1, found {args.films}.")
    if args.fitted and args.stage != "refine":
        raise StudyError("--fitted is about the crops of the second stage; leave it out, or --stage refine.")
    if args.consistency and args.stage != "refine":
        raise StudyError("--consistency is about pairs of crops of the second stage; leave it out, or --stage refine.")
    if args.no_fusion and args.stage == "refine":
        raise StudyError("--no-fusion is about the two decoders of the first stage; leave it out, or --stage spine.")
    given |= {"consistency_weight": args.consistency}
    given |= {
        "films_on_gpu": args.films_on_gpu,
        "fusion": not args.no_fusion,
        "single_task": args.single_task or "",
        "plain_films": args.plain_films,
    }
    try:
        return replace(default, steps=args.steps, seed=args.seed, **given)
    except ValueError as error:
        raise StudyError(str(error)) from None


def _shape_model(args: argparse.Namespace, bars) -> tuple[ShapeModel, dict]:
    """Return the model to draw from, built anew if people are to be left out, and what the record says of it."""
    from ..shape.pipeline import model_without
    from ..shape.storage import load_shape_model

    if args.leave_out and args.shape_model is not None:
        raise StudyError("--leave-out builds a shape model and --shape-model gives one; use one of them.")
    if args.leave_out:
        task = bars.add_task("shape model")
        model = model_without(
            args.data,
            args.leave_out,
            args.output / "shape_model.npz",
            lambda what, done, total: bars.update(task, completed=done, total=total),
            args.workers or 1,
        )
    else:
        model = load_shape_model(args.shape_model)
    return model, {"shape_model_sha256": model.sha256, "left_out": sorted(args.leave_out)}
