"""The training learns, stops, goes on, and leaves weights that can be read; nothing of it needs the open data."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from LumbarBiplanarLib.errors import OutputError, StudyError, WeightsError
from LumbarBiplanarLib.network.model import SpineNetwork
from LumbarBiplanarLib.network.refine_model import SpineRefiner, heatmap_moments
from LumbarBiplanarLib.network.weights import load_weights
from LumbarBiplanarLib.shape.storage import load_shape_model
from LumbarBiplanarLib.training import TrainingOptions, train
from LumbarBiplanarLib.training import anatomy as anatomy_module
from LumbarBiplanarLib.training import command as command_module
from LumbarBiplanarLib.training import loop as loop_module
from LumbarBiplanarLib.training import module as module_module
from LumbarBiplanarLib.training.anatomy import Context
from LumbarBiplanarLib.training.command import add_arguments, run
from LumbarBiplanarLib.training.loss import heatmap_loss, image_loss_mm, landmark_errors_px
from LumbarBiplanarLib.training.module import inner_kernels, learning_rate, read_checkpoint
from LumbarBiplanarLib.training.pool import build_pool
from LumbarBiplanarLib.training.precision import muon, training_precision
from LumbarBiplanarLib.training.progress import Progress

TINY = TrainingOptions(subjects=2, steps=2, batch=1, widths=(4, 4, 8, 8), workers=0, save_every=1, warmup_steps=1)


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pool")
    list(build_pool(folder, load_shape_model(), Context(), 2, 1))
    return folder


def test_a_training_leaves_weights_a_record_and_a_checkpoint(pool, tmp_path):
    steps = []
    about = {"left_out": ["vhm"]}
    done = train(pool, tmp_path, TINY, device="cpu", about=about, told=lambda now: steps.append(now.step))
    assert steps == [1, 2] and done.step == 2 and done.share == 1.0
    network, info = load_weights(tmp_path / "spine.pt")
    assert network.config.widths == TINY.widths
    record = json.loads((tmp_path / "spine_record.json").read_text(encoding="utf-8"))
    assert record == info.record
    assert record["steps"] == 2 and record["examples"] == 2 and record["seed"] == 1 and record["left_out"] == ["vhm"]
    assert record["precision"] == training_precision(torch.device("cpu")) and record["start_from"] is None
    assert {"seconds", "device", "torch", "lightning", "options", "curve"} <= set(record)
    assert 0.0 <= record["waiting_seconds"] <= record["seconds"]
    assert record["validation"]["landmark_loss"] > 0 and record["validation"]["image_loss_mm"] > 0
    assert not list(tmp_path.glob(".tmp-*")) and not list(tmp_path.glob("lightning_logs"))


@pytest.mark.parametrize(("native", "precision"), [(True, "bf16-mixed"), (False, "32-true")])
def test_a_processor_that_only_imitates_bfloat16_trains_in_float32(monkeypatch, native, precision):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: native)
    assert training_precision(torch.device("cpu")) == precision


@pytest.mark.parametrize("native", [True, False])
def test_muon_steps_alike_in_float32_where_bfloat16_is_only_imitated(monkeypatch, native):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: native)
    kernel = torch.nn.Parameter(torch.zeros(6, 3, 2, 2))
    kernel.grad = torch.randn(6, 3, 2, 2, generator=torch.Generator().manual_seed(3))
    muon([{"params": [kernel], "use_muon": True, "lr": 1.0}], torch.device("cpu")).step()
    (left, _, right) = torch.linalg.svd(kernel.grad.flatten(1), full_matrices=False)
    along = torch.einsum("ik,ij,kj->k", left, -kernel.detach().flatten(1), right)
    assert ((along > 0.6) & (along < 1.3)).all()  # five steps of Newton and Schulz bring singular values to about one
    exact = (kernel.detach() - kernel.detach().bfloat16().float()).abs().max() == 0
    assert bool(exact) is native


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(pool, tmp_path):
    found = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(pool, tmp_path / name, replace(TINY, seed=seed, steps=1), device="cpu")
        found.append(load_weights(tmp_path / name / "spine.pt")[0].landmark_head.weight)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_a_stopped_training_goes_on_from_its_checkpoint_and_a_finished_one_says_so(pool, tmp_path):
    train(pool, tmp_path, TINY, device="cpu", told=lambda now: False)
    assert (tmp_path / "spine_checkpoint.ckpt").exists() and not (tmp_path / "spine.pt").exists()
    steps = []
    train(pool, tmp_path, TINY, device="cpu", resume=True, told=lambda now: steps.append(now.step))
    assert steps == [2]
    assert (tmp_path / "spine.pt").exists()
    with pytest.raises(StudyError, match="done .2 steps"):
        train(pool, tmp_path, TINY, device="cpu", resume=True)
    content = torch.load(tmp_path / "spine_checkpoint.ckpt", weights_only=True)
    assert content["global_step"] == 2  # the optimiser's own count went on as well
    # What is kept is the average, not the last step.
    kept = load_weights(tmp_path / "spine.pt")[0].state_dict()["landmark_head.weight"]
    average, last = (content[key]["network.landmark_head.weight"] for key in ("state_dict", "current_model_state"))
    assert torch.allclose(kept, average, atol=1e-3) and not torch.allclose(average, last, rtol=1e-6, atol=0.0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_after_the_step_and_leaves_a_whole_checkpoint(pool, tmp_path, number):
    before = signal.getsignal(number)
    options = replace(TINY, steps=50, save_every=100)
    with pytest.raises(KeyboardInterrupt):
        train(pool, tmp_path, options, device="cpu", told=lambda now: signal.raise_signal(number))
    assert signal.getsignal(number) is before
    assert [path.name for path in tmp_path.iterdir()] == ["spine_checkpoint.ckpt"]
    assert read_checkpoint(tmp_path / "spine_checkpoint.ckpt", options, ()).step == 1


def test_a_checkpoint_is_never_older_than_some_minutes_however_long_steps_take(pool, tmp_path, monkeypatch):
    monkeypatch.setattr(module_module, "_SAVE_SECONDS", 0.0)
    there = []
    options = replace(TINY, steps=3, save_every=1000)
    train(pool, tmp_path, options, device="cpu", told=lambda now: there.append(bool(list(tmp_path.glob("*.ckpt")))))
    assert there == [False, True, True]


_IN_A_GROUP = """
import sys
from LumbarBiplanarLib.training import TrainingOptions, train
if __name__ == "__main__":
    small = {"steps": 100_000, "batch": 1, "widths": (4, 4, 8, 8), "warmup_steps": 1, "workers": 1}
    told = lambda now: print(now.step, flush=True)
    train(sys.argv[1], sys.argv[2], TrainingOptions(**small), device="cpu", told=told)
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="there are no groups of processes here")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_training_and_its_processes_alike_leaves_a_checkpoint(pool, tmp_path, number):
    script, output = tmp_path / "run.py", tmp_path / "out"
    script.write_text(_IN_A_GROUP, encoding="utf-8")
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen([sys.executable, str(script), str(pool), str(output)], **how) as running:
        assert running.stdout.readline() == "1\n"
        os.killpg(running.pid, number)
        _, said = running.communicate(timeout=100.0)
    assert "KeyboardInterrupt" in said and "DataLoader worker" not in said
    assert read_checkpoint(output / "spine_checkpoint.ckpt", TrainingOptions(), tuple(TINY.to_dict())).step >= 1


