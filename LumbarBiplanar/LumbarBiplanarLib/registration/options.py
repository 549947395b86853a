"""What a caller can choose in a registration; the defaults are the product's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from ..anatomy import REGION_WEIGHTS, Region
from ..errors import RegistrationError


@dataclass(frozen=True)
class Options:
    """Settings of a registration; see docs/registration.md for the terms they belong to.

    Attributes:
        use_images: use the lumbar-only images; False registers to the landmarks alone.
        region_weights: relative weight of each region in the landmark and the image term.
        landmark_weight: weight of the landmark term during the image stages.
        landmark_cauchy: residual, in standard deviations, at which the Cauchy loss halves a landmark's weight.
        corrected_sigma_mm: standard deviation of a landmark that a person has set (object plane).
        corrected_weight: factor on the weight of such a landmark, so that thousands of pixels do not outvote it.
        image_weight: weight of the image term.
        image_correlation_mm2: area of object plane that counts as one independent measurement.
        raw_correlation_mm2: the same for a film that is used for want of a lumbar-only image.
        image_turn: residual, in standard deviations, beyond which the image loss grows linearly.
        image_sigma_floor_mm: smallest standard deviation of an image residual, in mm of bone.
        prior_weight: weight of the squared Mahalanobis length of the mode coefficients and of the log-scales.
        neighbor_correlation: correlation of the mode coefficients of neighboring levels of one person.
        scale_correlation: the same for the log-scales.
        interval_weight: weight of the weak prior on the relative pose of neighboring vertebrae.
        gain_sd: standard deviation of a film's gain about 1.
        background_grid_mm: node distance of the bilinear background (object plane).
        background_sd_mm: standard deviation of a background node, in mm of bone.
        coarse_pixel_mm, fine_pixel_mm: pixel of the two image levels in the object plane.
        coarse_margin_mm, fine_margin_mm: how far outside the projected vertebrae the image is still used.
        landmark_iterations, coarse_iterations, fine_iterations: at most so many iterations per stage.
        image_relaxation: factor on the steps of the image stages, at least 1 and below 2: those of Gauss-Newton fall
            short.
        refit_iterations: the same for the last image stage when it follows a moved landmark.
        refit_reuse: so many of those iterations go on with the derivatives of the one before. Such an iteration takes a
            third of the time and gains a third as much: enough for a spine that is nearly in place.
        tolerance_mm: a stage ends once an iteration moves the landmarks of every vertebra by less (root mean square).
        coarse_tolerance_mm: the same for the coarse image stage where a fine one goes on from there and nothing of the
            geometry is to be corrected.
        landmark_modes, coarse_modes, fine_modes: number of modes free in a stage; None means the PCA modes in the
            landmark stage and all modes in the image stages. The coarse one gains nothing from the last of them.
        column_subsamples: subsamples per detector column of the renderer.
        threads: processor threads; on a busy machine more than one can make it many times slower.
        posterior_correlation_mm2: the same as ``image_correlation_mm2`` for the uncertainty, from simulated cases: what
            model and film formation get wrong hangs together over far more than a pixel.
        posterior_sd_factor: factor on the standard deviations of poses and shapes, from simulated cases: how much more
            wrong the evidence is than it says.
        calibrate_angle_sd_deg: standard deviation of the error of the angle between the beams; 0 believes the geometry.
        calibrate_pose_sd_deg, calibrate_pose_sd_mm: the same for the three rotations and the three translations of the
            lateral view against the AP view, about the isocentre.
        calibrate_distance_sd_mm: the same for the source-detector distance of each film.
        motion_sd_deg, motion_sd_mm: standard deviation of the patient's motion between the films: rotation about the
            middle of the spine, translation; 0 for films taken at the same time.
        level_motion_sd_deg, level_motion_sd_mm: the same for each vertebra against the others.
        density_sd: standard deviation of the density of each vertebra about 1; 0 gives all the same.
        shell: cortical shell for the renderer (rendering.Shell), or None for homogeneous vertebrae.
    """

    use_images: bool = True
    region_weights: Mapping[Region, float] = field(default_factory=lambda: REGION_WEIGHTS)
    landmark_weight: float = 1.0
    landmark_cauchy: float = 2.5
    corrected_sigma_mm: float = 0.5
    corrected_weight: float = 50.0
    image_weight: float = 1.0
    image_correlation_mm2: float = 1.0
    raw_correlation_mm2: float = 30.0
    image_turn: float = 3.0
    image_sigma_floor_mm: float = 0.5
    prior_weight: float = 1.0
    neighbor_correlation: float = 0.3
    scale_correlation: float = 0.8
    interval_weight: float = 1.0
    gain_sd: float = 0.3
    background_grid_mm: float = 25.0
    background_sd_mm: float = 8.0
    coarse_pixel_mm: float = 1.6
    fine_pixel_mm: float = 1.0
    coarse_margin_mm: float = 8.0
    fine_margin_mm: float = 5.0
    landmark_iterations: int = 15
    coarse_iterations: int = 6
    fine_iterations: int = 3
    image_relaxation: float = 1.4
    refit_iterations: int = 2
    refit_reuse: int = 0
    tolerance_mm: float = 0.05
    coarse_tolerance_mm: float = 1.0
    landmark_modes: int | None = None
    coarse_modes: int | None = 90
    fine_modes: int | None = None
    column_subsamples: int = 2
    posterior_correlation_mm2: float = 100.0
    posterior_sd_factor: float = 1.0
    calibrate_angle_sd_deg: float = 0.0
    calibrate_pose_sd_deg: float = 0.0
    calibrate_pose_sd_mm: float = 0.0
    calibrate_distance_sd_mm: float = 0.0
    motion_sd_deg: float = 0.0
    motion_sd_mm: float = 0.0
    level_motion_sd_deg: float = 0.0
    level_motion_sd_mm: float = 0.0
    density_sd: float = 0.0
    shell: object | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        """Refuse values with which the objective has no meaning; raises RegistrationError naming the option."""
        positive = {
            "landmark_cauchy", "corrected_sigma_mm", "image_correlation_mm2", "raw_correlation_mm2", "image_turn",
            "image_sigma_floor_mm",
            "prior_weight", "gain_sd", "background_grid_mm", "background_sd_mm", "coarse_pixel_mm", "fine_pixel_mm",
            "threads", "posterior_correlation_mm2", "posterior_sd_factor",
        }  # fmt: skip
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                continue
            if not (value > 0 if item.name in positive else value >= 0) or value == float("inf"):
                bound = "positive" if item.name in positive else "not negative"
                raise RegistrationError(f"The registration option {item.name} is {value}; it must be {bound}.")
        for name in ("neighbor_correlation", "scale_correlation"):
            if getattr(self, name) >= 1:
                raise RegistrationError(f"The registration option {name} must be below 1; it is {getattr(self, name)}.")
        factor = self.image_relaxation
        if not 1 <= factor < 2:
            raise RegistrationError(
                f"The registration option image_relaxation is {factor}; it must be at least 1 and below 2."
            )
