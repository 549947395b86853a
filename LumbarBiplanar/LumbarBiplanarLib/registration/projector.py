"""Path-length images of the posed meshes, and how these change with the unknowns of each vertebra."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from ..rendering.jacobian import PixelJacobian, SharedTangents, image_jacobian
from ..rendering.path_length import render_path_length
from .poses import PointBasis, VertebraState
from .pyramid import ImageLevel


@dataclass(frozen=True, eq=False)
class MeshProjector:
    """Path-length images of the posed coarse meshes.

    Attributes:
        basis: vertices of the coarse mesh.
        faces: (F, 3) int64 tensor, outward.
        column_subsamples, shell: settings of the renderer.
        device: torch device.
        dtype: float32, or float64 for checks.
    """

    basis: PointBasis
    faces: torch.Tensor
    column_subsamples: int
    shell: object | None
    device: torch.device
    dtype: torch.dtype = torch.float32
    _modes: dict[int, torch.Tensor] = field(default_factory=dict, init=False, repr=False)

    def points(self, vertebrae: Sequence[VertebraState]) -> torch.Tensor:
        """Return (N, V, 3) posed vertices, RAS mm."""
        stacked = np.stack([self.basis.posed(item) for item in vertebrae])
        return torch.as_tensor(stacked, dtype=self.dtype, device=self.device)

    def path_lengths(
        self, vertebrae: Sequence[VertebraState], levels: Sequence[ImageLevel], densities: np.ndarray | None = None
    ) -> list[torch.Tensor]:
        """Return the (N, h, w) path length in mm of each vertebra in each view, times its density if there are (N,)."""
        with torch.no_grad():
            images = render_path_length(
                self.points(vertebrae),
                self.faces,
                [item.view for item in levels],
                subsamples=self.column_subsamples,
                shell=self.shell,
                per_mesh=True,
            )
            if densities is None:
                return images
            factors = torch.as_tensor(densities, dtype=self.dtype, device=self.device)
            return [factors[:, None, None] * image for image in images]

    def jacobians(
        self, vertebrae: Sequence[VertebraState], levels: Sequence[ImageLevel], modes: int
    ) -> list[list[PixelJacobian]]:
        """Return, per view and vertebra, the path length and its Jacobian by the vertebra's own unknowns."""
        tangents = np.stack([self.basis.tangents(item, 0) for item in vertebrae])
        frames = np.stack([item.scale * item.rotation for item in vertebrae])
        shared = SharedTangents(torch.as_tensor(frames, device=self.device), self._first_modes(modes))
        with torch.no_grad():
            return image_jacobian(
                self.points(vertebrae),
                self.faces,
                torch.as_tensor(tangents, dtype=self.dtype, device=self.device),
                [item.view for item in levels],
                subsamples=self.column_subsamples,
                shell=self.shell,
                shared=shared,
            )

    def _first_modes(self, count: int) -> torch.Tensor:
        """Return the (V, 3, count) first modes, kept for the next time."""
        if count not in self._modes:
            chosen = np.ascontiguousarray(self.basis.modes_mm[:, :, :count])
            self._modes[count] = torch.as_tensor(chosen, dtype=self.dtype, device=self.device)
        return self._modes[count]
