"""``lumbar-biplanar register-ct``: known vertebrae registered rigidly to two films."""

from __future__ import annotations

import argparse
from pathlib import Path

from .reconstruct import add_film_arguments, add_running_arguments, case_of
from .terminal import progress_bar, warn

SUMMARY = "register vertebrae of a CT rigidly to two films"
DESCRIPTION = """\
Register vertebrae that are known from a CT to an AP and a lateral film, each on its own and without changing its shape.
This is how the truth is found that a reconstruction from films of a real person can be judged by."""
EPILOG = """\
examples:
  lumbar-biplanar register-ct --ap ap.png --lateral lateral.png --geometry geometry.json --surfaces ct --output truth
      ct holds L1.vtp ... L5.vtp, or .stl, .ply, .obj: closed surfaces in mm, axes R, A, S
  lumbar-biplanar register-ct ... --surfaces ct_labels.nii.gz --output truth
      a label mask with the labels of VerSe: 20 to 24 are L1 to L5
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
    parser.add_argument("--lps", action="store_true", help="the surfaces of the folder are LPS instead of RAS")
    add_film_arguments(parser)
    add_running_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run ``register-ct``."""
    from ..study.ct_registration import FILES, CtRegistration, read_vertebrae, register_ct, write_ct_registration
    from ..study.output import output_folder
    from ..study.steps import STAGES

    weights = None if args.weights is None else str(args.weights)
    with output_folder(args.output, force=args.force, owned=FILES) as folder:
        case, surfaces = case_of(args), read_vertebrae(args.surfaces, lps=args.lps)
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
