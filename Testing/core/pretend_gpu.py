"""A GPU that is not there: tensors that say they are on ``cuda``, compute on the CPU, and count what is waited for.

Code that takes a ``device`` runs on it as it would on a GPU, but for its speed. An operation on tensors of both places
raises, as it does on a GPU. Each time the processor would have to wait for the GPU is counted, under the line of our
code that asks for it: a number read, a copy to or from the GPU, an operation whose result's size only the GPU knows.

It needs PyTorch alone. What is not pretended: arithmetic (order of sums, TF32), memory, streams, graphs.
"""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

GPU = torch.device("cuda")
# PyTorch without CUDA cannot index what is on ``cuda``: to it these tensors are on the device without numbers.
_META = torch.device("meta")
_OURS = "LumbarBiplanarLib"
_aten = torch.ops.aten
# Of these the GPU alone knows how large the result is, or whether it failed.
_SIZED_BY_RESULT = {
    _aten.nonzero.default,
    _aten.masked_select.default,
    _aten._unique2.default,
    _aten.unique_dim.default,
    _aten.unique_consecutive.default,
    _aten._linalg_check_errors.default,
    _aten._coalesce.default,
}
_INDEXING = {_aten.index.Tensor, _aten.index_put.default, _aten.index_put_.default, _aten._index_put_impl_.default}
_COPIES = {_aten._to_copy.default, _aten.copy_.default, _aten.copy.default}


class Waits(Counter):
    """How often the processor waited, by (file:line function, what for)."""

    @property
    def total(self) -> int:
        """Of all places."""
        return sum(self.values())

    def note(self, what: str) -> None:
        """Count one, at the innermost line of the package."""
        frame = sys._getframe(1)
        while frame is not None and _OURS not in frame.f_code.co_filename:
            frame = frame.f_back
        where = "elsewhere"
        if frame is not None:
            name = Path(frame.f_code.co_filename)
            where = f"{name.parent.name}/{name.name}:{frame.f_lineno} {frame.f_code.co_name}"
        self[where, what] += 1


class PretendTensor(torch.Tensor):
    """A tensor on the GPU that is not there; ``held`` is where its numbers are."""

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> PretendTensor:
        how = {"strides": held.stride(), "storage_offset": held.storage_offset(), "dtype": held.dtype}
        made = torch.Tensor._make_wrapper_subclass(cls, held.size(), device=_META, **how)
        made.held = held
        return made

    device = property(lambda self: GPU)
    is_cuda = property(lambda self: True)
    is_meta = property(lambda self: False)

    def __repr__(self, **_) -> str:
        return f"PretendTensor({self.held!r})"

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return _computed(function, args, kwargs or {}, None)


def _computed(function, args, kwargs, waits: Waits | None):
    given, _ = tree_flatten((args, kwargs))
    there = [item for item in given if isinstance(item, PretendTensor)]
    here = [item for item in given if isinstance(item, torch.Tensor) and not isinstance(item, PretendTensor)]
    to = kwargs.get("device")
    makes = to is not None and torch.device(to).type == "meta"
    note = (lambda what: None) if waits is None else waits.note
    _refuse_a_mixture(function, args, there, here)
    if there and function not in _COPIES and any(item.ndim for item in here):
        note("copy to the GPU")  # an index made on the processor
    if there and function is _aten._local_scalar_dense.default:
        note("number")
    if there and (function in _SIZED_BY_RESULT or _repeats_unknown(function, kwargs)):
        note("size of a result")
    if there and function in _INDEXING:
        for index in args[1]:
            if index is not None and index.dtype in (torch.bool, torch.uint8):
                note("size of a result")
    if function is _aten._to_copy.default and to is not None and bool(there) is not makes:
        note("copy to the GPU" if makes else "copy from the GPU")
    if function is _aten.copy_.default and here and there:
        note("copy to the GPU" if isinstance(args[0], PretendTensor) else "copy from the GPU")
    plain = tree_map(lambda item: item.held if isinstance(item, PretendTensor) else item, (args, kwargs))
    if makes:
        plain[1]["device"] = torch.device("cpu")
    found = function(*plain[0], **plain[1])
    if function is _aten.copy_.default or (to is not None and not makes):
        return args[0] if function is _aten.copy_.default else found
    if not there and not makes:
        return found
    known = {id(item.held): item for item in there}

    def placed(item):
        if not isinstance(item, torch.Tensor):
            return item
        return known[id(item)] if id(item) in known else PretendTensor(item)

    return tree_map(placed, found)


