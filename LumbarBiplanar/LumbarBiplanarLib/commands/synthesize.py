"""``lumbar-biplanar synthesize``: a CT and its vertebra masks to a film pair with its truth."""

from __future__ import annotations

import argparse
from pathlib import Path

from .labels import add_labels, labels_of
from .terminal import counted, progress_bar, warn

SUMMARY = "draw a film pair from a CT and its vertebra masks, with true surfaces and landmarks"
EPILOG = """\
example:
  lumbar-biplanar synthesize --ct ct.nii.gz --mask vertebrae.nii.gz --geometry geometry.json --output case
  lumbar-biplanar reconstruct --ap case/ap.png --lateral case/lateral.png --geometry case/geometry.json --output result
  lumbar-biplanar evaluate --reconstruction result --truth case --json errors.json

The CT is in Hounsfield units, the mask on its voxels (or a crop of them) with VerSe labels (20-24 = L1-L5), those of
TotalSegmentator (31-27 = L1-L5), or others that --labels names. The geometry is in the frame of the CT (RAS, mm);
docs/geometry.md says how to make one.

written to OUTPUT, all or nothing:
  ap.png lateral.png                   films, 16 bits, bone bright
  lumbar_ap.nrrd lumbar_lateral.nrrd   lumbar-only images, mm of bone along each ray
  geometry.json films.json             geometry; options and hashes
  truth/L1.vtp ... truth/landmarks.json   true surfaces (RAS, mm) and landmarks"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``synthesize`` to a parser."""
    parser.add_argument("--ct", type=Path, required=True, metavar="FILE", help="CT in HU (NIfTI, NRRD, MetaImage)")
    parser.add_argument("--mask", type=Path, required=True, metavar="FILE", help="vertebra labels on the CT's voxels")
    parser.add_argument("--geometry", type=Path, required=True, metavar="JSON", help="views of the films")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for the case")
    parser.add_argument("--force", action="store_true", help="replace an earlier case in a folder that is not empty")
    add_labels(parser, "labels in the mask (told from the mask, or 'auto')")
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise (0)")
    parser.add_argument("--photons", type=float, default=1e6, help="unattenuated photons per pixel; 0: no noise (1e6)")
    parser.add_argument(
        "--energy", type=float, default=70.0, metavar="KEV", help="effective energy of the beam behind the patient (70)"
    )
    parser.add_argument("--blur", type=float, default=0.3, metavar="MM", help="blur of the detector, SD in mm (0.3)")
    parser.add_argument(
        "--upsample", type=int, choices=(1, 2, 3, 4), default=1, help="refine the voxels of a coarse CT first (1)"
    )
    parser.add_argument("--faces", type=int, default=12000, help="triangles of a true surface, about (12000)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (auto)")


def run(args: argparse.Namespace) -> int:
    """Run ``synthesize``; raises VolumeError for options, CT or mask that cannot be used."""
    from ..errors import VolumeError
    from ..geometry import load_geometry
    from ..shape import load_shape_model
    from ..study.output import output_folder
    from ..study.run import check_device
    from ..study.synthetic import FILES, write_synthetic_case

    for option, value, largest in (("--photons", args.photons, 1e15), ("--blur", args.blur, 100.0)):
        if not 0 <= value <= largest:
            raise VolumeError(f"{option} is {value:g}; give a number from 0 to {largest:g}.")
    for option, value, least in (("--faces", args.faces, 100), ("--seed", args.seed, 0)):
        if value < least:
            raise VolumeError(f"{option} is {value}; give a whole number of at least {least}.")
    if not 40.0 <= args.energy <= 100.0:
        raise VolumeError(f"--energy is {args.energy:g} keV; give 40 to 100 keV, where the attenuations are tabulated.")
    convention, notes = _convention(args.labels), []
    with (
        output_folder(args.output, force=args.force, owned=FILES) as folder,
        progress_bar("synthesizing", args.verbose) as update,
    ):
        write_synthetic_case(
            args.ct,
            args.mask,
            load_geometry(args.geometry),
            folder,
            load_shape_model(),
            truth_faces=args.faces,
            progress=counted(update),
            seed=args.seed,
            photons=args.photons,
            energy_kev=args.energy,
            blur_mm=args.blur,
            upsample=args.upsample,
            convention=convention,
            note=notes.append,
            device=check_device(args.device),
        )
    warn(notes)
    print(f"Case written to {args.output}")
    return 0


def _convention(given: list[str]):
    """Return what ``draw_films`` takes of --labels: a name that it knows itself, {level: label}, or None."""
    if given == ["auto"]:
        return None
    from ..imaging import LABELS

    return given[0] if len(given) == 1 and given[0] in LABELS else labels_of(given)
