"""Vertebrae of the shape model's mean, stacked upright, and what is measured on them."""

from __future__ import annotations

import functools

import numpy as np

from LumbarBiplanarLib.anatomy import LANDMARK_NAMES
from LumbarBiplanarLib.measurement import Vertebra, measure
from LumbarBiplanarLib.shape import load_shape_model


@functools.lru_cache(maxsize=1)
def vertebrae():
    """Five vertebrae, 38 mm apart, each a little more tilted than the one above."""
    model, found = load_shape_model(), []
    labels = np.asarray(model.endplate_labels)
    for number, level in enumerate(model.levels):
        angle = np.radians(12.0 * (number - 2))
        turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
        points = model.mean(level) @ turn.T + [0.0, 2.0 * number, -38.0 * number]
        landmarks = dict(zip(LANDMARK_NAMES, np.asarray(model.landmarks(points))))
        found.append(
            Vertebra(level, points, model.faces, landmarks, np.flatnonzero(labels == 1), np.flatnonzero(labels == 2))
        )
    return tuple(found)


@functools.lru_cache(maxsize=1)
def measured():
    return measure(vertebrae())
