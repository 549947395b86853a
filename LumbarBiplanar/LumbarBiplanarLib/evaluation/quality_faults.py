"""What goes wrong with films, landmarks, geometry and patients: each fault changes a draft in place, at random size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..anatomy import LUMBAR_LEVELS, Level, opposite_side
from ..geometry import View
from .quality_drafts import Draft

Fault = Callable[[Draft, np.random.Generator], None]


def _sign(rng: np.random.Generator) -> float:
    return float(rng.choice([-1.0, 1.0]))


def _film(rng: np.random.Generator) -> int:
    return int(rng.integers(2))


def _level(draft: Draft, rng: np.random.Generator) -> Level:
    levels = sorted({level for level, _ in draft.landmarks[0]}, key=lambda level: level.index)
    return levels[int(rng.integers(len(levels)))]


# -- geometry --------------------------------------------------------------------------------------------------------


def angle(draft: Draft, rng: np.random.Generator) -> None:
    """State an angle between the films that is 3 to 25 degrees off."""
    off = np.deg2rad(_sign(rng) * rng.uniform(3.0, 25.0))
    view, center = draft.views[1], draft.center_ras_mm
    turn = np.array([[np.cos(off), -np.sin(off), 0.0], [np.sin(off), np.cos(off), 0.0], [0.0, 0.0, 1.0]])
    about = np.eye(4)
    about[:3, :3], about[:3, 3] = turn, center - turn @ center
    draft.views[1] = replace(view, camera_from_ras=view.camera_from_ras @ about)
    draft.aligned = True


def distance(draft: Draft, rng: np.random.Generator) -> None:
    """State a source-detector distance that is 3 to 20 % off, of one film or both."""
    factor = 1.0 + _sign(rng) * rng.uniform(0.03, 0.2)
    films = (0, 1) if rng.random() < 0.5 else (_film(rng),)
    for film in films:
        view = draft.views[film]
        camera = view.camera_from_ras.copy()
        camera[2, 3] += (factor - 1.0) * float(view.depth_mm(draft.center_ras_mm))  # the patient keeps its place
        draft.views[film] = replace(view, focal_mm=view.focal_mm * factor, camera_from_ras=camera)
    draft.aligned = True


def film_shifted(draft: Draft, rng: np.random.Generator) -> None:
    """State a film 4 to 40 mm beside where it was."""
    film = _film(rng)
    view = draft.views[film]
    way = rng.uniform(0.0, 2.0 * np.pi)
    off = rng.uniform(4.0, 40.0) / view.spacing_mm[0] * np.array([np.cos(way), np.sin(way)])
    principal = (view.principal_px[0] + off[0], view.principal_px[1] + off[1])
    draft.views[film] = replace(view, principal_px=principal)
    draft.aligned = True


def spacing(draft: Draft, rng: np.random.Generator) -> None:
    """State pixels that are 5 to 30 % too large or too small, of one film or both."""
    factor = float(np.exp(_sign(rng) * rng.uniform(0.05, 0.26)))
    for film in (0, 1) if rng.random() < 0.5 else (_film(rng),):
        view = draft.views[film]
        draft.views[film] = replace(view, spacing_mm=tuple(size * factor for size in view.spacing_mm))
    draft.aligned = True


def mirrored(draft: Draft, rng: np.random.Generator) -> None:
    """Mirror a film; who marks it takes left for right."""
    film = _film(rng)
    last = draft.views[film].size_px[0] - 1
    draft.bone[film] = {level: image[:, ::-1].copy() for level, image in draft.bone[film].items()}
    draft.landmarks[film] = {
        (level, opposite_side(name) if film == 0 else name): (last - x, y)
        for (level, name), (x, y) in draft.landmarks[film].items()
    }
    draft.aligned = True


def swapped(draft: Draft, rng: np.random.Generator) -> None:
    """Take the AP film for the lateral one and the lateral one for the AP film."""
    sizes = [view.size_px for view in draft.views]
    draft.views = [_of_size(view, size) for view, size in zip(draft.views, reversed(sizes), strict=True)]
    for films in (draft.bone, draft.landmarks):
        films.reverse()


def _of_size(view: View, size_px: tuple[int, int]) -> View:
    return replace(view, size_px=size_px, principal_px=((size_px[0] - 1) / 2, (size_px[1] - 1) / 2))


# -- names and landmarks ---------------------------------------------------------------------------------------------


def _rename(draft: Draft, film: int, step: int, with_image: bool) -> None:
    names = {level: LUMBAR_LEVELS[i + step] for i, level in enumerate(LUMBAR_LEVELS) if 0 <= i + step < 5}
    draft.landmarks[film] = {
        (names[level], name): position for (level, name), position in draft.landmarks[film].items() if level in names
    }
    if with_image:
        draft.bone[film] = {level: image for level, image in draft.bone[film].items() if level in names}


def levels_off_by_one(draft: Draft, rng: np.random.Generator) -> None:
    """Name every vertebra of both films one level too high or too low, the images likewise."""
    step = int(_sign(rng))
    for film in (0, 1):
        _rename(draft, film, step, with_image=True)


def levels_off_in_one_film(draft: Draft, rng: np.random.Generator) -> None:
    """Name every vertebra of one film one level too high or too low."""
    _rename(draft, _film(rng), int(_sign(rng)), with_image=rng.random() < 0.5)


def levels_exchanged(draft: Draft, rng: np.random.Generator) -> None:
    """Exchange the names of two neighbors, in one film or both."""
    upper = int(rng.integers(4))
    names = {LUMBAR_LEVELS[upper]: LUMBAR_LEVELS[upper + 1], LUMBAR_LEVELS[upper + 1]: LUMBAR_LEVELS[upper]}
    for film in (0, 1) if rng.random() < 0.4 else (_film(rng),):
        draft.landmarks[film] = {
            (names.get(level, level), name): position for (level, name), position in draft.landmarks[film].items()
        }


def level_displaced(draft: Draft, rng: np.random.Generator) -> None:
    """Put all landmarks of one or two levels 4 to 35 mm aside, in one film or both."""
    for level in {_level(draft, rng) for _ in range(int(rng.integers(1, 3)))}:
        for film in (0, 1) if rng.random() < 0.5 else (_film(rng),):
            way, length = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(4.0, 35.0) / draft.pixel_mm(film)
            _move(draft, film, level, (length * np.cos(way), length * np.sin(way)))


def _move(draft: Draft, film: int, level: Level, shift: tuple[float, float]) -> None:
    for key, (x, y) in draft.landmarks[film].items():
        if key[0] is level:
            draft.landmarks[film][key] = (x + shift[0], y + shift[1])


def noisy_landmarks(draft: Draft, rng: np.random.Generator) -> None:
    """Add landmark errors of 3 to 14 mm per axis, whose size the detector does not know."""
    for film in (0, 1):
        sigma = rng.uniform(3.0, 14.0) / draft.pixel_mm(film)
        for key, (x, y) in draft.landmarks[film].items():
            dx, dy = sigma * rng.standard_normal(2)
            draft.landmarks[film][key] = (x + dx, y + dy)


def few_landmarks(draft: Draft, rng: np.random.Generator) -> None:
    """Keep 2 to 6 landmarks per vertebra."""
    for film in (0, 1):
        kept: dict = {}
        for level in {level for level, _ in draft.landmarks[film]}:
            own = [key for key in draft.landmarks[film] if key[0] is level]
            chosen = rng.permutation(len(own))[: int(rng.integers(2, 7))]
            kept.update({own[i]: draft.landmarks[film][own[i]] for i in chosen})
        draft.landmarks[film] = kept


# -- images ----------------------------------------------------------------------------------------------------------


def vertebra_missing(draft: Draft, rng: np.random.Generator) -> None:
    """Leave a vertebra out of one image or both."""
    level = _level(draft, rng)
    for film in (0, 1) if rng.random() < 0.5 else (_film(rng),):
        draft.bone[film].pop(level, None)


def wrong_gain(draft: Draft, rng: np.random.Generator) -> None:
    """Give images that are not in mm of bone: 0.15 to 4 times as strong."""
    for film in (0, 1) if rng.random() < 0.5 else (_film(rng),):
        draft.gain[film] = float(np.exp(_sign(rng) * rng.uniform(0.4, 1.6)))


def image_shifted(draft: Draft, rng: np.random.Generator) -> None:
    """Displace an image by 3 to 25 mm against the landmarks."""
    film, way = _film(rng), rng.uniform(0.0, 2.0 * np.pi)
    length = rng.uniform(3.0, 25.0) / draft.pixel_mm(film)
    draft.shift_px[film] = (round(length * np.cos(way)), round(length * np.sin(way)))


def wrong_image(draft: Draft, rng: np.random.Generator) -> None:
    """Add smooth errors of 6 to 30 mm of bone to the images."""
    for film in (0, 1):
        draft.wrong_mm[film] = float(rng.uniform(6.0, 30.0))


def truncated(draft: Draft, rng: np.random.Generator) -> None:
    """Cut 0.4 to 2.2 vertebrae off the top or the bottom of one film or both."""
    share, top = rng.uniform(0.08, 0.44), rng.random() < 0.5
    for film in (0, 1) if rng.random() < 0.6 else (_film(rng),):
        rows = np.array([y for _, y in draft.landmarks[film].values()])
        edge = rows.min() + share * np.ptp(rows) if top else rows.max() - share * np.ptp(rows)
        height = draft.views[film].size_px[1]
        edge = int(np.clip(edge, 1, height - 1))
        first, last = (edge, height) if top else (0, edge)
        draft.bone[film] = {level: image[first:last].copy() for level, image in draft.bone[film].items()}
        draft.landmarks[film] = {
            key: (x, y - first) for key, (x, y) in draft.landmarks[film].items() if first <= y < last
        }
        draft.views[film] = draft.views[film].cropped(0, first, draft.views[film].size_px[0], last - first)


def nothing(draft: Draft, rng: np.random.Generator) -> None:
    """Leave everything as it is."""


# Patient motion is drawn before the films are: see quality_benchmark.
MOTION = "patient moved"
# A spine that is named one off throughout, in both films and their images, is consistent in itself: nothing that the
# registration sees can betray it. It is counted apart and not used to calibrate.
INVISIBLE = "levels one off in both films"
FAULTS: dict[str, Fault] = {
    "none": nothing,
    "angle wrong": angle,
    "distance wrong": distance,
    "film shifted": film_shifted,
    "pixel size wrong": spacing,
    "film mirrored": mirrored,
    "films swapped": swapped,
    MOTION: nothing,
    INVISIBLE: levels_off_by_one,
    "levels one off in one film": levels_off_in_one_film,
    "two levels exchanged": levels_exchanged,
    "landmarks of a level displaced": level_displaced,
    "landmarks noisy": noisy_landmarks,
    "few landmarks": few_landmarks,
    "vertebra missing in the image": vertebra_missing,
    "image too weak or strong": wrong_gain,
    "image displaced": image_shifted,
    "image wrong": wrong_image,
    "film truncated": truncated,
}
# Faults that say nothing without lumbar-only images.
OF_IMAGES = (
    "vertebra missing in the image",
    "image too weak or strong",
    "image displaced",
    "image wrong",
)
