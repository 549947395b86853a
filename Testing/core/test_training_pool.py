"""A pool that is complete is all that a training needs, on whatever machine it lies."""

from __future__ import annotations

import pytest

from LumbarBiplanarLib.errors import StudyError
from LumbarBiplanarLib.shape.storage import load_shape_model
from LumbarBiplanarLib.training.anatomy import Context
from LumbarBiplanarLib.training.pool import build_pool


def test_a_complete_pool_needs_no_anatomy_and_still_refuses_what_it_is_not(tmp_path):
    model = load_shape_model()

    def unread() -> Context:
        pytest.fail("what is put around spines was read")

    asked = []
    list(build_pool(tmp_path, model, lambda: asked.append("once") or Context(), 2, 1, whole_share=0.0))
    assert asked == ["once"]
    assert list(build_pool(tmp_path, model, unread, 2, 1, whole_share=0.0)) == [1, 2]
    with pytest.raises(StudyError, match="another cache folder"):
        list(build_pool(tmp_path, model, unread, 3, 2, whole_share=0.0))
