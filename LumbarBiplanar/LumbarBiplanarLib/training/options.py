"""How the network is trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass

# The canvas of a training film: pixels (width, height) and their pitch at the detector.
CANVAS_PX = (208, 304)
PITCH_MM = 1.5
# The same canvas for the second stage, which looks at single vertebrae.
FINE_CANVAS_PX = (312, 456)
FINE_PITCH_MM = 1.0
# The window of it that the network is shown.
CROP_PX = (176, 256)


@dataclass(frozen=True)
class TrainingOptions:
    """What a training run needs to be repeated.

    Attributes:
        subjects: random spines of which an AP and a lateral film's ingredients are kept.
        minutes: length of the training; the rate falls to zero along a cosine over it.
        steps: end after so many steps even if there is time left; 0 means the time decides.
        seed: of everything random: spines, films, first weights.
        batch: films per step.
        learning_rate, weight_decay: of AdamW.
        warmup_steps: steps over which the rate rises.
        flat_share: share of the training before the rate begins to fall.
        widths: channels of the network at 1/2, 1/4, 1/8 and 1/16 of the resolution.
        heatmap_sigma: of the Gaussian drawn at a landmark, pixels of the heatmap.
        image_weight: of the lumbar-only images (mm) against the landmarks (nats).
        average: decay of the running average of the weights, which is what is kept.
        clip: largest norm of the gradient.
        workers: processes that draw films beside the training; 0 draws them in it.
        save_every: steps between checkpoints.
    """

    subjects: int = 1500
    minutes: float = 56.0
    steps: int = 0
    seed: int = 1
    batch: int = 8
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    warmup_steps: int = 150
    flat_share: float = 0.15
    widths: tuple[int, int, int, int] = (24, 48, 96, 144)
    heatmap_sigma: float = 1.3
    image_weight: float = 0.35
    average: float = 0.998
    clip: float = 5.0
    workers: int = 1
    save_every: int = 250

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be meant."""
        for key in ("subjects", "batch", "save_every"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key} must be at least 1, found {getattr(self, key)}.")
        if self.minutes <= 0:
            raise ValueError(f"minutes must be positive, found {self.minutes}.")

    def to_dict(self) -> dict:
        """Return plain lists and numbers for a record."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