def test_a_checkpoint_of_other_options_and_a_file_that_is_none_are_refused(pool, tmp_path):
    with pytest.raises(StudyError, match="no checkpoint"):
        train(pool, tmp_path, TINY, device="cpu", resume=True)
    train(pool, tmp_path, TINY, device="cpu", told=lambda now: False)
    with pytest.raises(StudyError, match="widths"):
        train(pool, tmp_path, replace(TINY, widths=(4, 4, 8, 12)), device="cpu", resume=True)
    (tmp_path / "spine_checkpoint.ckpt").write_bytes(b"nothing")
    with pytest.raises(StudyError, match="not a checkpoint"):
        train(pool, tmp_path, TINY, device="cpu", resume=True)


def test_a_training_that_diverges_says_so_and_leaves_no_weights(pool, tmp_path):
    with pytest.raises(StudyError, match="diverged"):
        train(pool, tmp_path, replace(TINY, image_weight=float("nan")), device="cpu")
    assert not (tmp_path / "spine.pt").exists()


def test_a_training_starts_from_given_weights_and_takes_their_widths(pool, tmp_path):
    train(pool, tmp_path / "a", replace(TINY, fusion=False), device="cpu")
    slow = replace(TINY, steps=1, learning_rate=1e-12, widths=(8, 8, 8, 8))
    train(pool, tmp_path / "b", slow, device="cpu", start_from=tmp_path / "a" / "spine.pt")
    (first, given), (second, info) = (load_weights(tmp_path / name / "spine.pt") for name in "ab")
    assert second.config == first.config and not second.config.fusion
    # Steps of that size change nothing but the statistics of the normalisation.
    assert torch.allclose(second.landmark_head.weight, first.landmark_head.weight, atol=1e-4)
    assert info.record["start_from"] == {"name": "spine.pt", "sha256": given.sha256}
    # Interrupted and taken up again, it still knows what it began with.
    train(pool, tmp_path / "d", slow, device="cpu", start_from=tmp_path / "a" / "spine.pt", told=lambda now: False)
    train(pool, tmp_path / "d", replace(slow, steps=2, widths=TINY.widths, fusion=False), device="cpu", resume=True)
    assert load_weights(tmp_path / "d" / "spine.pt")[1].record["start_from"] == info.record["start_from"]
    with pytest.raises(WeightsError, match=r"none\.pt"):
        train(pool, tmp_path / "c", TINY, device="cpu", start_from=tmp_path / "none.pt")
    with pytest.raises(StudyError, match="these weights are of"):
        options = replace(TINY, single_task="images")
        train(pool, tmp_path / "c", options, device="cpu", start_from=tmp_path / "a" / "spine.pt")


