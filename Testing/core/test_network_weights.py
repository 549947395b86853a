"""Weights are read only if they are what they should be."""

from __future__ import annotations

import json
import os
import shutil

import pytest
import torch

from LumbarBiplanarLib.errors import OutputError, WeightsError
from LumbarBiplanarLib.files import sha256_of
from LumbarBiplanarLib.network.model import NetworkConfig, SpineNetwork
from LumbarBiplanarLib.network.reading import load_networks
from LumbarBiplanarLib.network.weights import load_weights, read_registry, register_weights, save_weights
from LumbarBiplanarLib.resources import resource_path
from small_disk import small_disk

LARGEST_BYTES = 16 * 2**20


@pytest.fixture
def tiny() -> SpineNetwork:
    torch.manual_seed(0)
    network = SpineNetwork(NetworkConfig(widths=(4, 6, 8, 10), dilations=(1,))).eval()
    for key, value in network.state_dict().items():
        if key.endswith("running_mean"):
            value.normal_()
    return network


@pytest.fixture
def saved(tiny, tmp_path):
    (tmp_path / "Weights").mkdir()
    path = tmp_path / "Weights" / "spine.pt"
    save_weights(tiny, path, {"seed": 3, "curve": [{"step": 50}]})
    register_weights(tmp_path / "Models.json", path, name="spine", title="Tiny", version="1", license="CC BY-SA 4.0")
    return path


def test_saved_weights_give_the_same_network_to_the_precision_of_float16(tiny, saved):
    network, info = load_weights(saved)
    image, view = torch.randn(1, 3, 32, 48, generator=torch.Generator().manual_seed(1)), torch.tensor([1])
    with torch.no_grad():
        before, after = tiny(image, view), network(image, view)
    torch.testing.assert_close(after.heatmaps, before.heatmaps, atol=2e-2, rtol=1e-2)
    torch.testing.assert_close(after.level_mm, before.level_mm, atol=2e-2, rtol=1e-2)
    assert info.record == {"seed": 3, "curve": [{"step": 50}]}
    assert not network.training
    assert all(value.dtype == torch.float32 for value in network.parameters())


def test_a_full_disk_is_said_and_leaves_the_earlier_weights(saved):
    earlier = saved.read_bytes()
    with small_disk(4096), pytest.raises(OutputError, match=r"spine\.pt cannot be written"):
        save_weights(SpineNetwork(NetworkConfig(widths=(8, 8, 8, 10), dilations=(1,))), saved, {})
    assert saved.read_bytes() == earlier
    assert [item.name for item in saved.parent.iterdir()] == ["spine.pt"]


def test_weights_that_were_written_since_are_loaded_anew(tiny, saved):
    before = load_networks(saved, "cpu")
    assert load_networks(saved, "cpu") is before
    other = SpineNetwork(tiny.config)
    save_weights(other, saved, {})
    os.utime(saved, ns=(1, 1))
    assert load_networks(saved, "cpu") is not before
    saved.write_bytes(b"no weights")
    with pytest.raises(WeightsError, match=r"spine\.pt"):
        load_networks(saved, "cpu")


def test_registered_weights_are_found_by_default(saved):
    _, info = load_weights(registry=saved.parent.parent / "Models.json")
    assert info.name == "spine 1"
    assert info.sha256 == sha256_of(saved)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"none\.pt: there is no such weights file; check the path\.$"):
        load_weights(tmp_path / "none.pt")


def test_a_result_tells_own_weights_of_one_name_apart(tiny, saved):
    assert load_networks(saved, "cpu").name == f"spine.pt (SHA-256 {sha256_of(saved)[:16]})"


def test_where_the_weights_of_the_module_are_missing_own_ones_are_offered(saved, monkeypatch):
    registry = saved.parent.parent / "Models.json"
    saved.unlink()
    with pytest.raises(WeightsError, match=r"spine\.pt: there is no such weights file; reinstall .*--weights"):
        load_weights(registry=registry)
    monkeypatch.setattr("LumbarBiplanarLib.resources._ROOTS", (saved.parent.parent,))
    with pytest.raises(WeightsError, match=r"Weights/spine\.pt is missing .*Reinstall LumbarBiplanar, or .*--weights"):
        load_weights()


