"""Drawing the films that a CT would have given, and the lumbar-only images that belong to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..anatomy import Level
from ..errors import VolumeError
from ..geometry import FilmPair, View
from .attenuation import attenuation_per_mm
from .film import Film, Polarity
from .integration import integrate_volume
from .labels import lumbar_labels
from .refining import refine_ct, refine_labels
from .volume import Volume

# Density above which a ray has met more than air or the table: about 40 mm of water at 70 keV.
_BODY_DENSITY = 0.8
# Standard deviation at the detector of what counts as slow.
_SLOW_MM = 20.0
_LOWEST, _HIGHEST = 3000.0, 60000.0


@dataclass(frozen=True, eq=False)
class DrawnFilms:
    """Films drawn from a CT, with what is true about them.

    Attributes:
        pair: the views.
        ap, lateral: films, whole 16-bit values, bone bright.
        attenuation: per view name, (H, W) float32, line integral of the attenuation (no unit), without noise and blur.
        lumbar_mm: per view name, (H, W) float32, mm of ray inside the masks of L1 to L5, all levels summed.
        level_mm: per view name and level, the same for each vertebra.
        mask: the label mask that was drawn (refined if asked for).
        labels: label number of each level in ``mask``.
    """

    pair: FilmPair
    ap: Film
    lateral: Film
    attenuation: Mapping[str, np.ndarray]
    lumbar_mm: Mapping[str, np.ndarray]
    level_mm: Mapping[str, Mapping[Level, np.ndarray]]
    mask: Volume
    labels: Mapping[Level, int]

    @property
    def films(self) -> tuple[Film, Film]:
        """The films, (AP, lateral)."""
        return self.ap, self.lateral


def draw_films(
    ct_hu: np.ndarray,
    mask_labels: np.ndarray,
    ras_from_ijk: np.ndarray,
    pair: FilmPair,
    *,
    seed: int = 0,
    photons: float = 1e6,
    blur_mm: float = 0.3,
    compression: float = 0.7,
    energy_kev: float = 70.0,
    upsample: int = 1,
    convention: str | Mapping[Level, int] | None = None,
    device: str = "cpu",
) -> DrawnFilms:
    """Draw both films of a CT.

    Attenuation from HU (``attenuation_per_mm``), exact ray integrals (``integrate_volume``), then ``expose``: Poisson
    noise, detector blur, logarithm, dynamic range compression, 16 bits. Scatter and beam hardening are not modelled.
    Where the CT ends the film shows air.

    Args:
        ct_hu: (I, J, K) Hounsfield units.
        mask_labels: (I, J, K) integer labels on the same grid.
        ras_from_ijk: (4, 4) affine of both.
        pair: views of the two films.
        seed: seed of the noise.
        photons: unattenuated photons per pixel; 0 draws without noise.
        blur_mm: standard deviation of the detector's point spread at the detector, mm; 0 leaves it out.
        compression: dynamic range compression, 0 (film linear in attenuation) to 1.
        energy_kev: effective energy of the beam.
        upsample: 1 to 4: finer voxels first, by splines and smoothed masks (``refine_ct``, ``refine_labels``), for CTs
            so coarse that their steps would show.
        convention: "verse" or "totalseg", or {level: label}; None guesses from the labels.
        device: torch device of the integration.

    Raises:
        VolumeError: if the grids differ, the labels cannot be told, or no lumbar vertebra falls on a film.
    """
    ct_hu, mask_labels = np.asarray(ct_hu), np.asarray(mask_labels)
    if ct_hu.shape != mask_labels.shape:
        raise VolumeError(f"CT {ct_hu.shape} and mask {mask_labels.shape} have different grids; resample the mask.")
    labels = lumbar_labels(mask_labels, ras_from_ijk, convention)
    mask = refine_labels(Volume(mask_labels, ras_from_ijk), labels.values(), upsample)
    ct = refine_ct(Volume(ct_hu, ras_from_ijk), upsample)
    mu = attenuation_per_mm(ct.data, energy_kev)
    rng = np.random.default_rng(seed)
    films, attenuation, lumbar_mm, level_mm = [], {}, {}, {}
    for view in pair.views:
        level_mm[view.name] = level_paths(mask, labels, view, device)
        lumbar_mm[view.name] = np.sum(list(level_mm[view.name].values()), axis=0)
        if lumbar_mm[view.name].max() <= 0.0:
            raise VolumeError(_misses(view, mask))
        attenuation[view.name] = integrate_volume(mu, ct.ijk_from_ras, view, device)
        pixels = expose(attenuation[view.name], view, rng, photons, blur_mm, compression)
        films.append(Film(pixels, view, Polarity.BONE_BRIGHT, bits=16))
    return DrawnFilms(pair, *films, attenuation, lumbar_mm, level_mm, mask, labels)


def level_paths(mask: Volume, labels: Mapping[Level, int], view: View, device: str = "cpu") -> dict[Level, np.ndarray]:
    """Return for each level the mm of each pixel's ray inside its label, (H, W) float32."""
    used = np.argwhere(np.isin(mask.data, list(labels.values())))
    low, high = used.min(axis=0), used.max(axis=0) + 1
    window = mask.data[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    ijk_from_ras = mask.ijk_from_ras
    ijk_from_ras[:3, 3] -= low
    channels = np.stack([window == label for label in labels.values()]).astype(np.float32)
    return dict(zip(labels, integrate_volume(channels, ijk_from_ras, view, device), strict=True))


def expose(
    attenuation: np.ndarray,
    view: View,
    rng: np.random.Generator,
    photons: float = 1e6,
    blur_mm: float = 0.3,
    compression: float = 0.7,
) -> np.ndarray:
    """Turn line integrals of attenuation into the 16-bit values of a film with bone bright.

    Photons are Poisson distributed; the blur spreads signal and noise alike, as a scintillator does; the logarithm of
    what arrives is the density of the film. Of its slow changes a share is taken away within the body, as the dynamic
    range compression of every digital X-ray system does, and the rest is scaled to 16 bits.

    Args:
        attenuation: (H, W) line integrals.
        view: of the film, for its pitch.
        rng: source of the noise.
        photons: unattenuated photons per pixel; 0 leaves the noise out.
        blur_mm: standard deviation of the blur at the detector, mm; 0 leaves it out.
        compression: share of the slow changes taken away, 0 to 1; 0 gives values linear in attenuation.

    Returns:
        (H, W) float64 whole numbers: 3000 and 60000 are the 1st and 99.9th percentile of the body, 0 is air.
    """
    from scipy.ndimage import gaussian_filter

    transmitted = np.exp(-attenuation.astype(np.float64))
    if photons > 0:
        # Half a photon where none came keeps the logarithm finite.
        transmitted = np.maximum(rng.poisson(photons * transmitted), 0.5) / photons
    if blur_mm > 0:
        transmitted = gaussian_filter(transmitted, [blur_mm / pitch for pitch in view.spacing_mm[::-1]], mode="nearest")
    density = -np.log(transmitted)
    body = density > _BODY_DENSITY
    if not body.any():
        body = np.ones_like(body)
    if compression > 0:
        width = [_SLOW_MM / pitch for pitch in view.spacing_mm[::-1]]
        covered = gaussian_filter(body.astype(np.float64), width, mode="nearest")
        # Averages over the body alone: the air beside it would darken the skin line.
        slow = gaussian_filter(np.where(body, density, 0.0), width, mode="nearest") / np.maximum(covered, 1e-6)
        density = np.where(body, density - compression * (slow - slow[body].mean()), density)
    low, high = np.percentile(density[body], (1.0, 99.9))
    scaled = _LOWEST + (density - low) * ((_HIGHEST - _LOWEST) / max(high - low, 1e-6))
    return np.round(np.clip(scaled, 0.0, 65535.0))


def _misses(view: View, mask: Volume) -> str:
    center = ", ".join(f"{number:.0f}" for number in mask.center_ras_mm)
    source = ", ".join(f"{number:.0f}" for number in view.source_ras_mm)
    return (
        f"No lumbar vertebra of the mask falls on the {view.name} film. The volume's middle is at RAS ({center}) mm, "
        f"the view's source at ({source}) mm; check that the geometry is in the frame of the CT."
    )
