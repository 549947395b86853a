"""What the tests of the Slicer-free packages share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED_DATA_VARIABLE = "LUMBAR_BIPLANAR_DATA"


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root folder of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the anatomical data the shape model is built from; too large for the repository, so often absent."""
    given = os.environ.get(SHARED_DATA_VARIABLE)
    folder = Path(given) if given else REPOSITORY.parent / "shared" / "data"
    if not (folder / "README.md").is_file():
        pytest.skip(f"the anatomical data is not at {folder}; set {SHARED_DATA_VARIABLE} to its folder")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _one_torch_thread() -> None:
    # The tests' arrays are small: more threads cost more than they give, and sums would depend on their number.
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(1)
