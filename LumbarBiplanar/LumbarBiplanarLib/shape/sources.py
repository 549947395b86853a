"""The people the shape model is built from: where each vertebra comes from and which are left out.

Reads the folder of open data that docs/shape-model.md lists; a user's own segmentations come in through
``mask_specimens``.
"""

from __future__ import annotations

import gzip
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..anatomy import LUMBAR_LEVELS, Level
from ..errors import ShapeModelError
from ..imaging import Volume
from .label_masks import TOTALSEG_LABELS, VERSE_LABELS, Note, read_labels, whole_vertebrae
from .surfaces import Surface, from_polydata, largest_component, oriented_outward, read_surface

# Axes of meshes with x forward, y left, z up (ISO 2631) as RAS: x = right = -left.
_RAS_FROM_ISO = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
_VERSE_SPINES = ("004", "006", "007", "009", "010")
_VERSE_L1 = ("016", "022", "023", "024", "026", "030")
# Fractured or deformed, as the data's README says: kept out of mean and modes.
FRACTURED = frozenset(
    {
        ("verse004", Level.L1),
        ("verse009", Level.L3),
        ("verse009", Level.L5),
        ("verse010", Level.L1),
        ("verse022", Level.L1),
        ("verse024", Level.L1),
        ("verse030", Level.L1),
    }
)
# Processes cut off or ragged: kept out too, since what a surface lacks would pass for a short process.
INCOMPLETE = frozenset({("verse023", Level.L1), ("verse026", Level.L1)})
# The mean of 87 people: it steadies the means of L2-L5 but is no subject.
POPULATION_MEAN = "mean87"
SAMPLE_STUDY_SUBJECT = "wholebodyct"


@dataclass(frozen=True)
class Specimen:
    """One vertebra of one person.

    Attributes:
        subject: who; all specimens of a subject are left out together.
        level: which vertebra.
        surface: its surface in RAS mm.
        fractured: True keeps it out of the mean and the modes.
        incomplete: True if processes are missing or ragged; kept out of the mean and the modes.
    """

    subject: str
    level: Level
    surface: Surface
    fractured: bool = False
    incomplete: bool = False

    @property
    def name(self) -> str:
        """Subject and level, for messages."""
        return f"{self.subject} {self.level.name}"


def _specimen(subject: str, level: Level, surface: Surface) -> Specimen:
    key = (subject, level)
    return Specimen(subject, level, oriented_outward(surface), key in FRACTURED, key in INCOMPLETE)


def mask_specimens(
    source: str | Path | Volume,
    subject: str,
    labels: Mapping[Level, int] | None = None,
    *,
    note: Note = lambda text: None,
) -> list[Specimen]:
    """Return the complete lumbar vertebrae of a label mask (VerSe labels unless ``labels`` says otherwise).

    A vertebra that touches the border of the volume is cut off and therefore left out; ``note`` is told, also of one
    in pieces.

    Args:
        source: the mask or its file.
        subject: whose it is.
        labels: {level: value of its label}.
        note: called with a line for what is there and not used, or doubtful.

    Raises:
        ShapeModelError: if the file cannot be read, is no mask, or its levels are not in order from head to feet.
    """
    volume = source if isinstance(source, Volume) else read_labels(source)
    found = whole_vertebrae(volume, labels or VERSE_LABELS, note)
    return [_specimen(subject, level, surface) for level, surface in found.items()]


