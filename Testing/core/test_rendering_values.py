"""The path-length images against spheres, boxes and rays whose length is known."""

from __future__ import annotations

import gzip
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from LumbarBiplanarLib.evaluation.renderer_checks import inside_polygon, ray_cast_mm
from LumbarBiplanarLib.geometry import rotation_from_vector, standard_pair
from LumbarBiplanarLib.shape.surfaces import read_surface
from rendering_meshes import box, bumpy, icosphere, torus

torch = pytest.importorskip("torch")
from LumbarBiplanarLib.rendering import Shell, render_path_length, silhouettes
from LumbarBiplanarLib.rendering.fragments import accumulate, fragments, set_up_triangles
from LumbarBiplanarLib.rendering.meshes import batch_meshes
from LumbarBiplanarLib.rendering.path_length import unit_bases


def views_of(model="pinhole", size=(140, 120), spacing=0.8, **options):
    return standard_pair(size_px=(size, size), spacing_mm=spacing, model=model, **options).views


def image_of(points, faces, view, dtype=torch.float32, **options) -> np.ndarray:
    return render_path_length(torch.tensor(points, dtype=dtype)[None], faces, [view], **options)[0].numpy()


def chord_mm(view, pixels, center, radius) -> np.ndarray:
    origins, directions = view.rays(pixels)
    along = np.sum((center - origins) * directions, axis=-1)
    distance = np.linalg.norm(origins + along[..., None] * directions - center, axis=-1)
    return 2 * np.sqrt(np.maximum(radius**2 - distance**2, 0.0))


def sampled_mean(view, value, subsamples=2, rows=64) -> np.ndarray:
    """Mean of ``value(pixels)`` over each pixel, at the renderer's column samples and many rows."""
    across = (np.arange(subsamples) + 0.5) / subsamples - 0.5
    along = (np.arange(rows) + 0.5) / rows - 0.5
    u, v = np.meshgrid(np.arange(view.size_px[0]), np.arange(view.size_px[1]))
    total = sum(value(np.stack([u + du, v + dv], axis=-1)) for du in across for dv in along)
    return total / (subsamples * rows)


