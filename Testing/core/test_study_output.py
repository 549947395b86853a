"""A folder of results appears whole or not at all, and never replaces anything without being asked."""

from __future__ import annotations

import os

import pytest

from LumbarBiplanarLib.errors import OutputError
from LumbarBiplanarLib.study.output import output_folder
from small_disk import small_disk


def test_a_new_folder_holds_what_was_written_and_nothing_is_left_beside_it(tmp_path):
    with output_folder(tmp_path / "deep" / "result") as folder:
        (folder / "a.txt").write_text("a")
        assert not (tmp_path / "deep" / "result").exists()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["result"]
    assert (tmp_path / "deep" / "result" / "a.txt").read_text() == "a"


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_after_a_failure_or_an_interruption_nothing_is_left_not_even_the_parents(tmp_path, failure):
    with pytest.raises(failure), output_folder(tmp_path / "deep" / "result") as folder:
        (folder / "a.txt").write_text("a")
        raise failure
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_empty_is_refused_and_untouched(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="--force"), output_folder(tmp_path):
        pytest.fail("the work must not begin")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_force_replaces_an_earlier_result_and_keeps_other_files(tmp_path):
    target = tmp_path / "result"
    target.mkdir()
    for name in ("notes.txt", "L1.vtp", "L2.vtp"):
        (target / name).write_text("old")
    with output_folder(target, force=True, owned=("L[1-5].vtp",)) as folder:
        (folder / "L1.vtp").write_text("new")
    assert {path.name: path.read_text() for path in target.iterdir()} == {"notes.txt": "old", "L1.vtp": "new"}


def test_a_failed_forced_run_leaves_the_earlier_result_as_it_was(tmp_path):
    target = tmp_path / "result"
    target.mkdir()
    (target / "L1.vtp").write_text("old")
    with pytest.raises(RuntimeError), output_folder(target, force=True, owned=("L[1-5].vtp",)) as folder:
        (folder / "L1.vtp").write_text("new")
        raise RuntimeError
    assert (target / "L1.vtp").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    for target in (tmp_path / "file", tmp_path / "file" / "result"):
        with pytest.raises(OutputError, match="file"), output_folder(target):
            pytest.fail("the work must not begin")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user whom permissions bind")
def test_a_folder_without_permission_is_refused_with_a_remedy(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="permission"), output_folder(tmp_path / "result"):
            pytest.fail("the work must not begin")
    finally:
        tmp_path.chmod(0o700)


def test_a_disk_that_is_full_while_writing_is_said_with_a_remedy_and_nothing_stays(tmp_path):
    with (
        small_disk(1000),
        pytest.raises(OutputError, match="--output"),
        output_folder(tmp_path / "result") as folder,
    ):
        (folder / "a.bin").write_bytes(bytes(5000))
    assert list(tmp_path.iterdir()) == []


def test_an_error_about_another_file_is_not_taken_for_a_full_disk(tmp_path):
    with pytest.raises(FileNotFoundError), output_folder(tmp_path / "result"):
        (tmp_path / "absent.txt").read_text()
