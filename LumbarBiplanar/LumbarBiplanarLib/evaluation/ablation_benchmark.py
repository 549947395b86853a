"""What the parts of the network and of its training are worth: the same training with one of them left out each.

Every variant of a stage begins with random weights and sees the films of the same spines for equally many steps. Judged
are single windows and crops of people whom neither the shape model nor the films' spines know, not whole readings.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files import make_folder, rounded, write_table
from ..shape.model import ShapeModel
from ..training.ablation_rows import FILMS, AblationRow
from ..training.anatomy import Context
from ..training.options import FINE_PITCH_MM, TrainingOptions, window_px
from .network_films import GEOMETRIES, Person, drawn_ingredients

if TYPE_CHECKING:
    from ..training.ablation_scores import VariantNetwork

COMPLETE = "complete"
_BOTH_STAGES = {
    "landmarks only": {"single_task": "landmarks"},
    "images only": {"single_task": "images"},
    "no randomisation": {"plain_films": True},
}
# Only in the first stage are there decoders of both tasks, which can exchange features.
VARIANTS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "spine": {COMPLETE: {}, "no feature fusion": {"fusion": False}, **_BOTH_STAGES},
    "refine": {COMPLETE: {}, **_BOTH_STAGES},
}
# With the rate of the module's own first stage a training this short does not get far.
_LEARNING_RATE = {"spine": 4e-3, "refine": 2e-3}
# Films of a training's own seed are not those that its ablations see, nor those that they are judged on.
_POOL_SEED_OFFSET, _TEST_SEED = 30, (9, 99, 999, 9999)
_PAIRS_PER_GEOMETRY = 2
# What a table shows: field, factor, text.
_SHOWN = {
    "landmarks": ("mean_mm", 1.0, "{:.2f} mm"),
    "within 4 mm": ("within_4_mm", 100.0, "{:.0f} %"),
    "within 20 mm": ("within_20_mm", 100.0, "{:.0f} %"),
    "image": ("image_mae_mm", 1.0, "{:.2f} mm"),
}
ABLATIONS_FILE = "network_ablations.csv"

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class AblationSettings:
    """How large the trainings are.

    Attributes:
        spines: random spines that the films of a stage are made of.
        steps: of each training, by stage; only these stages are trained.
        width_share: channels of the networks, as a share of those of the module's own.
        batch: films of a step; None means as many as in the module's own trainings.
        test_batches: of films per person and kind that a network is judged on.
        seeds: of spines, films and first weights; every variant is trained once with each.
        workers: processes that form films beside a training.
        pixel_mm: of the films of the first stage, at the detector. Twice those of the module's own network, since a
            processor otherwise does not get as far as telling one level from the next.

    Raises:
        ValueError: if a number cannot be meant.
    """

    spines: int = 400
    steps: Mapping[str, int] = field(default_factory=lambda: {"spine": 2400, "refine": 800})
    width_share: float = 0.5
    batch: int | None = None
    test_batches: int = 20
    seeds: tuple[int, ...] = (1,)
    workers: int = 0
    pixel_mm: float = 3.0

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be meant."""
        for stage, steps in self.steps.items():
            if steps < 1:
                raise ValueError(f"{steps} steps of {stage} train nothing; let them be 1 or more.")
        if not 0.0 < self.width_share <= 4.0:
            raise ValueError(f"width_share must be above 0 and at most 4, found {self.width_share}.")
        window_px(self.pixel_mm)
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds must be at least one, and no two alike, found {list(self.seeds)}.")
        for stage in self.steps:
            self.options(stage, COMPLETE, self.seeds[0])

    def pitch_mm(self, stage: str) -> float:
        """Return the pixels of the films of a stage, mm at the detector."""
        return FINE_PITCH_MM if stage == "refine" else self.pixel_mm

    def options(self, stage: str, variant: str, seed: int) -> TrainingOptions:
        """Return the options of the training of a variant with one of the seeds."""
        base = TrainingOptions.refine() if stage == "refine" else TrainingOptions()
        return replace(
            base,
            subjects=self.spines,
            batch=base.batch if self.batch is None else self.batch,
            steps=self.steps[stage],
            seed=seed,
            workers=self.workers,
            widths=tuple(max(1, round(self.width_share * width)) for width in base.widths),
            learning_rate=_LEARNING_RATE[stage],
            flat_share=0.3,
            **VARIANTS[stage][variant],
        )


