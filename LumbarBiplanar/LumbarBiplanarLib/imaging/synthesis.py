"""From the files of a CT and its mask to the files of a case: what ``lumbar-biplanar synthesize`` calls."""

from __future__ import annotations

from pathlib import Path

from ..errors import VolumeError
from ..files import sha256_of, write_json
from ..geometry import FilmPair, save_geometry
from .drawing import DrawnFilms, draw_films
from .grids import on_grid_of
from .segments import segment_labels
from .volume import Volume, read_volume
from .writing import write_film, write_lumbar_image

FILM_NAMES = {"AP": "ap", "lateral": "lateral"}


def draw_films_from_files(ct_path: str | Path, mask_path: str | Path, pair: FilmPair, **options) -> DrawnFilms:
    """Read a CT and its label mask and draw both films.

    Args:
        ct_path: CT in Hounsfield units (NIfTI, NRRD, MetaImage).
        mask_path: vertebra labels on the voxels of the CT, or a crop of them (``on_grid_of``).
        pair: views of the films, in the frame of the CT.
        options: those of ``draw_films`` (seed, photons, blur_mm, compression, energy_kev, upsample, convention,
            device); without a convention the names that a segmentation of 3D Slicer has go first.

    Raises:
        VolumeError: if a file cannot be read, the CT is not in HU, the grids differ, the labels cannot be told or no
            lumbar vertebra falls on a film; names the file.
    """
    ct = read_volume(ct_path)
    mask = on_grid_of(ct, read_volume(mask_path))
    check_hounsfield(ct)
    if options.get("convention") is None:
        options["convention"] = segment_labels(mask_path)
    try:
        return draw_films(ct.data, mask.data, mask.ras_from_ijk, pair, **options)
    except VolumeError as error:
        raise VolumeError(f"{mask_path}: {error}") from None


def check_hounsfield(ct: Volume) -> None:
    """Raise VolumeError unless a CT looks like Hounsfield units."""
    if ct.data.min() > -200 or ct.data.max() < 200:
        raise VolumeError(
            f"{ct.path}: values {ct.data.min():g} to {ct.data.max():g} are not a CT in Hounsfield units with air "
            "(-1000) and bone (above 200); rescale it, or choose a CT that is not cut out."
        )


def write_drawn_films(drawn: DrawnFilms, folder: str | Path, options: dict | None = None) -> list[Path]:
    """Write a drawn case: films, lumbar-only images, geometry, and how they were made.

    Files: ``ap.png``, ``lateral.png`` (16 bits, bone bright), ``lumbar_ap.nrrd``, ``lumbar_lateral.nrrd`` (float32,
    mm of bone), ``geometry.json``, ``films.json`` (hashes and options). Existing files of these names are replaced.

    Args:
        drawn: from ``draw_films`` or ``draw_films_from_files``.
        folder: an existing folder.
        options: what the films were drawn with, written to films.json as it is.

    Returns:
        The files written.

    Raises:
        StudyError: if a file cannot be written.
    """
    folder, written = Path(folder), []
    for film in drawn.films:
        stem = FILM_NAMES[film.view.name]
        write_film(folder / f"{stem}.png", film.pixels)
        write_lumbar_image(folder / f"lumbar_{stem}.nrrd", drawn.lumbar_mm[film.view.name])
        written += [folder / f"{stem}.png", folder / f"lumbar_{stem}.nrrd"]
    save_geometry(drawn.pair, folder / "geometry.json")
    written.append(folder / "geometry.json")
    record = {
        "format": "LumbarBiplanar drawn films",
        "version": 1,
        "levels": [level.name for level in drawn.labels],
        "polarity": drawn.ap.polarity.value,
        "options": options or {},
        "sha256": {path.name: sha256_of(path) for path in written},
    }
    write_json(folder / "films.json", record)
    return [*written, folder / "films.json"]
