"""From a folder of people to a shape model, in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..anatomy import Level
from ..errors import ShapeModelError
from ..geometry.frames import similarity_fit, transform_points
from .annotation import Annotation, annotate, coarse_mesh
from .building import BuildOptions, build_model
from .model import ShapeModel
from .registering import Registered, register_specimen, register_specimens
from .sources import POPULATION_MEAN, SAMPLE_STUDY_SUBJECT, Specimen, read_specimens
from .storage import load_shape_model, save_shape_model
from .surfaces import Surface
from .template import Template, symmetric_template

_SUBREGION_MASK = "l3-subregions/sub-ct_seg-subreg_label-22_msk.nii.gz"
_COARSE_FACES = 4000
# Modes are smooth: some of the vertices, known to about what the modes leave of a sound one, tell the coefficients.
_EVERY, _DEVIATION_SIGMA_MM = 7, 1.0
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
    data: str | Path,
    *,
    model: ShapeModel | None = None,
    include_sample: bool = False,
    progress: Progress | None = None,
    jobs: int = 1,
) -> Collection:
    """Read the open data and bring every vertebra into correspondence (some minutes).

    Args:
        data: the folder that docs/shape-model.md describes.
        model: shape model that lends the template, so that vertices, faces and landmarks stay the same; None makes the
            template anew: the L3 of the population mean made symmetric, with regions from the sub-region mask.
        include_sample: also register the person of the sample study, for evaluation.
        progress: called with (what, done, of how many).
        jobs: processes that share the work; 1 means this one.

    Raises:
        ShapeModelError: if something is missing or unreadable.
    """
    specimens = read_specimens(data, include_sample=include_sample)
    if model is not None:
        return _collect(*_template_of(model), specimens, progress, jobs=jobs)
    by_name = {(item.subject, item.level): item for item in specimens}
    template = symmetric_template(by_name[(POPULATION_MEAN, Level.L3)].surface)
    labelled = by_name[("l3subregions", Level.L3)]
    on_labels = register_specimen(template.surface.points_ras_mm, template.surface.faces, labelled)
    annotation = annotate(template, on_labels.points_mm, Path(data) / _SUBREGION_MASK)
    coarse = coarse_mesh(template.surface, _COARSE_FACES)
    return _collect(template, annotation, coarse, specimens, progress, jobs=jobs)


def model_without(
    data: str | Path, leave_out: Iterable[str], path: str | Path, progress: Progress | None = None, jobs: int = 1
) -> ShapeModel:
    """Return the model that the open data gives without some people, kept in a file; built if that is not there.

    Args:
        data: the folder that docs/shape-model.md describes.
        leave_out: who must not be in it.
        path: of the model; a file that is there is taken, unless somebody to be left out is in it.
        progress: called with (what, done, of how many).
        jobs: processes that share the work; 1 means this one.

    Raises:
        ShapeModelError: if data is missing or unreadable, somebody is unknown, or the file is not such a model.
        OutputError: if the file cannot be written.
    """
    if not Path(path).exists():
        save_shape_model(collect_open_data(data, progress=progress, jobs=jobs).build(leave_out), path)
    return read_model_without(leave_out, path)


def read_model_without(people: Iterable[str], path: str | Path) -> ShapeModel:
    """Read a shape model that some people must not be in.

    Raises:
        ShapeModelError: if one of them is in it, or it cannot be read.
    """
    model = load_shape_model(path)
    known = sorted(set(people) & set(model.provenance.get("people", ())))
    if known:
        raise ShapeModelError(
            f"{path}: {', '.join(known)} must be left out and {'is' if len(known) == 1 else 'are'} in this shape "
            "model; give another one, or another output folder."
        )
    return model


def _template_of(model: ShapeModel) -> tuple[Template, Annotation, tuple[np.ndarray, np.ndarray]]:
    """Return template, annotation and thinner mesh of a model; its mean L3 is the template."""
    template = Template(Surface(model.mean(Level.L3).copy(), model.faces), model.mirror)
    annotation = Annotation(model.region_labels, model.endplate_labels, model.landmark_vertices)
    return template, annotation, (model.coarse_vertices, model.coarse_faces)


def collect_people(specimens: Iterable[Specimen], model: ShapeModel, *, progress: Progress | None = None) -> Collection:
    """Bring vertebrae of a user's own people into correspondence with ``model``.

    The model lends its template with regions, endplates and landmarks. Its means are in the collection as the
    population mean: every level has one whoever the people are, and each vertebra starts from its own level's.

    Raises:
        ShapeModelError: if there is no vertebra.
    """
    specimens = list(specimens)
    if not specimens:
        raise ShapeModelError(
            "No complete lumbar vertebra in the files given; docs/shape-model.md says what is needed."
        )
    template, annotation, coarse = _template_of(model)
    means = [
        Registered(Specimen(POPULATION_MEAN, level, Surface(points, model.faces)), points, 0.0)
        for level, points in zip(model.levels, model.mean_points_mm, strict=True)
    ]
    starts = {item.specimen.level: item.points_mm for item in means}
    return _collect(template, annotation, coarse, specimens, progress, means, starts)


def shape_deviation(model: ShapeModel, item: Registered) -> float:
    """Return how far a vertebra's shape is from what the model expects, in standard deviations per mode (RMS).

    A vertebra that lies turned or mirrored in its file can be met as closely as another, but only by a shape that no
    vertebra has: sound ones of the open data have 0.3 to 0.8, the most collapsed one 1.1, turned or mirrored ones 2
    to 5.

    Args:
        model: a shape model on the template of ``item``, of its level.
        item: the vertebra in correspondence.
    """
    mean = model.mean(item.specimen.level)
    local = transform_points(similarity_fit(item.points_mm, mean), item.points_mm)
    some = np.arange(0, len(mean), _EVERY)
    found = model.posterior(item.specimen.level, some, local[some], _DEVIATION_SIGMA_MM)
    return float(np.sqrt(np.mean(found.mean**2)))


def _collect(template, annotation, coarse, specimens, progress, known=(), starts=None, jobs=1) -> Collection:
    registered = list(known)
    for done, item in enumerate(register_specimens(template, specimens, starts, jobs)):
        registered.append(item)
        if progress:
            progress(item.specimen.name, done + 1, len(specimens))
    return Collection(template, annotation, coarse, tuple(registered))
