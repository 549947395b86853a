"""From a folder of people to a shape model, in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..anatomy import Level
from ..errors import ShapeModelError
from .annotation import Annotation, annotate, coarse_mesh
from .building import BuildOptions, build_model
from .model import ShapeModel
from .registering import Registered, register_specimen, register_specimens
from .sources import POPULATION_MEAN, SAMPLE_STUDY_SUBJECT, Specimen, mask_specimens, read_specimens
from .surfaces import Surface
from .template import Template, symmetric_template

_SUBREGION_MASK = "l3-subregions/sub-ct_seg-subreg_label-22_msk.nii.gz"
_COARSE_FACES = 4000
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Collection:
    """Vertebrae of many people in correspondence with one template.

    Attributes:
        template, annotation: the template and the names of its parts.
        coarse: vertices and faces of the thinner mesh.
        registered: the vertebrae.
    """

    template: Template
    annotation: Annotation
    coarse: tuple[np.ndarray, np.ndarray]
    registered: tuple[Registered, ...]

    @property
    def subjects(self) -> tuple[str, ...]:
        """People in the collection, sorted; the population mean is none."""
        return tuple(sorted({item.specimen.subject for item in self.registered} - {POPULATION_MEAN}))

    def build(self, leave_out: Iterable[str] = (), options: BuildOptions | None = None) -> ShapeModel:
        """Build the model without the people in ``leave_out``; the person of the sample study is never in.

        Raises:
            ShapeModelError: if somebody named is not in the collection, or too few are left.
        """
        leave_out = set(leave_out)
        unknown = leave_out - {item.specimen.subject for item in self.registered} - {SAMPLE_STUDY_SUBJECT}
        if unknown:
            raise ShapeModelError(
                f"Nobody called {', '.join(sorted(unknown))} in the data; there are {', '.join(self.subjects)}."
            )
        leave_out |= {SAMPLE_STUDY_SUBJECT}
        kept = [item for item in self.registered if item.specimen.subject not in leave_out]
        return build_model(self.template, self.annotation, self.coarse, kept, options)


def collect_open_data(
    data: str | Path, *, include_sample: bool = False, progress: Progress | None = None
) -> Collection:
    """Read the open data and bring every vertebra into correspondence (some minutes).

    The template is the L3 of the population mean made symmetric; its regions come from the sub-region mask.

    Args:
        data: the folder that docs/shape-model.md describes.
        include_sample: also register the person of the sample study, for evaluation.
        progress: called with (what, done, of how many).

    Raises:
        ShapeModelError: if something is missing or unreadable.
    """
    specimens = read_specimens(data, include_sample=include_sample)
    by_name = {(item.subject, item.level): item for item in specimens}
    template = symmetric_template(by_name[(POPULATION_MEAN, Level.L3)].surface)
    labelled = by_name[("l3subregions", Level.L3)]
    on_labels = register_specimen(template.surface.points_ras_mm, template.surface.faces, labelled)
    annotation = annotate(template, on_labels.points_mm, Path(data) / _SUBREGION_MASK)
    coarse = coarse_mesh(template.surface, _COARSE_FACES)
    return _collect(template, annotation, coarse, specimens, progress)


def collect_masks(paths: Iterable[str | Path], model: ShapeModel, *, progress: Progress | None = None) -> Collection:
    """Bring the vertebrae of label masks (VerSe labels, one file per person) into correspondence with ``model``.

    The model's mean L3 is the template and lends its regions, endplates and landmarks. The name of a file, up to its
    first dot, names the person.

    Raises:
        ShapeModelError: if a file cannot be read or no complete lumbar vertebra is found.
    """
    specimens: list[Specimen] = []
    for path in map(Path, paths):
        specimens.extend(mask_specimens(path, path.name.split(".")[0]))
    if not specimens:
        raise ShapeModelError("No complete lumbar vertebra (labels 20-24) in the masks given.")
    template = Template(Surface(model.mean(Level.L3).copy(), model.faces), model.mirror)
    annotation = Annotation(model.region_labels, model.endplate_labels, model.landmark_vertices)
    return _collect(template, annotation, (model.coarse_vertices, model.coarse_faces), specimens, progress)


def _collect(template, annotation, coarse, specimens, progress) -> Collection:
    registered = []
    for item in register_specimens(template, specimens):
        registered.append(item)
        if progress:
            progress(item.specimen.name, len(registered), len(specimens))
    return Collection(template, annotation, coarse, tuple(registered))


def with_provenance(model: ShapeModel, **entries: object) -> ShapeModel:
    """Return the model with ``entries`` added to its provenance (command, licence, date ...)."""
    return replace(model, provenance={**model.provenance, **entries})
