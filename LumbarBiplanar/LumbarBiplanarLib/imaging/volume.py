"""Volumes (CT and label masks), read into RAS at this border and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import VolumeError
from ..geometry import ras_from_lps, transform_points
from .whole_files import damage_of
from .writing import write_with_itk


@dataclass(frozen=True, eq=False)
class Volume:
    """A volume of voxels; voxel (i, j, k) is centered at ``ras_from_ijk @ (i, j, k, 1)``.

    Attributes:
        data: (I, J, K) values as stored.
        ras_from_ijk: (4, 4) affine to RAS mm.
        path: file it was read from, or None.
    """

    data: np.ndarray
    ras_from_ijk: np.ndarray
    path: Path | None = None

    def __post_init__(self) -> None:
        """Check sizes and that the affine can be inverted."""
        what = str(self.path) if self.path is not None else "A volume"
        if self.data.ndim != 3 or self.data.size == 0:
            raise VolumeError(f"{what}: needs three axes with at least one voxel each, found shape {self.data.shape}.")
        affine = np.array(self.ras_from_ijk, dtype=np.float64)
        if affine.shape != (4, 4) or not np.all(np.isfinite(affine)) or abs(np.linalg.det(affine)) < 1e-12:
            raise VolumeError(f"{what}: ras_from_ijk must be an invertible (4, 4) affine, found {affine.tolist()}.")
        affine.setflags(write=False)
        object.__setattr__(self, "ras_from_ijk", affine)

    @property
    def ijk_from_ras(self) -> np.ndarray:
        """The (4, 4) affine from RAS mm to voxel indices."""
        return np.linalg.inv(self.ras_from_ijk)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxel centers along i, j, k, mm."""
        return tuple(float(length) for length in np.linalg.norm(self.ras_from_ijk[:3, :3], axis=0))

    @property
    def center_ras_mm(self) -> np.ndarray:
        """Middle of the volume (3,), RAS mm."""
        return transform_points(self.ras_from_ijk, (np.array(self.data.shape) - 1) / 2)


def read_volume(path: str | Path) -> Volume:
    """Read a volume through SimpleITK (NIfTI, NRRD, MetaImage and the others it knows).

    ITK's LPS becomes RAS here; voxel values keep their type.

    Raises:
        VolumeError: if the file is missing, unreadable, damaged or cut off, is not a scalar volume of three axes, or
            holds NaN.
    """
    import SimpleITK

    path = Path(path)
    if not path.is_file():
        if path.is_dir():
            raise VolumeError(
                f"{path}: this is a folder; give one file, and convert a series of slices to one (NIfTI)."
            )
        raise VolumeError(f"{path}: there is no such volume; check the path.")
    try:
        damage = damage_of(path)
    except OSError as error:
        raise VolumeError(f"{path}: the volume cannot be read ({error.strerror}).") from error
    if damage:
        raise VolumeError(f"{path}: the file is damaged or cut off ({damage}); copy or export it again.")
    try:
        image = SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].removeprefix("sitk::ERROR: ").rstrip(".")
        raise VolumeError(
            f"{path}: not a volume that can be read, or damaged ({reason}); export it as NIfTI, NRRD or MetaImage."
        ) from None
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise VolumeError(
            f"{path}: needs one value per voxel and three axes, found {image.GetNumberOfComponentsPerPixel()} values "
            f"and {image.GetDimension()} axes; export a single scalar volume (a segmentation of 3D Slicer whose "
            "segments overlap: as a labelmap)."
        )
    data = SimpleITK.GetArrayFromImage(image).transpose(2, 1, 0)
    if data.dtype.kind == "f" and not np.all(np.isfinite(data)):
        raise VolumeError(f"{path}: {int((~np.isfinite(data)).sum())} voxels are NaN or infinite; export it again.")
    lps_from_ijk = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    lps_from_ijk[:3, :3] = direction * np.array(image.GetSpacing())
    lps_from_ijk[:3, 3] = image.GetOrigin()
    return Volume(data, ras_from_lps @ lps_from_ijk, path)


def write_volume(path: str | Path, volume: Volume) -> None:
    """Write a volume (.nrrd, .mha, .nii.gz) through SimpleITK, compressed; RAS becomes ITK's LPS here.

    Raises:
        VolumeError: if the affine shears, which these formats cannot hold.
        StudyError: if the file cannot be written.
    """
    import SimpleITK

    lps_from_ijk = ras_from_lps @ volume.ras_from_ijk
    spacing = np.array(volume.spacing_mm)
    direction = lps_from_ijk[:3, :3] / spacing
    if np.abs(direction.T @ direction - np.eye(3)).max() > 1e-4:
        raise VolumeError(f"{path}: the axes of the volume are not at right angles; resample it first.")
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(volume.data.transpose(2, 1, 0)))
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps_from_ijk[:3, 3].tolist())
    image.SetDirection(direction.ravel().tolist())
    write_with_itk(image, path)
