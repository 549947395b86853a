"""Backward and forward derivatives of the images, against finite differences and each other."""

from __future__ import annotations

import numpy as np
import pytest

from LumbarBiplanarLib.geometry import standard_pair
from rendering_meshes import bumpy, icosphere, torus

torch = pytest.importorskip("torch")
from LumbarBiplanarLib.rendering import SharedTangents, Shell, image_jacobian, render_path_length

SHELLS = [None, Shell(1.5, 0.4)]


def scene(model: str, levels: int = 2, roughness_mm: float = 0.3):
    (a, faces), (b, _) = bumpy(levels, 1, roughness_mm), bumpy(levels, 2, roughness_mm)
    points = torch.tensor(np.stack([a, b + [3.0, 4.0, 25.0]]))
    small, large = (90, 100), (110, 80)  # the second mesh reaches over the border
    views = standard_pair(size_px=(small, large), spacing_mm=1.0, model=model, angle_deg=80).views
    return points, faces, (views[0], views[1].turned_over())


def tangents_of(points: torch.Tensor, parameters: int, seed: int = 0) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=(*points.shape, parameters)))


def dense_jacobian(result, mesh: int, view: int, image: torch.Tensor) -> torch.Tensor:
    entry = result[view][mesh]
    full = torch.zeros(image.numel(), entry.jacobian.shape[1], dtype=entry.jacobian.dtype)
    full[entry.pixels] = entry.jacobian
    return full.reshape(*image.shape, -1)


@pytest.mark.parametrize("shell", SHELLS, ids=["solid", "shell"])
@pytest.mark.parametrize("model", ["pinhole", "slot"])
def test_backward_passes_gradcheck(model, shell):
    points, faces = icosphere(1, 12.0)
    points = torch.tensor(points + np.random.default_rng(0).uniform(-1, 1, points.shape))[None].requires_grad_()
    views = standard_pair(size_px=((13, 12), (12, 14)), spacing_mm=3.0, model=model).views

    def images(moved):
        return tuple(render_path_length(moved, faces, views, shell=shell))

    assert torch.autograd.gradcheck(images, (points,), eps=1e-6, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shell", SHELLS, ids=["solid", "shell"])
@pytest.mark.parametrize("model", ["pinhole", "slot"])
def test_the_image_jacobian_is_the_finite_difference(model, shell):
    points, faces, views = scene(model)
    tangents = tangents_of(points, 3)
    result = image_jacobian(points, faces, tangents, views, shell=shell)
    step = 1e-6
    for parameter in range(3):
        sides = [
            render_path_length(
                points + sign * step * tangents[..., parameter], faces, views, shell=shell, per_mesh=True
            )
            for sign in (1, -1)
        ]
        for view, (plus, minus) in enumerate(zip(*sides)):
            difference = (plus - minus) / (2 * step)
            for mesh in range(2):
                found = dense_jacobian(result, mesh, view, difference[mesh])[..., parameter]
                relative = (found - difference[mesh]).norm() / difference[mesh].norm()
                assert relative < 1e-6


@pytest.mark.parametrize("shell", SHELLS, ids=["solid", "shell"])
def test_forward_and_backward_agree(shell):
    points, faces, views = scene("pinhole", levels=3)
    tangents = tangents_of(points, 4)
    result = image_jacobian(points, faces, tangents, views, shell=shell)
    leaf = points.clone().requires_grad_()
    images = render_path_length(leaf, faces, views, shell=shell, per_mesh=True)
    weights = [torch.tensor(np.random.default_rng(1).normal(size=tuple(image.shape))) for image in images]
    sum((weight * image).sum() for weight, image in zip(weights, images)).backward()
    backward = torch.einsum("nvc,nvcp->np", leaf.grad, tangents)
    forward = torch.zeros_like(backward)
    for view, image in enumerate(images):
        for mesh in range(2):
            full = dense_jacobian(result, mesh, view, image[mesh])
            forward[mesh] += torch.einsum("hw,hwp->p", weights[view][mesh], full)
    assert torch.allclose(forward, backward, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-3), (torch.float64, 1e-10)])
def test_the_path_length_beside_the_jacobian_is_the_image(dtype, tolerance):
    points, faces, views = scene("slot")
    points = points.to(dtype)
    images = render_path_length(points, faces, views, per_mesh=True)
    result = image_jacobian(points, faces, tangents_of(points, 2).to(dtype), views)
    for view, image in enumerate(images):
        for mesh, entry in enumerate(result[view]):
            assert entry.path_mm.dtype == entry.jacobian.dtype == dtype
            assert (entry.pixels.diff() > 0).all()
            full = torch.zeros_like(image[mesh]).reshape(-1)
            full[entry.pixels] = entry.path_mm
            assert (full - image[mesh].reshape(-1)).abs().max() < tolerance


