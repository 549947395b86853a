"""A file is written whole or not at all, and a file that cannot be read says so."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

from LumbarBiplanarLib.errors import GeometryError, OutputError, StudyError
from LumbarBiplanarLib.files import atomic_path, check_writable, read_json, sha256_of, write_json


def test_a_file_appears_under_its_name_only_once_it_is_complete(tmp_path):
    target = tmp_path / "spine.nii.gz"
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"whole")
        assert not target.exists()
        assert temporary.parent == tmp_path and temporary.name.endswith("spine.nii.gz")
    assert target.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError, SystemExit, GeneratorExit])
@pytest.mark.parametrize("existed", [True, False])
def test_an_interruption_in_the_middle_leaves_nothing_and_keeps_the_old_file(tmp_path, interruption, existed):
    target = tmp_path / "measurements.csv"
    if existed:
        target.write_text("old")
    with pytest.raises(interruption), atomic_path(target) as temporary:
        temporary.write_text("half of the n")
        raise interruption
    assert [path.read_text() for path in tmp_path.iterdir()] == (["old"] if existed else [])


def test_an_interruption_between_writing_and_renaming_keeps_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "a.json"
    write_json(target, {"old": True})

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_json(target, {"new": True})
    assert [json.loads(path.read_text()) for path in tmp_path.iterdir()] == [{"old": True}]


@pytest.mark.parametrize(
    ("number", "names_its_file", "remedy"),
    [
        (errno.ENOSPC, False, "Free some space"),
        (errno.ENOSPC, True, "Free some space"),
        (errno.EROFS, True, "that can be written to"),
        (errno.EACCES, True, "that you may write to"),
    ],
)
def test_a_disk_that_refuses_is_reported_with_what_to_do_and_nothing_is_left(tmp_path, number, names_its_file, remedy):
    message = rf"out\.png cannot be written \({os.strerror(number)}\).*{remedy}"
    with pytest.raises(OutputError, match=message), atomic_path(tmp_path / "out.png") as temporary:
        temporary.write_bytes(b"half")
        raise OSError(number, os.strerror(number), str(temporary) if names_its_file else None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full on this system")
def test_a_really_full_device_is_reported(tmp_path):
    with pytest.raises(StudyError, match="No space left"), atomic_path(tmp_path / "out.txt") as temporary:
        temporary.symlink_to("/dev/full")
        temporary.write_text("something")
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_fails_in_silence_is_noticed(tmp_path):
    with pytest.raises(StudyError, match=r"L1\.vtp was not written"), atomic_path(tmp_path / "L1.vtp"):
        pass


def test_an_error_about_another_file_is_not_blamed_on_the_output(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"input\.txt"), atomic_path(tmp_path / "output.txt") as temporary:
        temporary.write_text((tmp_path / "input.txt").read_text())
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(StudyError, match=r"there is no folder .*nowhere.*Create the folder"):
        write_json(tmp_path / "nowhere" / "a.json", {})


def test_a_folder_in_the_place_of_the_file_is_not_replaced(tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(StudyError, match=r"a\.json cannot be written .*A folder stands"):
        write_json(tmp_path / "a.json", {})


def test_json_comes_back_as_it_was_written_arrays_as_lists(tmp_path):
    path = tmp_path / "a.json"
    write_json(
        path, {"pose": np.eye(2), "count": np.int64(3), "mm": np.float32(0.5), "file": Path("x"), "name": "Löffler"}
    )
    assert read_json(path, "study file") == {
        "pose": [[1.0, 0.0], [0.0, 1.0]],
        "count": 3,
        "mm": 0.5,
        "file": "x",
        "name": "Löffler",
    }
    assert "Löffler" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), np.array([1.0, np.nan])])
def test_json_without_a_number_is_refused_and_the_old_file_kept(tmp_path, number):
    path = tmp_path / "a.json"
    write_json(path, 1)
    with pytest.raises(StudyError, match=r"a\.json: NaN or infinity"):
        write_json(path, {"value": number})
    assert read_json(path, "study file") == 1


def test_what_json_cannot_hold_is_a_programming_error(tmp_path):
    with pytest.raises(TypeError, match="set cannot be written"):
        write_json(tmp_path / "a.json", {1, 2})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such geometry file"),
        (b'{"a": 1,\n "b" 2}', "line 2, column 6"),
        (b"", "line 1, column 1"),
        (b'{"a": NaN}', "holds NaN"),
        (b'{"a": -Infinity}', "holds -Infinity"),
        (b"\xff\xfe\x00\x01", "is not a text file"),
        pytest.param(b"1" * 5000, "a number too long", id="long number"),
        pytest.param(b"[" * 100000, "lists too deep", id="deep lists"),
    ],
)
def test_a_json_file_that_cannot_be_used_is_named_with_its_fault(tmp_path, content, message):
    path = tmp_path / "geometry.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(GeometryError) as caught:
        read_json(path, "geometry file", GeometryError)
    assert str(caught.value).startswith(f"{path}: ") and message in str(caught.value)


def test_a_folder_given_for_a_json_file_is_refused(tmp_path):
    with pytest.raises(StudyError, match="cannot be read"):
        read_json(tmp_path, "study file")


def test_a_byte_order_mark_does_no_harm(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf{}")
    assert read_json(tmp_path / "a.json", "study file") == {}


def test_the_digest_is_the_sha_256_of_all_bytes(tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "film.png").write_bytes(content)
    assert sha256_of(tmp_path / "film.png") == hashlib.sha256(content).hexdigest()
    with pytest.raises(StudyError, match=r"other\.png cannot be read"):
        sha256_of(tmp_path / "other.png")


def test_a_file_that_cannot_be_written_is_told_before_the_work_that_makes_it(tmp_path):
    file = tmp_path / "there.csv"
    file.write_text("earlier")
    check_writable(file)
    check_writable(tmp_path / "new.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["there.csv"] and file.read_text() == "earlier"
    with pytest.raises(OutputError, match="there is no folder .*Create the folder first"):
        check_writable(tmp_path / "none" / "x.csv")
    with pytest.raises(OutputError, match="A folder stands"):
        check_writable(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_device_or_pipe_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="a device or pipe is no file"):
        write_json(tmp_path / "pipe", {})
    assert (tmp_path / "pipe").is_fifo()