@pytest.mark.parametrize("model", ["pinhole", "slot"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_sphere_has_its_chords(model, dtype):
    center, radius = np.array([6.0, -9.0, 4.0]), 20.0
    points, faces = icosphere(6, radius)
    for view in views_of(model, size=(90, 90)):
        expected = sampled_mean(view, lambda pixels, view=view: chord_mm(view, pixels, center, radius), rows=16)
        error = np.abs(image_of(points + center, faces, view, dtype) - expected)
        assert expected.max() > 39.9
        # What is left is the sagitta of the facets, and at the sphere's edge the 16 rays per column sample.
        assert np.median(error[expected > 1]) < 0.005
        assert error[expected > 15].max() < 0.01
        assert error.max() < 0.05


def test_a_box_seen_along_its_axis_is_exact_to_its_edges_in_a_slot_scan():
    view = views_of("slot", size=(120, 100), spacing=1.0)[0]
    points, faces = box((15.0, 10.0, 12.3), levels=3)
    image = image_of(points, faces, view, torch.float64)
    # Rows are parallel: the top and bottom edges cover a known part of their pixel row.
    rows = np.arange(100) - view.principal_px[1]
    covered = np.clip(np.minimum(rows + 0.5, 12.3) - np.maximum(rows - 0.5, -12.3), 0.0, 1.0)
    middle = image[:, round(view.principal_px[0])]
    assert np.abs(middle - 20.0 * covered).max() < 2e-3
    assert np.abs(covered.sum() - 24.6) < 1e-9
    assert (image[covered == 0] == 0).all()


def test_a_box_in_a_cone_beam_matches_the_slab_of_every_ray():
    points, faces = box((16.0, 11.0, 13.0), levels=4)

    def slab(view, pixels):
        origins, directions = view.rays(pixels)
        near, far = np.sort(np.stack([(sign * half - origins) / directions for sign in (-1, 1)]), axis=0)
        return np.maximum(far.min(-1) - near.max(-1), 0.0)

    half = np.array([16.0, 11.0, 13.0])
    for view in standard_pair(size_px=((100, 100),) * 2, spacing_mm=0.8, angle_deg=70).views:
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = sampled_mean(view, lambda pixels, view=view: slab(view, pixels), rows=32)
        error = np.abs(image_of(points, faces, view, torch.float64) - expected)
        assert np.median(error[expected > 1]) < 0.005
        assert np.quantile(error[expected > 1], 0.95) < 0.05


@pytest.mark.parametrize("model", ["pinhole", "slot"])
def test_ray_casting_gives_the_same_image(model):
    points, faces = bumpy(3)
    view = views_of(model, angle_deg=75)[1]
    image = image_of(points, faces, view)
    rng = np.random.default_rng(0)
    v, u = np.nonzero(image > 0.5)
    chosen = rng.choice(len(u), 60, replace=False)
    pixels = np.stack([u, v], axis=-1)[chosen]
    across, along = (np.arange(2) + 0.5) / 2 - 0.5, (np.arange(8) + 0.5) / 8 - 0.5
    offsets = np.array([(du, dv) for du in across for dv in along])
    origins, directions = view.rays(pixels[:, None] + offsets)
    cast = ray_cast_mm(points, faces, origins.reshape(-1, 3), directions.reshape(-1, 3)).reshape(60, -1)
    error = np.abs(cast.mean(axis=1) - image[pixels[:, 1], pixels[:, 0]])
    assert np.isfinite(error).mean() > 0.9
    assert np.nanmedian(error) <= 0.005
    assert np.nanquantile(error, 0.9) <= 0.05


def outside_of(points, faces, view, margin_px=1.0) -> np.ndarray:
    """Pixels that lie wholly beyond the outline: none of it within ``margin_px`` of their centre."""
    outline = silhouettes(points, faces, view, count=1000)
    u, v = np.meshgrid(np.arange(view.size_px[0]), np.arange(view.size_px[1]))
    pixels = np.stack([u, v], axis=-1).reshape(-1, 2).astype(float)
    far = cKDTree(outline).query(pixels)[0] > margin_px
    return (far & ~inside_polygon(outline, pixels)).reshape(u.shape)


def test_nothing_leaks_outside_closed_meshes_in_float32():
    """Over 26 directions: exactly 0 beyond the outline, no streaks inside, and coverages that cancel."""
    meshes = [bumpy(2, seed) for seed in (1, 2)] + [torus(22.0, 7.0, 24, 11)]
    pair = views_of(size=(110, 110), spacing=1.0)
    rng = np.random.default_rng(3)
    for turn in range(13):
        points, faces = meshes[turn % 3]
        turned = points @ rotation_from_vector(rng.normal(size=3)).T
        tensor = torch.tensor(turned, dtype=torch.float32)
        for view, image in zip(pair, render_path_length(tensor[None], faces, pair)):
            image = image.numpy()
            outside = outside_of(tensor.double().numpy(), faces, view)
            assert outside.sum() > 1000
            assert (image[outside] == 0.0).all()
            assert image.min() > -1e-4
            assert image.max() < np.linalg.norm(np.ptp(turned, axis=0))
        batch = batch_meshes(tensor[None], faces)
        bases, length = unit_bases(pair, 1, False)
        triangles = set_up_triangles(batch, pair, 2, bases, torch.float32)
        covered = sum(accumulate(length, part.pixel, part.moments[0]) for part in fragments(triangles, "coverage"))
        assert covered.abs().max() < 1e-6


def test_real_vertebrae_do_not_leak_and_match_ray_casting(shared_data, tmp_path):
    packed = shared_data / "visible-human-male" / "L3_Schrumpfverpacken.obj.gz"
    if not packed.is_file():
        pytest.skip(f"{packed} is absent")
    copy = tmp_path / "vertebra.obj"
    copy.write_bytes(gzip.decompress(packed.read_bytes()))
    surface = read_surface(copy)
    points = np.asarray(surface.points_ras_mm, dtype=float)
    points = (points - points.mean(axis=0)) * (1000.0 if np.ptp(points) < 1.0 else 1.0)
    faces = np.asarray(surface.faces)
    view = views_of(size=(160, 120))[1]
    image = image_of(points, faces, view)
    assert (image[outside_of(points, faces, view)] == 0).all()
    v, u = np.nonzero(image > 0.5)
    chosen = np.random.default_rng(0).choice(len(u), 30, replace=False)
    pixels = np.stack([u, v], axis=-1)[chosen]
    offsets = np.array([(du, dv) for du in (-0.25, 0.25) for dv in (-0.375, -0.125, 0.125, 0.375)])
    origins, directions = view.rays(pixels[:, None] + offsets)
    cast = ray_cast_mm(points, faces, origins.reshape(-1, 3), directions.reshape(-1, 3)).reshape(30, -1).mean(axis=1)
    assert np.nanmedian(np.abs(cast - image[pixels[:, 1], pixels[:, 0]])) < 0.02


def test_a_crop_is_a_slice_of_the_whole_image():
    points, faces = bumpy(3)
    view = views_of()[0]
    whole = image_of(points, faces, view)
    for x0, y0, width, height in ((60, 50, 30, 20), (-20, -10, 90, 70), (75, 20, 400, 300), (1000, 1000, 8, 9)):
        crop = image_of(points, faces, view.cropped(x0, y0, width, height))
        expected = np.zeros((height, width), dtype=np.float32)
        rows = [y for y in range(height) if 0 <= y + y0 < whole.shape[0]]
        columns = [x for x in range(width) if 0 <= x + x0 < whole.shape[1]]
        if rows and columns:
            expected[np.ix_(rows, columns)] = whole[np.ix_(np.add(rows, y0), np.add(columns, x0))]
            inside = np.ix_(rows, columns)
            assert np.abs(crop[inside] - expected[inside]).max() < 1e-3
        else:
            assert (crop == 0).all()


@pytest.mark.parametrize("shell", [None, Shell(1.5, 0.4)], ids=["solid", "shell"])
def test_a_film_turned_over_has_the_image_in_reverse_order(shell):
    points, faces = bumpy(3, 1)
    for view in (*views_of(), *views_of("slot")):
        images = render_path_length(torch.tensor(points)[None], faces, (view, view.turned_over()), shell=shell)
        assert float(images[0].max()) > 10.0
        assert torch.allclose(images[1], images[0].flip(-1), atol=1e-9)


def test_a_batch_equals_its_meshes_and_views_one_by_one():
    (a, faces), (b, _) = bumpy(2, 1), bumpy(2, 2)
    ring, ring_faces = torus(22.0, 7.0, 20, 9)
    meshes = [torch.tensor(mesh, dtype=torch.float32) for mesh in (a, b + [0.0, 0.0, 30.0], ring)]
    topologies = [faces, faces, ring_faces]
    views = (*views_of(size=(140, 120)), views_of("slot", size=(90, 150))[1])
    together = render_path_length(meshes, topologies, views, per_mesh=True)
    summed = render_path_length(meshes, topologies, views)
    for v, view in enumerate(views):
        for m, mesh in enumerate(meshes):
            alone = render_path_length(mesh[None], topologies[m], [view])[0]
            assert torch.equal(together[v][m], alone)
        assert torch.allclose(summed[v], together[v].sum(0), atol=1e-4)


def test_a_shell_of_a_sphere_is_the_difference_of_two_spheres():
    points, faces = icosphere(6, 20.0)
    view = views_of(size=(80, 80))[0]
    shell = Shell(thickness_mm=2.0, density_ratio=0.3)
    expected = sampled_mean(
        view, lambda pixels: chord_mm(view, pixels, 0.0, 20.0) - 0.7 * chord_mm(view, pixels, 0.0, 18.0), rows=16
    )
    error = np.abs(image_of(points, faces, view, shell=shell) - expected)
    assert np.median(error[expected > 1]) < 0.005
    solid = image_of(points, faces, view)
    assert np.allclose(image_of(points, faces, view, shell=Shell(2.0, 1.0)), solid, atol=1e-4)


def test_the_same_call_gives_the_same_bits():
    points, faces = bumpy(3)
    view = views_of()[1]
    assert np.array_equal(image_of(points, faces, view), image_of(points, faces, view))


def test_bounded_memory_does_not_change_the_image(monkeypatch):
    points, faces = bumpy(2)
    batch = batch_meshes(torch.tensor(points)[None], faces)
    views = views_of()
    bases, length = unit_bases(views, 1, False)
    triangles = set_up_triangles(batch, views, 2, bases, torch.float64)
    images = []
    for limit in (10**9, 500):
        parts = list(fragments(triangles, "depth", limit))
        images.append(sum(accumulate(length, part.pixel, part.moments[0]) for part in parts))
        if limit == 500:
            assert len(parts) > 10 and max(len(part.pixel) for part in parts) <= 500
    assert torch.allclose(*images, atol=1e-9)


def test_bad_input_is_named():
    points, faces = icosphere(1, 20.0)
    tensor = torch.tensor(points)[None]
    views = views_of()
    with pytest.raises(ValueError, match="behind the X-ray source"):
        render_path_length(tensor + torch.tensor([0.0, 2000.0, 0.0]), faces, views)
    with pytest.raises(ValueError, match="not finite"):
        render_path_length(tensor * float("nan"), faces, views)
    with pytest.raises(ValueError, match="faces name vertices"):
        render_path_length(tensor, faces + 1, views)
    with pytest.raises(ValueError, match="float32 or float64"):
        render_path_length(tensor.long(), faces, views)
    with pytest.raises(ValueError, match="views is empty"):
        render_path_length(tensor, faces, [])
    with pytest.raises(ValueError, match="density_ratio"):
        Shell(1.0, 1.5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_cuda_gives_the_image_of_the_cpu():
    points, faces = bumpy(3)
    tensor = torch.tensor(points, dtype=torch.float32)[None]
    views = views_of()
    here = render_path_length(tensor, faces, views)
    there = render_path_length(tensor.cuda(), faces, views)
    again = render_path_length(tensor.cuda(), faces, views)
    for a, b, c in zip(here, there, again):
        assert torch.equal(b, c)
        assert (a - b.cpu()).abs().max() < 1e-3


def test_an_image_far_from_the_mesh_is_zero():
    points, faces = icosphere(2, 20.0)
    view = views_of()[0]
    moved = replace(view, principal_px=(5000.0, 5000.0))
    assert (image_of(points, faces, moved) == 0).all()