def _refuse_a_mixture(function, args, there: list, here: list) -> None:
    """Raise as a GPU does; on it copies mix, single numbers of the processor, and indices made there."""
    if function in _COPIES or not (there and here):
        return
    large = [item for item in here if item.ndim]
    indexed = function in _INDEXING and isinstance(args[0], PretendTensor)
    put = args[2] if indexed and len(args) > 2 else None
    if isinstance(put, torch.Tensor) and not isinstance(put, PretendTensor) and put.ndim:
        indexed = False
    if large and not indexed:
        raise RuntimeError(f"{function}: expected all tensors to be on the same device, found cpu and cuda")


def _repeats_unknown(function, kwargs) -> bool:
    return function is _aten.repeat_interleave.Tensor and kwargs.get("output_size") is None


class _Dispatch(TorchDispatchMode):
    def __init__(self, waits: Waits) -> None:
        super().__init__()
        self.waits = waits

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return _computed(function, args, kwargs or {}, self.waits)


class _Sparse:
    """A sparse matrix there; PyTorch lets no tensor of ours be one."""

    def __init__(self, held: torch.Tensor, waits: Waits) -> None:
        self.held, self.waits = held, waits

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return NotImplemented

    def coalesce(self) -> _Sparse:
        self.waits.note("size of a result")
        return _Sparse(self.held.coalesce(), self.waits)

    def to_sparse_csr(self) -> _Sparse:
        return _Sparse(self.held.to_sparse_csr(), self.waits)


_MAKING = (torch.tensor, torch.as_tensor, torch.asarray)
_INDEXED = (torch.Tensor.__getitem__, torch.Tensor.__setitem__)
_READING = {torch.Tensor.item, torch.Tensor.tolist, torch.Tensor.__bool__, torch.Tensor.__int__, torch.Tensor.__float__}
_READING |= {torch.Tensor.__index__, torch.Tensor.is_nonzero, torch.is_nonzero}


class _Functions(TorchFunctionMode):
    """Takes ``cuda`` for the device of these tensors, and reads numbers, which PyTorch would refuse of that device."""

    def __init__(self, waits: Waits) -> None:
        super().__init__()
        self.waits = waits

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in _READING and isinstance(args[0], PretendTensor):
            self.waits.note("number")
            return function(args[0].held, *args[1:])
        if function is torch.sparse_coo_tensor and isinstance(args[1], PretendTensor):
            return _Sparse(torch.sparse_coo_tensor(args[0].held, args[1].held, *args[2:], **kwargs), self.waits)
        if function is torch.sparse_csr_tensor and isinstance(args[2], PretendTensor):
            return _Sparse(torch.sparse_csr_tensor(*(item.held for item in args[:3]), *args[3:], **kwargs), self.waits)
        if function is torch.sparse.mm:
            with torch._C.DisableTorchFunction():
                return PretendTensor(torch.sparse.mm(args[0].held, args[1].held))
        if function is torch.Tensor.new_tensor and isinstance(args[0], PretendTensor):
            return args[0].held.new_tensor(*args[1:], **kwargs or {}).to(_META)
        if function in _INDEXED and isinstance(args[0], PretendTensor):
            args = (args[0], self._index(args[1]), *args[2:])
        args, kwargs = tree_map(_as_meta, (args, dict(kwargs or {})))
        if function in _MAKING and kwargs.get("device") == _META:
            del kwargs["device"]
            made = args[0] if isinstance(args[0], PretendTensor) else function(*args, **kwargs)
            return made.to(_META)
        return function(*args, **kwargs)

    def _index(self, index):
        """Return an index with lists moved there, which PyTorch would make without their numbers."""
        if isinstance(index, tuple):
            return tuple(self._index(item) for item in index)
        if isinstance(index, (list, np.ndarray)):
            self.waits.note("copy to the GPU")
            return PretendTensor(torch.as_tensor(index))
        return index


def _as_meta(item):
    if isinstance(item, torch.device):
        return _META if item.type == "cuda" else item
    return _META if isinstance(item, str) and item.partition(":")[0] == "cuda" else item


class _Generator(torch.Generator):
    """Draws on the CPU what is asked of a generator there."""

    def __new__(cls, device=None):
        return super().__new__(cls)


@contextlib.contextmanager
def pretended() -> Iterator[Waits]:
    """Within, ``cuda`` is such a GPU; gives what was waited for."""
    waits = Waits()
    with mock.patch.object(torch, "Generator", _Generator), _Functions(waits), _Dispatch(waits):
        yield waits