def read_specimens(data: str | Path, *, leave_out: Iterable[str] = (), include_sample: bool = False) -> list[Specimen]:
    """Read every lumbar vertebra of the open data.

    Args:
        data: folder with ``verse-spines``, ``verse-l1-meshes``, ``lumbar-mean-87``, ``visible-human-male``,
            ``l3-subregions`` and ``whole-body-ct``.
        leave_out: subjects not to read.
        include_sample: also read the person of the sample study, who is in no model.

    Raises:
        ShapeModelError: if a file is missing or unreadable.
    """
    data = Path(data)
    skip = set(leave_out)
    readers = {
        POPULATION_MEAN: lambda: _population_mean(data),
        "vhm": lambda: _visible_human(data),
        "l3subregions": lambda: [
            item
            for item in mask_specimens(data / "l3-subregions/sub-ct_seg-vert_label-22_msk.nii.gz", "l3subregions")
            if item.level is Level.L3
        ],
        "ref20": lambda: [_l1_mesh(data, "ref20", "ref_20")],
    }
    for case in _VERSE_SPINES:
        path = data / f"verse-spines/sub-verse{case}_seg-vert_msk.nii.gz"
        readers[f"verse{case}"] = lambda path=path, case=case: mask_specimens(path, f"verse{case}")
    for case in _VERSE_L1:
        readers[f"verse{case}"] = lambda case=case: [_l1_mesh(data, f"verse{case}", f"sub-verse{case}_segment_20")]
    if include_sample:
        path = data / "whole-body-ct/example_ct_totalseg_vertebrae.nii.gz"
        readers[SAMPLE_STUDY_SUBJECT] = lambda: mask_specimens(path, SAMPLE_STUDY_SUBJECT, TOTALSEG_LABELS)
    return [item for subject, reader in readers.items() if subject not in skip for item in reader()]


def _l1_mesh(data: Path, subject: str, stem: str) -> Specimen:
    surface = read_surface(data / f"verse-l1-meshes/{stem}.ply", lps=True)
    return _specimen(subject, Level.L1, largest_component(surface))


def _visible_human(data: Path) -> list[Specimen]:
    found = []
    for level in LUMBAR_LEVELS:
        surface = read_iso_mesh(data / f"visible-human-male/{level.name}_Schrumpfverpacken.obj.gz")
        found.append(_specimen("vhm", level, largest_component(surface)))
    return found


def read_iso_mesh(path: Path) -> Surface:
    """Read a gzipped OBJ mesh in m, x forward, y left, z up, as a surface in RAS mm; raises ShapeModelError."""
    from vtkmodules.vtkFiltersCore import vtkCleanPolyData
    from vtkmodules.vtkIOGeometry import vtkOBJReader

    if not path.is_file():
        raise ShapeModelError(
            f"{path}: there is no such file; check --data, the folder of open data (docs/shape-model.md)."
        )
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "mesh.obj"
        try:
            plain.write_bytes(gzip.decompress(path.read_bytes()))
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ShapeModelError(f"{path}: the file is damaged ({error}); get it again.") from None
        reader = vtkOBJReader()
        reader.SetFileName(str(plain))
        reader.Update()
    clean = vtkCleanPolyData()
    clean.SetInputData(reader.GetOutput())
    clean.Update()
    surface = from_polydata(clean.GetOutput())
    return Surface(1000.0 * surface.points_ras_mm @ _RAS_FROM_ISO.T, surface.faces)


def _population_mean(data: Path) -> list[Specimen]:
    from scipy import sparse

    path = data / "lumbar-mean-87/mean_L2-L5.npz"
    if not path.is_file():
        raise ShapeModelError(
            f"{path}: there is no such file; check --data, the folder of open data (docs/shape-model.md)."
        )
    try:
        with np.load(path) as archive:
            points, faces = archive["vertices_mm"].astype(float), archive["triangles"].astype(np.int64)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ShapeModelError(f"{path}: the file is damaged ({error}); get it again.") from None
    points = points @ _RAS_FROM_ISO.T
    edges = np.concatenate([faces[:, :2], faces[:, 1:]])
    graph = sparse.coo_matrix((np.ones(len(edges)), edges.T), shape=(len(points),) * 2)
    count, part = sparse.csgraph.connected_components(graph, directed=False)
    heights = sorted(range(count), key=lambda k: -points[part == k][:, 2].mean())
    if count != 4:
        raise ShapeModelError(f"{path}: expected four separate vertebrae, found {count}.")
    found = []
    for level, k in zip(LUMBAR_LEVELS[1:], heights, strict=True):
        index = np.cumsum(part == k) - 1
        own = faces[part[faces[:, 0]] == k]
        found.append(_specimen(POPULATION_MEAN, level, Surface(points[part == k], index[own])))
    return found
