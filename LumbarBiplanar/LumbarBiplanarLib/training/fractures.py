"""Osteoporotic fractures of vertebral bodies: wedge, biconcave, crush (Genant et al., J Bone Miner Res 1993;8:1137)."""

from __future__ import annotations

import numpy as np

# Shares of the kinds in the lumbar spine, rounded: wedges are the most frequent, crushed bodies the rarest.
_KINDS, _KIND_SHARES = ("wedge", "biconcave", "crush"), (0.5, 0.35, 0.15)
_LOSS = (0.15, 0.5)  # of the body's height where it is lowest: mild (20 %) to severe (above 40 %)
_BOTH_SHARE, _SUPERIOR_SHARE = 0.45, 0.8  # both endplates give way, or one, which mostly is the superior one
# In the vertebra frame: the body reaches from about -17 to 17 mm along y, -25 to 25 mm along x.
_ARCH_MM, _BACK_MM, _DEEP_MM, _WIDE_MM = -27.0, -16.0, 34.0, 25.0
_DENT_MM = ((9.0, 14.0), (12.0, 19.0))  # depth and width of a biconcave body's dents
_DENT_SHIFT_MM, _LEAN_SD, _LEAN_MOST = 3.0, 0.25, 0.6
_BULGE = 0.12  # how much wider the body becomes where it has lost all its height


def fractured(points: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a vertebra whose body has collapsed, and the same as its neighbors meet it.

    The disc fills the dents of a biconcave body, whose rim keeps its height; so the second one has none.

    Args:
        points: (V, 3) vertices of a sound vertebra in the vertebra frame, mm.
        rng: source of randomness.
    """
    x, y, z = points.T
    # The posterior wall may lose height too; the arch keeps its own.
    body = np.clip((y - _ARCH_MM) / (_BACK_MM - _ARCH_MM), 0.0, 1.0)
    kind = _KINDS[rng.choice(len(_KINDS), p=_KIND_SHARES)]
    loss = rng.uniform(*_LOSS)
    if kind == "wedge":
        where = np.clip((y - _BACK_MM) / _DEEP_MM, 0.0, 1.1)
    elif kind == "crush":
        where = body
    else:
        at = rng.normal(0.0, _DENT_SHIFT_MM, 2)
        deep, wide = (rng.uniform(*size) for size in _DENT_MM)
        where = body * np.exp(-0.5 * ((x - at[0]) / wide) ** 2 - 0.5 * ((y - at[1]) / deep) ** 2)
    leaning = 1.0 + np.clip(rng.normal(0.0, _LEAN_SD), -_LEAN_MOST, _LEAN_MOST) * np.clip(x / _WIDE_MM, -1.0, 1.0)
    lost = np.clip(loss * where * leaning, 0.0, 0.7)
    if rng.random() >= _BOTH_SHARE:
        # What one endplate loses alone is twice the share of its half.
        superior = rng.random() < _SUPERIOR_SHARE
        lost = np.where((z > 0.0) == superior, np.clip(2.0 * lost, 0.0, 0.8), 0.0)
    broken = points.copy()
    broken[:, 2] *= 1.0 - lost
    broken[:, :2] *= 1.0 + _BULGE * lost[:, None]
    return broken, points if kind == "biconcave" else broken