def benchmark_ablations(
    output_csv: str | Path,
    folder: str | Path,
    model: ShapeModel,
    people: Sequence[Person],
    context: Context,
    settings: AblationSettings,
    *,
    device: str = "auto",
    progress: Progress | None = None,
) -> list[AblationRow]:
    """Train all variants and judge them on the films of people; one row per seed, variant, films, person and view.

    Finished trainings stay in ``folder``: started again, it goes on after the last one.

    Args:
        output_csv: table to write; replaced if it exists.
        folder: of spines, films and weights; made if it is missing.
        model: shape model that the trainings draw spines from; it must not know ``people``.
        people: whom the networks are judged on.
        context: what is put around all spines.
        settings: how large the trainings are.
        device: "auto", "cpu" or "cuda".
        progress: called with what is done and its share.

    Raises:
        StudyError: if the folder holds trainings of other settings, or a package that training needs is missing.
        OutputError: if something cannot be written.
    """
    from ..training.ablation_scores import scores

    tell = progress or (lambda what, share: None)
    rows: list[AblationRow] = []
    for stage in settings.steps:
        networks = [
            network
            for seed in settings.seeds
            for network in _trained(Path(folder) / f"seed_{seed}", stage, seed, model, context, settings, device, tell)
        ]
        for person in people:
            tests = Path(folder) / f"{stage}_people" / person.subject
            _draw_tests(tests, settings.pitch_mm(stage), person, context)
            for films in FILMS:
                tell(f"{stage}: {films} films of {person.subject}", 0.0)
                rows += scores(networks, tests, person.subject, films, settings.test_batches, device)
    write_table(output_csv, AblationRow, rows, rounded(4))
    return rows


def _trained(
    folder: Path,
    stage: str,
    seed: int,
    model: ShapeModel,
    context: Context,
    settings: AblationSettings,
    device: str,
    tell: Progress,
) -> Iterator[VariantNetwork]:
    """Train the variants of a stage that are not there yet with a seed, and yield all of them."""
    from ..training.ablation_scores import VariantNetwork
    from ..training.loop import file_names, train
    from ..training.pool import WHOLE_SHARE, build_pool
    from ..training.tasks import RefineTask, SpineTask

    refine = stage == "refine"
    pool = folder / f"{stage}_ingredients"
    how = {"pitch_mm": settings.pitch_mm(stage), "whole_share": 0.0 if refine else WHOLE_SHARE}
    pool_seed, jobs = seed + _POOL_SEED_OFFSET, settings.workers or 1
    for done in build_pool(pool, model, context, settings.spines, pool_seed, jobs=jobs, **how):
        tell(f"{stage}, seed {seed}: drawing spines", done / settings.spines)
    for variant in VARIANTS[stage]:
        task = RefineTask(model) if refine else SpineTask()
        options, output = settings.options(stage, variant, seed), folder / stage / variant.replace(" ", "_")
        weights = output / file_names(stage)[1]
        if not weights.exists():
            train(
                pool,
                output,
                options,
                device=device,
                task=task,
                resume=(output / file_names(stage)[0]).exists(),
                about={"shape_model_sha256": model.sha256},
                told=lambda now, name=f"{stage}, seed {seed}: {variant}": tell(name, now.share),
            )
        yield VariantNetwork.read(variant, task, options, weights, settings.pitch_mm(stage))


def _draw_tests(folder: Path, pitch_mm: float, person: Person, context: Context) -> None:
    """Draw the ingredients of a person's films, as ``FilmStream`` and ``CropStream`` take those held out."""
    from ..training.dataset import VALIDATION_EVERY
    from ..training.ingredients import save_ingredients

    make_folder(folder)
    cases = [(geometry, number) for geometry in GEOMETRIES for number in range(_PAIRS_PER_GEOMETRY)]
    for k, (geometry, number) in enumerate(cases):
        path = folder / f"{VALIDATION_EVERY * k:05d}.npz"
        if path.exists():
            continue
        rng = np.random.default_rng([*_TEST_SEED, k, *person.subject.encode()])
        tissue = bool(number % 2)
        drawn, _ = drawn_ingredients(person, context, geometry, rng, with_tissue=tissue, pitch_mm=pitch_mm)
        save_ingredients(path, drawn)


_FIGURES = tuple(itertools.product(FILMS, _SHOWN))
COLUMNS = ("stage", "variant", *(f"{films}: {what}" for films, what in _FIGURES))


def summarize(rows: Sequence[AblationRow]) -> list[list[str]]:
    """Return a row of texts, as ``COLUMNS`` has them, for every stage and variant.

    Figures are means over people, views and seeds; where there are several seeds, the lowest and the highest follow.
    """
    groups: dict[tuple[str, str], list[AblationRow]] = {}
    for row in rows:
        groups.setdefault((row.stage, row.variant), []).append(row)
    return [
        [*key, *(_figure([row for row in group if row.films == films], *_SHOWN[what]) for films, what in _FIGURES)]
        for key, group in groups.items()
    ]


def _figure(group: Sequence[AblationRow], key: str, factor: float, form: str) -> str:
    by_seed: dict[int, list[float | None]] = {}
    for row in group:
        by_seed.setdefault(row.seed, []).append(getattr(row, key))
    if any(None in values for values in by_seed.values()):
        return ""
    means = [factor * sum(values) / len(values) for values in by_seed.values()]
    text = form.format(sum(means) / len(means))
    if len(means) == 1:
        return text
    number = form.split(" ")[0]
    return f"{text} ({number.format(min(means))} to {number.format(max(means))})"
