"""The calibration of the quality flag: how far each misfit raises the probability that a vertebra has failed.

A logistic regression with weights that are never negative, so that more misfit never lowers the probability. A feature
x enters as the logarithm of how many times it exceeds what is usual,
    h = min(log(max(x, usual) / usual), most)    (h = min(x, most) where usual is 0),
    logit p = intercept + sum_j (weight_j h_j + curvature_j h_j^2).
``lumbar-biplanar benchmark quality`` finds the numbers on simulated cases and writes Resources/Quality.json.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import RegistrationError
from ..files import read_json
from ..resources import resource_path

# Features of a vertebra, and of a whole case: the others' misfit says something about each.
LEVEL_FEATURES = (
    "image_mm",
    "image_ratio",
    "outside",
    "unseen",
    "tension_sd",
    "landmark_sd",
    "landmark_outliers",
    "landmark_shift_mm",
    "landmark_shift_x_mm",
    "epipolar_mm",
    "epipolar_shift_mm",
    "shape_sd",
    "size_sd",
    "disc_sd",
    "turn_sd",
    "surface_sd_mm",
)
CASE_FEATURES = (
    "gain_log",
    "case_image_mm",
    "case_landmark_sd",
    "case_epipolar_shift_mm",
    "case_shift_x_mm",
    "case_shape_sd",
    "case_size_sd",
    "worst_interval_sd",
    "no_image",
)
FORMAT = "LumbarBiplanar quality calibration"
VERSION = 1
WITH_IMAGES, WITHOUT_IMAGES = "with_images", "without_images"
PARTS = (WITH_IMAGES, WITHOUT_IMAGES)


@dataclass(frozen=True)
class FeatureTerm:
    """How one feature enters.

    Attributes:
        usual: median of the feature where nothing is wrong; 0 for a count.
        most: largest h that counts; beyond it the simulations say nothing.
        weight, curvature: factors of h and of h^2, not negative.
    """

    usual: float
    most: float
    weight: float
    curvature: float

    def excess(self, value: float) -> float:
        """Return h."""
        if self.usual <= 0:
            return float(min(max(value, 0.0), self.most))
        return float(min(np.log(max(value, self.usual) / self.usual), self.most))

    def contribution(self, value: float) -> float:
        """Return what the feature adds to the logit."""
        h = self.excess(value)
        return self.weight * h + self.curvature * h * h


@dataclass(frozen=True)
class Calibration:
    """Calibration of the flag.

    Attributes:
        failure_mm: mean surface error beyond which a vertebra has failed.
        intercept: logit where every feature is usual.
        terms: {feature: term}.
        check, refuse: probabilities from which a vertebra is flagged.
    """

    failure_mm: float
    intercept: float
    terms: Mapping[str, FeatureTerm]
    check: float
    refuse: float

    def contributions(self, features: Mapping[str, float]) -> dict[str, float]:
        """Return {feature: what it adds to the logit}; a feature that is absent or unknown adds nothing."""
        return {name: self.terms[name].contribution(value) for name, value in features.items() if name in self.terms}

    def probability(self, features: Mapping[str, float]) -> float:
        """Return the probability of failure."""
        return float(1.0 / (1.0 + np.exp(-self.intercept - sum(self.contributions(features).values()))))


def part_of(features: Mapping[str, float]) -> str:
    """Return which calibration judges a vertebra: landmarks alone say other things than landmarks with images."""
    return WITHOUT_IMAGES if features.get("no_image", 0.0) > 0 else WITH_IMAGES


@functools.lru_cache(maxsize=1)
def load_calibrations() -> dict[str, Calibration]:
    """Return the calibrations that the module comes with, {WITH_IMAGES or WITHOUT_IMAGES: calibration}.

    Raises:
        RegistrationError: if the file is missing or damaged.
    """
    path = resource_path("Quality.json")
    content = read_json(path, "quality calibration", RegistrationError)
    found = {}
    try:
        if content["format"] != FORMAT or content["version"] != VERSION:
            raise ValueError("format or version")
        for name in PARTS:
            part = content[name]
            terms = {key: FeatureTerm(**entry) for key, entry in part["features"].items()}
            intercept, check, refuse = (float(part[key]) for key in ("intercept", "check", "refuse"))
            found[name] = Calibration(float(content["failure_mm"]), intercept, terms, check, refuse)
    except (KeyError, TypeError, ValueError) as error:
        raise RegistrationError(
            f"{path} is not the quality calibration of this version ({error}). Reinstall LumbarBiplanar."
        ) from error
    return found
