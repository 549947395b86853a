"""Surfaces whose distances are known, for the tests of the evaluation."""

from __future__ import annotations

import numpy as np

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS
from LumbarBiplanarLib.shape.surfaces import Surface, from_polydata


def sphere(radius_mm: float, center_mm=(0.0, 0.0, 0.0), resolution: int = 48) -> Surface:
    import vtk

    source = vtk.vtkSphereSource()
    source.SetRadius(radius_mm)
    source.SetThetaResolution(resolution)
    source.SetPhiResolution(resolution)
    source.SetOutputPointsPrecision(vtk.vtkAlgorithm.DOUBLE_PRECISION)
    source.Update()
    found = from_polydata(source.GetOutput())
    return Surface(found.points_ras_mm + np.asarray(center_mm), found.faces)


def lump(center_mm=(0.0, 0.0, 0.0), resolution: int = 26) -> Surface:
    """A closed surface with no symmetry, about 40 mm wide."""
    ball = sphere(1.0, resolution=resolution)
    x, y, z = ball.points_ras_mm.T
    radius = 15.0 + 5.0 * x + 3.0 * np.sin(3.0 * y) + 2.0 * z**2 + 2.0 * x * y
    return Surface(ball.points_ras_mm * radius[:, None] * (1.3, 1.0, 0.8) + np.asarray(center_mm), ball.faces)


def spine(make=lump, step_mm: float = 40.0) -> dict:
    """Five lumps, L1 on top."""
    return {level: make((3.0 * k, 0.0, -step_mm * k)) for k, level in enumerate(LUMBAR_LEVELS)}


def moved(surface: Surface, matrix: np.ndarray) -> Surface:
    return Surface(surface.points_ras_mm @ matrix[:3, :3].T + matrix[:3, 3], surface.faces)
