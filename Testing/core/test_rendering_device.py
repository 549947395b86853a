"""The device argument."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from LumbarBiplanarLib.errors import StudyError
from LumbarBiplanarLib.rendering import resolve_device


def test_auto_takes_what_there_is():
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device(torch.device("cpu")).type == "cpu"


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "mps"])
def test_unknown_names_are_refused(name):
    with pytest.raises(StudyError, match="use 'auto'"):
        resolve_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_cuda_without_a_device_says_what_to_do():
    with pytest.raises(StudyError, match="no usable CUDA device"):
        resolve_device("cuda")
