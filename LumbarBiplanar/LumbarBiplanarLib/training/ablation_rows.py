"""The rows of an ablation's table."""

from __future__ import annotations

from dataclasses import dataclass

# How the films are made that networks are judged on: without or with noise, artefacts and processing.
CLEAN = "clean"
FILMS = (CLEAN, "randomised")


@dataclass(frozen=True)
class AblationRow:
    """A variant on the films of one kind of one person.

    Attributes:
        stage: "spine" (windows of films) or "refine" (crops of single vertebrae).
        variant: which part it lacks (``evaluation.ablation_benchmark.VARIANTS``).
        films: one of ``FILMS``.
        subject, view: whose films, and which.
        landmarks: how many visible ones were judged.
        mean_mm, median_mm, within_4_mm, within_20_mm: their errors and the shares within 4 mm and within half a level;
            empty for a network without landmarks. Of the first stage at the detector, at the largest value of each
            heatmap, whose pixels are twice as large as the film's; of the second in the size of the mean vertebra.
        image_mae_mm: absolute errors of the images of the vertebrae, summed over the film, per pixel of true bone;
            empty for a network without images.
        steps, seed, parameters: of the training and the network.
        pixel_mm: of the films, at the detector.
    """

    stage: str
    variant: str
    films: str
    subject: str
    view: str
    landmarks: int
    mean_mm: float | None
    median_mm: float | None
    within_4_mm: float | None
    within_20_mm: float | None
    image_mae_mm: float | None
    steps: int
    seed: int
    parameters: int
    pixel_mm: float