@pytest.mark.parametrize("task", ["landmarks", "images"])
def test_a_network_of_one_task_is_trained_kept_and_loaded(pool, tmp_path, task):
    options = replace(TINY, steps=1, single_task=task, plain_films=True)
    train(pool, tmp_path, options, device="cpu")
    network, info = load_weights(tmp_path / "spine.pt")
    assert network.config.tasks == (task,)
    assert info.record["options"]["single_task"] == task and info.record["options"]["plain_films"]
    output = network(torch.rand(1, 3, 64, 48), torch.tensor([1]))
    assert output.level_mm.shape == (1, 5, 64, 48) and output.heatmaps.shape == (1, 100, 32, 24)
    assert bool(output.level_mm.any()) is (task == "images")
    assert bool((output.heatmaps > -30.0).any()) is (task == "landmarks")


@pytest.mark.parametrize("package", ["lightning.pytorch", "pytorch_optimizer"])
def test_without_a_package_the_remedy_is_named(package, pool, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(StudyError, match="pip install"):
        train(pool, tmp_path, TINY, device="cpu")


@pytest.mark.parametrize("network", [SpineNetwork(), SpineRefiner()])
def test_kernels_of_hidden_features_are_most_of_a_network_and_heads_are_not_among_them(network):
    parameters, inner = dict(network.named_parameters()), inner_kernels(network)
    assert all(parameters[name].ndim == 4 and "head" not in name for name in inner)
    assert sum(parameters[name].numel() for name in inner) > 0.9 * sum(item.numel() for item in parameters.values())


def test_the_rate_rises_stays_and_falls_with_steps_or_with_time():
    by_steps = replace(TINY, steps=100, warmup_steps=10, flat_share=0.2, learning_rate=1.0)
    rates = [learning_rate(Progress(step=step), by_steps) for step in range(101)]
    assert rates[0] == pytest.approx(0.1, abs=1e-3) and rates[10:20] == [pytest.approx(1.0, abs=1e-3)] * 10
    assert rates[60] == pytest.approx(0.5, abs=1e-3) and rates[100] < 1e-5
    assert rates[20:] == sorted(rates[20:], reverse=True)
    by_time = replace(by_steps, steps=0, minutes=2.0)
    assert learning_rate(Progress(step=50, seconds=72.0), by_time) == pytest.approx(rates[60])


def test_the_means_of_heatmaps_are_exact_in_mixed_precision():
    heatmaps = 3.0 * torch.randn(2, 20, 48, 64, generator=torch.Generator().manual_seed(0))
    exact = heatmap_moments(heatmaps)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = heatmap_moments(heatmaps)
    for one, other in zip(exact, mixed, strict=True):
        assert other.dtype == torch.float32 and torch.allclose(one, other, atol=1e-4)


def test_impossible_options_are_refused():
    with pytest.raises(ValueError, match="batch"):
        TrainingOptions(batch=0)
    with pytest.raises(ValueError, match="minutes"):
        TrainingOptions(minutes=0)
    with pytest.raises(ValueError, match="workers"):
        TrainingOptions(workers=-1)


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
    monkeypatch.setattr(anatomy_module, "read_context", lambda *_: Context())
    words = ("--data", str(tmp_path), "--output", str(tmp_path / "out"), "--films", "2", "--steps", "1", "--batch", "1")
    assert run(arguments(*words, "--workers", "0", "--device", "cpu")) == 0
    said = capsys.readouterr()
    assert re.fullmatch(r"Weights: .*spine\.pt \(\w+\.\.\.\)\n", said.out)
    assert "drawing spines" not in said.err  # no bar where nobody looks
    assert (tmp_path / "out" / "spine_record.json").exists()
    with pytest.raises(StudyError, match="exists"):
        run(arguments(*words))


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("--device", "cuda"), "no usable CUDA device"),
        (("--device", "cpu", "--films-on-gpu"), "device is 'cpu'; leave it out"),
        (("--start-from", "none.pt"), r"none\.pt: there is no such weights file"),
        (("--start-from", "registered", "--stage", "refine", "--fitted", "0"), "train it with fitted above 0"),
        (("--resume", "--batch", "1", "--plain-films"), "plain_films was False"),
    ],
)
def test_the_command_draws_nothing_for_a_training_that_cannot_begin(pool, tmp_path, monkeypatch, words, match):
    if "cuda" in words and torch.cuda.is_available():
        pytest.skip("a CUDA device is here")
    output = tmp_path / "out"
    if "--resume" in words:
        train(pool, output, TrainingOptions(workers=0, batch=1), device="cpu", told=lambda now: False)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(anatomy_module, "read_context", lambda *_: pytest.fail("the data was read"))
    monkeypatch.setattr(command_module, "_shape_model", lambda *_: pytest.fail("a shape model was read or built"))
    with pytest.raises((StudyError, WeightsError), match=match):
        run(arguments("--data", str(tmp_path), "--output", str(output), *words))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_training_that_waits_for_its_films_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(anatomy_module, "read_context", lambda *_: Context())
    words = ("--data", str(tmp_path), "--output", str(tmp_path / "out"), "--films", "2", "--steps", "2", "--batch", "1")
    monkeypatch.setattr(
        loop_module, "train", lambda *_, **__: (tmp_path / "out" / "spine.pt").write_text("") or Progress(2, 10.0, 9.0)
    )
    assert run(arguments(*words, "--workers", "0", "--device", "cpu")) == 0
    assert "waited for its films 90 % of the time: more --workers" in capsys.readouterr().err