def test_meshes_of_different_topology_share_a_call():
    (a, faces), (ring, ring_faces) = bumpy(2), torus(20.0, 6.0, 18, 8)
    meshes = [torch.tensor(a), torch.tensor(ring)]
    tangents = [torch.tensor(np.random.default_rng(i).normal(size=(len(m), 3, 2))) for i, m in enumerate(meshes)]
    views = scene("pinhole")[2]
    together = image_jacobian(meshes, [faces, ring_faces], tangents, views)
    for mesh, topology in enumerate((faces, ring_faces)):
        alone = image_jacobian(meshes[mesh][None], topology, tangents[mesh][None], views)
        for view in range(2):
            assert torch.equal(together[view][mesh].pixels, alone[view][0].pixels)
            assert torch.allclose(together[view][mesh].jacobian, alone[view][0].jacobian, atol=1e-12)


def test_a_mesh_outside_every_view_has_an_empty_jacobian():
    points, faces, views = scene("pinhole")
    far = points[:1] + torch.tensor([0.0, 0.0, 500.0])
    result = image_jacobian(far, faces, tangents_of(far, 2), views)
    assert all(entry[0].jacobian.shape == (0, 2) and len(entry[0].pixels) == 0 for entry in result)


def test_the_jacobian_predicts_half_a_millimetre():
    """The box filter and the column samples make the image follow its linearization: registration depends on it."""
    points, faces, views = scene("pinhole", levels=3, roughness_mm=0.0)
    shift = torch.zeros(*points.shape, 3, dtype=points.dtype)
    for axis in range(3):
        shift[..., axis, axis] = 1.0
    result = image_jacobian(points, faces, shift, views)
    before = render_path_length(points, faces, views, per_mesh=True)
    for view, axis in ((0, 0), (0, 2), (1, 1), (1, 2)):
        step = 0.5 * torch.eye(3, dtype=points.dtype)[axis]
        change = render_path_length(points + step, faces, views, per_mesh=True)[view] - before[view]
        predicted = torch.stack([dense_jacobian(result, m, view, change[m])[..., axis] for m in range(2)]) * 0.5
        assert np.corrcoef(change.reshape(-1), predicted.reshape(-1))[0, 1] > 0.95


def test_wrong_tangents_are_refused():
    points, faces, views = scene("pinhole")
    with pytest.raises(ValueError, match="tangents"):
        image_jacobian(points, faces, tangents_of(points, 2)[:, :-1], views)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_cuda_gives_the_jacobian_of_the_cpu():
    points, faces, views = scene("pinhole")
    points, tangents = points.float(), tangents_of(points, 3).float()
    here = image_jacobian(points, faces, tangents, views)
    there = image_jacobian(points.cuda(), faces, tangents.cuda(), views)
    for row_here, row_there in zip(here, there):
        for a, b in zip(row_here, row_there):
            assert torch.equal(a.pixels, b.pixels.cpu())
            assert (a.jacobian - b.jacobian.cpu()).norm() < 1e-3 * a.jacobian.norm()


@pytest.mark.parametrize("shell", SHELLS, ids=["solid", "shell"])
def test_shared_tangents_are_tangents_written_once(shell):
    points, faces, views = scene("pinhole")
    rng = np.random.default_rng(3)
    modes = torch.tensor(rng.normal(size=(points.shape[1], 3, 5)))
    frames = torch.stack([1.1 * torch.eye(3).double(), torch.tensor(np.linalg.qr(rng.normal(size=(3, 3)))[0]) * 0.9])
    own = tangents_of(points, 2)
    written = torch.cat([own, torch.einsum("nij,vjm->nvim", frames, modes)], dim=3)
    expected = image_jacobian(points, faces, written, views, shell=shell)
    found = image_jacobian(points, faces, own, views, shell=shell, shared=SharedTangents(frames, modes))
    for one, other in zip(expected, found):
        for a, b in zip(one, other):
            assert torch.equal(a.pixels, b.pixels) and torch.equal(a.path_mm, b.path_mm)
            assert torch.allclose(a.jacobian, b.jacobian, rtol=1e-9, atol=1e-9)
