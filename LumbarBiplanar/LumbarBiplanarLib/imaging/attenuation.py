"""From Hounsfield units to linear attenuation."""

from __future__ import annotations

import numpy as np

# Mass attenuation coefficients, cm2/g, of liquid water (1.000 g/cm3) and of cortical bone ICRU-44 (1.920 g/cm3):
# Hubbell and Seltzer, NIST Standard Reference Database 126 (NISTIR 5632), tables 4.
_KEV = np.array([40.0, 50.0, 60.0, 80.0, 100.0])
_WATER_CM2_G = np.array([0.2683, 0.2269, 0.2059, 0.1837, 0.1707])
_BONE_CM2_G = np.array([0.6655, 0.4242, 0.3148, 0.2229, 0.1855])
_BONE_G_CM3 = 1.920
LARGEST_HU = 3000.0


def water_bone_per_mm(energy_kev: float) -> tuple[float, float]:
    """Return the linear attenuation of water and of cortical bone, 1/mm, interpolated log-log between 40 and 100 keV.

    Raises:
        ValueError: if the energy is outside the table.
    """
    if not _KEV[0] <= energy_kev <= _KEV[-1]:
        raise ValueError(f"energy_kev must lie between {_KEV[0]:g} and {_KEV[-1]:g}, found {energy_kev}.")
    water, bone = (
        float(np.exp(np.interp(np.log(energy_kev), np.log(_KEV), np.log(table)))) / 10.0
        for table in (_WATER_CM2_G, _BONE_CM2_G)
    )
    return water, bone * _BONE_G_CM3


def attenuation_per_mm(hu: np.ndarray, energy_kev: float = 70.0, ct_energy_kev: float = 70.0) -> np.ndarray:
    """Turn CT numbers into linear attenuation.

    Bilinear scaling (Kinahan et al., Med Phys 25(10):2046, 1998): up to 0 HU a mixture of air and water, above it a
    mixture of water and cortical bone, whose share is the HU over the HU of cortical bone at the CT's own effective
    energy. At equal energies that is simply mu_water (1 + HU / 1000).

    Args:
        hu: Hounsfield units, any shape; below -1000 counts as air, above 3000 (metal) as 3000.
        energy_kev: effective energy of the film's beam. 70 keV is a diagnostic beam of 80 to 120 kV behind a patient.
        ct_energy_kev: effective energy of the CT's beam; about 70 keV at 120 kV.

    Returns:
        Attenuation in 1/mm, float32, same shape.
    """
    water, bone = water_bone_per_mm(energy_kev)
    ct_water, ct_bone = water_bone_per_mm(ct_energy_kev)
    bone_hu = 1000.0 * (ct_bone / ct_water - 1.0)
    hu = np.clip(np.asarray(hu, dtype=np.float32), -1000.0, LARGEST_HU)
    above = water + hu * ((bone - water) / bone_hu)
    return np.where(hu <= 0.0, water * (1.0 + hu / 1000.0), above).astype(np.float32)