def test_the_command_draws_a_contact_sheet_and_nothing_else(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(anatomy_module, "read_context", lambda *_: Context())
    sheet = tmp_path / "sheet.png"
    assert run(arguments("--data", str(tmp_path), "--contact-sheet", str(sheet), "--seed", "3")) == 0
    assert str(sheet) in capsys.readouterr().out and list(tmp_path.iterdir()) == [sheet]
    drawn = sheet.read_bytes()
    with pytest.raises(OutputError, match=r"sheet\.png exists"):
        run(arguments("--data", str(tmp_path), "--contact-sheet", str(sheet)))
    assert sheet.read_bytes() == drawn


@pytest.mark.parametrize(
    "words",
    [
        ("--leave-out", "vhm"),
        ("--output", "out"),
        ("--resume",),
        ("--start-from", "registered"),
        ("--stage", "refine"),
        ("--films", "2"),
        ("--plain-films",),
    ],
)
def test_a_contact_sheet_refuses_what_it_would_ignore(tmp_path, words):
    sheet = tmp_path / "sheet.png"
    with pytest.raises(StudyError, match=f"would ignore {words[0]}; leave out"):
        run(arguments("--data", str(tmp_path), "--contact-sheet", str(sheet), *words))
    assert not list(tmp_path.iterdir())


def test_the_command_refuses_what_contradicts_itself(tmp_path):
    with pytest.raises(StudyError, match="--output is missing"):
        run(arguments("--data", str(tmp_path)))
    words = ("--data", str(tmp_path), "--output", str(tmp_path / "out"))
    with pytest.raises(StudyError, match="use one of them"):
        run(arguments(*words, "--leave-out", "vhm", "--shape-model", "a.npz"))
    with pytest.raises(StudyError, match="--films must be at least 1, found 0"):
        run(arguments(*words, "--films", "0"))
    with pytest.raises(StudyError, match=r"spine_checkpoint.*no checkpoint to go on from; leave out --resume"):
        run(arguments("--data", str(tmp_path), "--output", str(tmp_path / "new"), "--resume"))
    assert not (tmp_path / "new").exists()
    with pytest.raises(StudyError, match="batch"):
        run(arguments(*words, "--batch", "0"))
    with pytest.raises(StudyError, match="first stage"):
        run(arguments(*words, "--stage", "refine", "--no-fusion"))
    with pytest.raises(SystemExit):
        arguments(*words, "--resume", "--start-from", "registered")
