"""The training learns, stops, goes on, and leaves weights that can be read; nothing of it needs the open data."""

from __future__ import annotations

import argparse
import json

import numpy as np
import pytest
import torch

from LumbarBiplanarLib.errors import StudyError
from LumbarBiplanarLib.network.weights import load_weights
from LumbarBiplanarLib.shape.storage import load_shape_model
from LumbarBiplanarLib.training import TrainingOptions, train
from LumbarBiplanarLib.training import anatomy as anatomy_module
from LumbarBiplanarLib.training.anatomy import Context
from LumbarBiplanarLib.training.command import add_arguments, run
from LumbarBiplanarLib.training.loss import heatmap_loss, image_loss_mm, landmark_errors_px
from LumbarBiplanarLib.training.pool import build_pool

TINY = TrainingOptions(subjects=2, steps=2, batch=1, widths=(4, 4, 8, 8), workers=0, save_every=1, warmup_steps=1)


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pool")
    list(build_pool(folder, load_shape_model(), Context(), 2, 1))
    return folder


def test_a_training_leaves_weights_a_record_and_a_checkpoint(pool, tmp_path):
    states = list(train(pool, tmp_path, TINY, device="cpu", about={"left_out": ["vhm"]}))
    assert len(states) == 2 and states[-1].step == 2
    network, info = load_weights(tmp_path / "spine.pt")
    assert network.config.widths == TINY.widths
    record = json.loads((tmp_path / "spine_record.json").read_text(encoding="utf-8"))
    assert record == info.record
    assert record["steps"] == 2 and record["examples"] == 2 and record["seed"] == 1 and record["left_out"] == ["vhm"]
    assert {"seconds", "device", "torch", "options", "curve"} <= set(record)


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(pool, tmp_path):
    found = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        list(train(pool, tmp_path / name, TrainingOptions(**{**vars(TINY), "seed": seed}), device="cpu"))
        found.append(load_weights(tmp_path / name / "spine.pt")[0].landmark_head.weight)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_a_closed_training_goes_on_from_its_checkpoint(pool, tmp_path):
    running = train(pool, tmp_path, TINY, device="cpu")
    next(running)
    running.close()
    assert not (tmp_path / "spine.pt").exists()
    states = list(train(pool, tmp_path, TINY, device="cpu", resume=True))
    assert [state.step for state in states] == [2]
    assert (tmp_path / "spine.pt").exists()


def test_a_checkpoint_of_other_options_is_refused(pool, tmp_path):
    with pytest.raises(StudyError, match="no checkpoint"):
        next(train(pool, tmp_path, TINY, device="cpu", resume=True))
    list(train(pool, tmp_path, TINY, device="cpu"))
    wider = TrainingOptions(**{**vars(TINY), "widths": (4, 4, 8, 12)})
    with pytest.raises(StudyError, match="widths"):
        next(train(pool, tmp_path, wider, device="cpu", resume=True))


def test_impossible_options_are_refused():
    with pytest.raises(ValueError, match="batch"):
        TrainingOptions(batch=0)
    with pytest.raises(ValueError, match="minutes"):
        TrainingOptions(minutes=0)


def test_the_heatmap_loss_is_the_cross_entropy_and_its_gradient_is_right():
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 12, 10, dtype=torch.float64, requires_grad=True)
    landmarks = torch.rand(2, 3, 2, dtype=torch.float64) * 16
    visible = torch.tensor([[True, False, True], [True, True, False]])
    torch.autograd.gradcheck(lambda x: heatmap_loss(x, landmarks, visible, 1.3), (logits,))
    values = logits.detach()
    with_absent = torch.cat([values.flatten(2), torch.zeros(2, 3, 1)], dim=2).log_softmax(dim=2)
    hidden = -with_absent[..., -1]
    expected = 0.0
    for n in range(2):
        for k in range(3):
            if not visible[n, k]:
                expected += float(hidden[n, k])
                continue
            center = (landmarks[n, k] + 0.5) / 2 - 0.5
            rows, columns = torch.arange(12)[:, None], torch.arange(10)[None, :]
            target = torch.exp(-0.5 * ((columns - center[0]) ** 2 + (rows - center[1]) ** 2) / 1.3**2)
            expected -= float(((target / target.sum()).flatten() * with_absent[n, k, :-1]).sum())
    assert float(heatmap_loss(values, landmarks, visible, 1.3)) == pytest.approx(expected / 6, rel=1e-5)


def test_the_image_loss_and_the_landmark_error_are_what_they_say():
    truth = torch.zeros(1, 5, 4, 4)
    assert float(image_loss_mm(truth + 1.0, truth)) == pytest.approx(1.0 + 0.5 * 5.0)
    logits = torch.zeros(1, 1, 8, 8)
    logits[0, 0, 3, 5] = 9.0
    errors = landmark_errors_px(logits, torch.tensor([[[10.5, 9.5]]]), torch.tensor([[True]]))
    np.testing.assert_allclose(errors.numpy(), [3.0], atol=1e-5)


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def test_the_command_trains_from_data_to_weights_and_does_not_overwrite(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(anatomy_module, "read_context", lambda data: Context())
    words = ("--data", str(tmp_path), "--output", str(tmp_path / "out"), "--films", "2", "--steps", "1", "--batch", "1")
    assert run(arguments(*words, "--workers", "0", "--device", "cpu")) == 0
    assert "spine.pt" in capsys.readouterr().out
    assert (tmp_path / "out" / "spine_record.json").exists()
    with pytest.raises(StudyError, match="exists"):
        run(arguments(*words))


def test_the_command_refuses_what_contradicts_itself(tmp_path):
    words = ("--data", str(tmp_path), "--output", str(tmp_path / "out"))
    with pytest.raises(StudyError, match="use one of them"):
        run(arguments(*words, "--leave-out", "vhm", "--shape-model", "a.npz"))
    with pytest.raises(StudyError, match="batch"):
        run(arguments(*words, "--batch", "0"))
