"""What the benchmark of accuracy varies: films, evidence, mistakes in it, and the settings of the registration.

A condition is named "group: variant"; a group can be asked for by its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ..errors import StudyError
from ..geometry import standard_pair
from ..shape.sources import SAMPLE_STUDY_SUBJECT
from ..study.geometry_settings import geometry_settings
from ..study.registering import NETWORK_SETTINGS
from .network_benchmark import SUBJECTS as NETWORK_SUBJECTS
from .synthetic_evidence import Disturbance

# People left out of the shape model one at a time. Options were chosen on VerSe 006 and 007, who are not among them.
SUBJECTS = ("verse004", "verse009", "verse010", "vhm", SAMPLE_STUDY_SUBJECT)
# The others' spines were in the network's training.
DRAWN_SUBJECTS = tuple(name for name in NETWORK_SUBJECTS if name != SAMPLE_STUDY_SUBJECT)
CT_SUBJECTS = (SAMPLE_STUDY_SUBJECT,)

BONES, FILMS = "bones", "films"
TRUE, NETWORK, RAW, NOTHING = "true", "network", "raw", "nothing"


class Storage(NamedTuple):
    """From which side drawn whole films are taken, and how they are stored.

    Attributes:
        posteroanterior: whether a PA film takes the place of the AP film.
        turned_over: name of the film that is stored turned over, as seen from the detector, or "".
        mistaken: whether its geometry does not know that and has its source at the other side.
    """

    posteroanterior: bool = False
    turned_over: str = ""
    mistaken: bool = False


# By what they are called; the usual films are AP films and lateral films with the source at the patient's left.
STORAGES = {
    "PA": Storage(True),
    "PA stored turned over": Storage(True, "AP"),
    "PA taken for AP": Storage(True, "AP", mistaken=True),
    "lateral stored turned over": Storage(turned_over="lateral"),
    "lateral taken for one from the other side": Storage(turned_over="lateral", mistaken=True),
}


@dataclass(frozen=True)
class Condition:
    """How the cases of one name are made and registered.

    Attributes:
        name: "group: variant".
        films: ``BONES``, X-rays of the lumbar vertebrae alone, or ``FILMS``, whole films as a network reads them.
        image: of whole films, what the registration gets as lumbar-only image: the ``TRUE`` one, the ``NETWORK``'s
            (with its landmarks), the ``RAW`` film, or ``NOTHING``.
        other_bones: whether drawn whole films show other bones than L1 to L5.
        storage: of drawn whole films.
        model, angle_deg: projection model of the films and angle between the beams.
        disturbance: errors of landmarks and image; not used where both are the network's.
        wrong_angle_deg: by how much more than the truth the registration believes the beams to be apart.
        wrong_distance_mm: the same of the source-detector distance, AP and lateral.
        motion_mm, motion_deg: how far the spine moves and turns, about its middle, before the lateral film is taken.
        true_shell, shell: (thickness in mm, density ratio) of the cortical shell: of the bones, of the registration.
        hidden: name of the film whose image the registration does not get.
        region_weight: weight of the transverse and spinous processes; None leaves the product's.
        options: settings of the registration other than the product's, (name, value).
        subjects: who.
        seeds: cases per person.
        intervals: whether the 90 % intervals of the measurements are judged too, in the first case of each person.
    """

    name: str
    films: str = BONES
    image: str = TRUE
    other_bones: bool = True
    storage: Storage = field(default_factory=Storage)
    model: str = "pinhole"
    angle_deg: float = 90.0
    disturbance: Disturbance = field(default_factory=Disturbance)
    wrong_angle_deg: float = 0.0
    wrong_distance_mm: tuple[float, float] = (0.0, 0.0)
    motion_mm: float = 0.0
    motion_deg: float = 0.0
    true_shell: tuple[float, float] | None = None
    shell: tuple[float, float] | None = None
    hidden: str = ""
    region_weight: float | None = None
    options: tuple[tuple[str, float | bool | int], ...] = ()
    subjects: tuple[str, ...] = SUBJECTS
    seeds: int = 1
    intervals: bool = False

    @property
    def group(self) -> str:
        """Which conditions it is compared with."""
        return self.name.split(":")[0]

    @property
    def geometry(self) -> str:
        """Projection model and angle, as in ``network_films.GEOMETRIES``."""
        return f"{self.model} {self.angle_deg:g}"


# What variants are compared with.
BASE = "lumbar-only: pinhole 90"
ANGLES_DEG = (60.0, 75.0, 90.0, 105.0, 120.0)
WRONG_ANGLES_DEG = (-5.0, -3.0, 3.0, 5.0)
WRONG_DISTANCES_MM = (-20.0, 20.0)
MOTIONS = ((1.0, 0.5), (2.0, 1.0), (5.0, 3.0))
NOISE_FACTORS = (0.0, 2.0, 4.0)
REGION_WEIGHTS = (1.0, 2.0, 4.0, 8.0)
MODE_COUNTS = (5, 20, 60)
# What a decomposition gets wrong, without a network: bone 20 % too light or too dark over 15 mm, processes missing.
DECOMPOSITION = Disturbance(bone_sd=0.2, missing_share=0.25)
# About 1 mm of cortical bone round a spongiosa of a third of its density.
SHELL = (1.0, 0.35)
# What the product frees where it is told that the geometry is uncertain, or that the patient may have moved.
_PAIR = standard_pair()
ANGLE_PRIOR = tuple(geometry_settings(_PAIR, ["angle"]).items())
DISTANCE_PRIOR = tuple(geometry_settings(_PAIR, ["distance"]).items())
MOTION_PRIOR = tuple(geometry_settings(_PAIR, motion=True).items())
_LANDMARKS_ONLY = (("use_images", False),)


def conditions(names: Sequence[str] | None = None) -> list[Condition]:
    """Return the conditions of the benchmark: all, or those whose name or group is in ``names``, in that order.

    Raises:
        StudyError: if a name is neither.
    """
    every = list(_every())
    if names is None:
        return every
    groups = list(dict.fromkeys(item.group for item in every))
    unknown = sorted(set(names) - set(groups) - {item.name for item in every})
    if unknown:
        raise StudyError(f"No condition is called {', '.join(unknown)}; there are the groups {', '.join(groups)}.")
    found = [item for name in names for item in every if name in (item.name, item.group)]
    return list(dict.fromkeys(found))


def _every() -> Iterator[Condition]:
    base = Condition("")
    for model in ("pinhole", "slot"):
        for angle in (90.0, 75.0):
            yield Condition(
                f"lumbar-only: {model} {angle:g}",
                model=model,
                angle_deg=angle,
                seeds=3,
                intervals=(model, angle) == ("pinhole", 90.0),
            )
    yield from _network()
    yield from _geometry(base)
    for factor in NOISE_FACTORS:
        yield replace(base, name=f"noise: x {factor:g}", disturbance=Disturbance().scaled(factor))
    for angle in ANGLES_DEG:
        if angle not in (75.0, 90.0):
            yield replace(base, name=f"view angle: {angle:g}", angle_deg=angle)
    for weight in REGION_WEIGHTS:
        yield replace(base, name=f"region weight: {weight:g}", region_weight=weight)
    for weight in REGION_WEIGHTS:
        yield replace(
            base,
            name=f"region weight, decomposition errors: {weight:g}",
            region_weight=weight,
            disturbance=DECOMPOSITION,
            options=tuple(NETWORK_SETTINGS.items()),
        )
    yield from _ablations(base)


def _network() -> Iterator[Condition]:
    kinds = (("drawn", DRAWN_SUBJECTS), ("CT", CT_SUBJECTS))
    whole = Condition("", films=FILMS, image=NETWORK, seeds=2)
    for kind, subjects in kinds:
        own = replace(whole, subjects=subjects)
        for model, angle in (("pinhole", 90.0), ("pinhole", 75.0), ("slot", 90.0)):
            yield replace(own, name=f"network, {kind}: {model} {angle:g}", model=model, angle_deg=angle, intervals=True)
        for weight in REGION_WEIGHTS:
            yield replace(own, name=f"region weight, network, {kind}: {weight:g}", region_weight=weight)
        yield replace(own, name=f"network, {kind}, landmarks only: pinhole 90", options=_LANDMARKS_ONLY)
        for image, name in ((TRUE, "true image"), (RAW, "raw film"), (NOTHING, "no image")):
            yield replace(own, name=f"no network, {kind}: {name}", image=image)
        if kind == "drawn":
            for name, storage in STORAGES.items():
                yield replace(own, name=f"network, {kind}, {name}: pinhole 90", storage=storage)
            yield replace(own, name=f"no network, {kind}: raw film, no other bones", image=RAW, other_bones=False)


def _geometry(base: Condition) -> Iterator[Condition]:
    yield replace(base, name="geometry right, angle calibrated: +0", options=ANGLE_PRIOR)
    yield replace(base, name="geometry right, distance calibrated: +0", options=DISTANCE_PRIOR)
    yield replace(base, name="no motion, motion modelled: 0 mm 0 deg", options=MOTION_PRIOR)
    for options, what in (((), ""), (ANGLE_PRIOR, ", calibrated")):
        for angle in WRONG_ANGLES_DEG:
            yield replace(base, name=f"wrong angle{what}: {angle:+g}", wrong_angle_deg=angle, options=options)
    for options, what in (((), ""), (DISTANCE_PRIOR, ", calibrated")):
        for distance in WRONG_DISTANCES_MM:
            name = f"wrong distance{what}: {distance:+g}"
            yield replace(base, name=name, wrong_distance_mm=(distance, distance), options=options)
        name = f"wrong distance, lateral film{what}: +20"
        yield replace(base, name=name, wrong_distance_mm=(0.0, 20.0), options=options)
    for options, what in (((), ""), (MOTION_PRIOR, ", modelled")):
        for shift, turn in MOTIONS:
            name = f"motion{what}: {shift:g} mm {turn:g} deg"
            yield replace(base, name=name, motion_mm=shift, motion_deg=turn, options=options)


def _ablations(base: Condition) -> Iterator[Condition]:
    yield replace(base, name="ablation: landmarks only", options=_LANDMARKS_ONLY)
    yield replace(base, name="ablation: image only", options=(("landmark_weight", 0.0),))
    yield replace(base, name="ablation: AP image only", hidden="lateral")
    yield replace(base, name="ablation: lateral image only", hidden="AP")
    for count in MODE_COUNTS:
        names = ("landmark_modes", "coarse_modes", "fine_modes")
        yield replace(base, name=f"modes: {count}", options=tuple((name, count) for name in names))
    yield replace(base, name="shell: not modelled", true_shell=SHELL)
    density = (("density_sd", 0.15),)
    yield replace(base, name="shell: not modelled, density of each vertebra free", true_shell=SHELL, options=density)
    yield replace(base, name="shell: modelled", true_shell=SHELL, shell=SHELL)