@pytest.mark.parametrize("content", [b"", b"not weights at all", b"PK\x03\x04" + bytes(200)])
def test_what_is_no_archive_is_refused(tmp_path, content):
    path = tmp_path / "bad.pt"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"bad\.pt: not a readable weights file, or damaged; get it again\.$"):
        load_weights(path)


def test_a_truncated_file_is_refused(saved):
    saved.write_bytes(saved.read_bytes()[:-500])
    with pytest.raises(WeightsError, match="not a readable weights file"):
        load_weights(saved)


def test_weights_of_another_program_are_refused(tmp_path):
    torch.save({"state_dict": {"a": torch.zeros(2)}}, tmp_path / "other.pt")
    with pytest.raises(WeightsError, match="not weights of LumbarBiplanar"):
        load_weights(tmp_path / "other.pt")


def test_code_in_a_weights_file_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "touched"), "w"))

    torch.save({"format": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(WeightsError):
        load_weights(tmp_path / "evil.pt")
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(version=99), "update LumbarBiplanar"),
        (lambda c: c.pop("state"), "missing"),
        (lambda c: c["config"].update(widths=[4, 6, 8, 12]), "do not fit"),
        (lambda c: c["config"].update(depth=3), "do not fit"),
        (lambda c: c["state"].popitem(), "do not fit"),
        (lambda c: c["state"]["landmark_head.bias"].fill_(float("nan")), "not finite"),
    ],
)
def test_weights_that_do_not_fit_the_network_are_refused(saved, change, message):
    content = torch.load(saved, weights_only=True)
    change(content)
    torch.save(content, saved)
    with pytest.raises(WeightsError, match=message):
        load_weights(saved)


def test_registered_weights_that_were_replaced_are_refused(tiny, saved):
    save_weights(tiny, saved, {"seed": 4})
    with pytest.raises(WeightsError, match="SHA-256"):
        load_weights(registry=saved.parent.parent / "Models.json")
    assert load_weights(saved)[1].record == {"seed": 4}


def test_a_registry_without_an_entry_or_key_says_so(saved, tmp_path):
    registry = saved.parent.parent / "Models.json"
    content = json.loads(registry.read_text(encoding="utf-8"))
    del content["models"]["spine"]["license"]
    registry.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(WeightsError, match="lacks license"):
        read_registry(registry)
    registry.write_text("{}", encoding="utf-8")
    with pytest.raises(WeightsError, match="no registry"):
        load_weights(registry=registry)


def test_weights_that_are_not_finite_are_not_saved(tiny, tmp_path):
    with torch.no_grad():
        tiny.landmark_head.weight[0, 0] = 1e9
    with pytest.raises(WeightsError, match="not finite"):
        save_weights(tiny, tmp_path / "a.pt", {})
    assert not (tmp_path / "a.pt").exists()


def test_the_weights_of_the_module_are_registered_small_enough_and_recorded():
    entry = read_registry()["spine"]
    network, info = load_weights()
    assert info.sha256 == entry["sha256"]
    folder = resource_path(entry["file"]).parent
    assert sum(path.stat().st_size for path in folder.iterdir()) < LARGEST_BYTES
    assert {"seed", "steps", "seconds", "device", "curve"} <= set(entry["training"])
    assert sum(value.numel() for value in network.parameters()) > 1_000_000


def test_a_changed_copy_of_the_modules_weights_is_noticed(tmp_path):
    for name in ("Models.json", "Weights"):
        source = resource_path(name)
        if source.is_dir():
            shutil.copytree(source, tmp_path / name)
        else:
            shutil.copy(source, tmp_path / name)
    path = tmp_path / read_registry()["spine"]["file"]
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(WeightsError, match="SHA-256"):
        load_weights(registry=tmp_path / "Models.json")
