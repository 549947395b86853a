"""``lumbar-biplanar register-ct``: known vertebrae registered rigidly to two films."""

from __future__ import annotations

import argparse
from pathlib import Path

from .labels import add_labels, labels_of
from .reconstruct import add_film_arguments, add_running_arguments, case_of
from .terminal import progress_bar, warn

SUMMARY = "register vertebrae of a CT rigidly to two films"
DESCRIPTION = """\
Register vertebrae that are known from a CT to an AP and a lateral film, each on its own and without changing its shape.
This is how the truth is found that a reconstruction from films of a real person can be judged by."""
EPILOG = """\
examples:
  lumbar-biplanar register-ct --ap ap.png --lateral lateral.png --geometry geometry.json --surfaces ct --output truth
      ct holds L1.vtp ... L5.vtp, or .vtk, .stl, .ply, .obj: closed surfaces in mm, RAS unless they state LPS
  lumbar-biplanar register-ct ... --surfaces ct_labels.nii.gz --output truth
      a label mask with the labels of VerSe (20 to 24 are L1 to L5) or of TotalSegmentator (31 to 27)
  lumbar-biplanar register-ct ... --surfaces segmentation.nrrd --labels L1=1 L2=2 L3=3 L4=4 L5=5 --output truth
      a mask with labels of its own, such as a segmentation of 3D Slicer
  lumbar-biplanar evaluate --reconstruction result --truth truth
      compare a reconstruction of the same films with it

written to OUTPUT, all or nothing (docs/file-formats.md):
  L1.vtp L1.stl ... L5.vtp L5.stl    the surfaces given, moved into the frame of the films, RAS, mm
  ct_registration.json               ras_from_ct of every level, residuals, device, seconds, versions, input hashes
  landmarks.json measurements.csv overlay_ap.png overlay_lateral.png spine_3d.png"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``register-ct`` to a parser."""
    parser.add_argument(
        "--surfaces", type=Path, required=True, metavar="PATH", help="folder of surfaces, or a label mask"
    )
    parser.add_argument(
        "--lps", action="store_true", help="surfaces of the folder that state no frame are LPS instead of RAS"
    )
    add_labels(parser, "labels in the mask (told from the mask)")
    add_film_arguments(parser)
    add_running_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run ``register-ct``."""
    from ..study.ct_registration import CtRegistration, read_vertebrae, register_ct, write_ct_registration
    from ..study.output import output_folder
    from ..study.results import FILES
    from ..study.steps import STAGES

    weights = None if args.weights is None else str(args.weights)
    _check_surfaces(args)
    notes: list[str] = []
    with output_folder(args.output, force=args.force, owned=FILES) as folder:
        case, labels = case_of(args), labels_of(args.labels)
        surfaces = read_vertebrae(args.surfaces, lps=args.lps, labels=labels, note=notes.append)
        warn(notes)
        found = None
        with progress_bar("registering", args.verbose) as update:
            how = {"device": args.device, "weights": weights, "level_shift": args.shift_levels}
            running = register_ct(case, surfaces, progress=lambda text: update(text, 0.0), **how)
            for found in running:
                if not isinstance(found, CtRegistration):
                    share = (STAGES.index(found.stage) + found.fraction) / len(STAGES)
                    update(f"{found.stage}: {found.message}", share)
        write_ct_registration(found, folder)
    warn(found.result.warnings)
    residual = found.result.reconstruction.landmark_residual_mm
    print(f"Levels {', '.join(level.name for level in found.ras_from_ct)}")
    print("Landmark residual (mm, RMS): " + ", ".join(f"{name} {value:.1f}" for name, value in residual.items()))
    print(f"Written to {args.output}")
    return 0


def _check_surfaces(args: argparse.Namespace) -> None:
    """Refuse options of which one would be ignored."""
    from ..errors import StudyError

    if args.labels and args.surfaces.is_dir():
        raise StudyError(f"--labels is about a mask, but {args.surfaces} is a folder of surfaces; leave it out.")
    if args.lps and args.surfaces.is_file():
        raise StudyError(
            f"--lps is about a folder of surfaces, but {args.surfaces} is a file; a mask says itself how its axes run. "
            "Leave it out."
        )
