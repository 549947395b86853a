"""A disk that fills up while a surface is written: VTK's writers return quietly, so this is asked of real files."""

from __future__ import annotations

import pytest

from evaluation_phantom import sphere
from LumbarBiplanarLib.errors import OutputError
from LumbarBiplanarLib.shape.surfaces import read_surface, write_surface
from small_disk import small_disk


@pytest.mark.parametrize("suffix", [".vtp", ".stl"])
def test_a_surface_that_does_not_fit_on_the_disk_is_said_and_leaves_the_earlier_file(tmp_path, suffix):
    path = tmp_path / f"L1{suffix}"
    write_surface(path, sphere(5.0, resolution=8))
    earlier = path.read_bytes()
    with small_disk(4096), pytest.raises(OutputError, match=r"L1.*could not be written.*full"):
        write_surface(path, sphere(20.0, resolution=64))
    assert path.read_bytes() == earlier
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    assert len(read_surface(path).faces) > 0
