"""How the network is trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

# The canvas of a training film: pixels (width, height) and their pitch at the detector. That of a film of the whole
# spine, which only the first stage is shown, reaches from the sacrum to the neck.
CANVAS_PX, WHOLE_CANVAS_PX = (208, 304), (208, 544)
PITCH_MM = 1.5
# The same canvas for the second stage, which looks at single vertebrae.
FINE_CANVAS_PX = (312, 456)
FINE_PITCH_MM = 1.0
# The window of it that the network is shown.
CROP_PX = (176, 256)
# Sides of images that the networks can be shown are multiples of this.
_STRIDE_PX = 16


def window_px(pitch_mm: float) -> tuple[int, int]:
    """Return the window (width, height) in pixels of ``pitch_mm`` that shows about what ``CROP_PX`` of ``PITCH_MM`` do.

    Raises:
        ValueError: if no such window fits on the canvas of a film.
    """
    if pitch_mm <= 0:
        raise ValueError(f"pixels must be larger than 0 mm, found {pitch_mm:g}.")
    window = tuple(_STRIDE_PX * round(side * PITCH_MM / pitch_mm / _STRIDE_PX) for side in CROP_PX)
    canvas = tuple(side * PITCH_MM / pitch_mm for side in CANVAS_PX)
    if not all(0 < side <= whole for side, whole in zip(window, canvas, strict=True)):
        raise ValueError(f"pixels of {pitch_mm:g} mm do not suit windows of the first stage; give 1 to 4 mm.")
    return window


@dataclass(frozen=True)
class FilmOptions:
    """What films are made with: how often each ingredient comes, 0 (never) to 1 (always), unless said otherwise.

    Attributes:
        scale_sd: standard deviation of the logarithm of a film's random scale.
        turn_sd_deg: of its random turn.
        bending: standard deviation of how each bone is bent, as a share of the distance over which it is
            (``bending.Bending``); like scale and turn only where a film is placed at random.
        empty: no spine.
        cortex: bones with a dense rim around weak spongy bone (osteoporosis to sclerosis), instead of even density.
        texture: bone is patchy, its edges more or less sharp.
        tissue: the body of the ingredients; the other films have a random body.
        gas: bowel gas.
        aorta: a calcified aorta.
        contrast: contrast medium in bowel or kidneys.
        implants: pedicle screws, rods, cages.
        clips: mean number of clips, wires and other small metal.
        letters: side letters and rulers.
        beam: of several energies, which bone hardens, instead of one.
        blur, scatter, noise: of the detector, of the body, of the photons.
        falloff: uneven exposure (heel effect, anti-scatter grid out of focus).
        grid: lines of the grid.
        compress: dynamic range compression; local: local contrast evened out, both as makers of films do.
        curve: a sigmoid tone curve; gamma: standard deviation of the logarithm of another curve's exponent.
        equalised: histogram equalisation.
        jpeg: compressed as JPEG.
        coarse: 8 bits.
        collimation: borders that were not exposed, which may cut levels off.
    """

    scale_sd: float = 0.13
    turn_sd_deg: float = 3.0
    bending: float = 0.06
    empty: float = 0.03
    cortex: float = 0.65
    texture: float = 1.0
    tissue: float = 0.85
    gas: float = 0.3
    aorta: float = 0.15
    contrast: float = 0.06
    implants: float = 0.1
    clips: float = 0.7
    letters: float = 0.25
    beam: float = 0.6
    blur: float = 0.7
    scatter: float = 1.0
    noise: float = 1.0
    falloff: float = 0.3
    grid: float = 0.07
    compress: float = 0.6
    local: float = 0.15
    curve: float = 0.3
    gamma: float = 0.35
    equalised: float = 0.08
    jpeg: float = 0.15
    coarse: float = 0.3
    collimation: float = 0.7

    @classmethod
    def clean(cls) -> FilmOptions:
        """Return a film as it would be without noise, artefacts and processing: bone in a body."""
        plain = {field.name: 0.0 for field in fields(cls)}
        return cls(**plain | {"cortex": 1.0, "texture": 1.0, "tissue": 1.0})

    @classmethod
    def hard(cls) -> FilmOptions:
        """Return films on which most of what is difficult comes together."""
        often = ("gas", "aorta", "contrast", "implants", "falloff", "local", "equalised", "jpeg", "grid")
        return cls(empty=0.0, clips=2.5, letters=0.6, blur=1.0, collimation=0.9, **dict.fromkeys(often, 0.5))


@dataclass(frozen=True)
class TrainingOptions:
    """What a training run needs to be repeated.

    Attributes:
        subjects: random spines of which an AP and a lateral film's ingredients are kept.
        minutes: length of the training; the rate falls to zero along a cosine over it.
        steps: end after so many steps even if there is time left; 0 means the time decides.
        seed: of everything random: spines, films, first weights.
        batch: films per step.
        learning_rate, weight_decay: of Muon and AdamW (``module.TrainingModule``).
        warmup_steps: steps over which the rate rises.
        flat_share: share of the training before the rate begins to fall.
        widths: channels of the network at 1/2, 1/4, 1/8 and 1/16 of the resolution.
        heatmap_sigma: of the Gaussian drawn at a landmark, pixels of the heatmap.
        image_weight: of the lumbar-only images (mm) against the landmarks (nats).
        average: decay of the running average of the weights, which is what is kept.
        clip: largest norm of the gradient.
        workers: processes that draw spines before and films beside the training; 0 draws both in the training's own.
        films_on_gpu: form films on the GPU that trains, not on the CPU (docs/network.md says what pays).
        save_every: steps between checkpoints.
        distance_weight: of the distance of the heatmaps' means (pixels of the crop); second stage only.
        consistency_weight: of the gap (mm) of the rays to one landmark on both films; second stage only. Above zero
            crops come in pairs of one vertebra on both films.
        fitted: share of the crops that come with what a fitted model, nearly right, looks like there; second stage
            only. Above zero the network is made for it.
        fusion: let the decoders of the first stage exchange features; off for an ablation.
        single_task: train only "landmarks" or only "images", for an ablation; empty for both.
        plain_films: films without noise, artefacts and processing (``FilmOptions.clean``), for an ablation.
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
    films_on_gpu: bool = False
    save_every: int = 250
    distance_weight: float = 0.0
    consistency_weight: float = 0.0
    fitted: float = 0.0
    fusion: bool = True
    single_task: str = ""
    plain_films: bool = False

    @property
    def tasks(self) -> tuple[str, ...]:
        """What is trained: "images", "landmarks" or both."""
        return (self.single_task,) if self.single_task else ("images", "landmarks")

    @classmethod
    def refine(cls) -> TrainingOptions:
        """Return the options of the second stage, which sees crops of single vertebrae instead of films."""
        return cls(
            subjects=2400,
            minutes=80.0,
            batch=32,
            warmup_steps=200,
            widths=(32, 64, 128, 256),
            heatmap_sigma=1.2,
            image_weight=0.3,
            distance_weight=0.5,
            fitted=0.5,
        )

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be meant."""
        for key in ("subjects", "batch", "save_every"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key} must be at least 1, found {getattr(self, key)}.")
        if self.workers < 0:
            raise ValueError(f"workers must not be negative, found {self.workers}.")
        if self.minutes <= 0:
            raise ValueError(f"minutes must be positive, found {self.minutes}.")
        if self.consistency_weight < 0 or (self.consistency_weight and self.batch % 2):
            raise ValueError(
                f"consistency_weight is {self.consistency_weight} with batches of {self.batch}; it must not be "
                "negative, and above zero a batch must be even, since crops then come in pairs."
            )
        if not 0.0 <= self.fitted < 1.0:
            raise ValueError(f"fitted must be at least 0 and below 1, found {self.fitted}.")
        if self.single_task not in ("", "landmarks", "images"):
            raise ValueError(f"single_task must be 'landmarks', 'images' or empty, found {self.single_task!r}.")

    def to_dict(self) -> dict:
        """Return plain lists and numbers for a record."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
