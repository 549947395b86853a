"""A folder of results appears whole or not at all, and never replaces anything without being asked."""

from __future__ import annotations

import errno
import os
from pathlib import Path

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
        pytest.raises(OutputError, match=r"Choose an output folder.*Nothing was written"),
        output_folder(tmp_path / "result") as folder,
    ):
        (folder / "a.bin").write_bytes(bytes(5000))
    assert list(tmp_path.iterdir()) == []


def test_an_error_about_another_file_is_not_taken_for_a_full_disk(tmp_path):
    with pytest.raises(FileNotFoundError), output_folder(tmp_path / "result"):
        (tmp_path / "absent.txt").read_text()


def contents(folder):
    """Names of all that is in a folder, with the text of the files and None for folders."""
    return {str(path.relative_to(folder)): path.read_text() if path.is_file() else None for path in folder.rglob("*")}


def mount(monkeypatch, folder):
    """Let ``folder`` be as the top of another file system: nothing is renamed across its edge, and it stays."""
    replace, rmdir = os.replace, Path.rmdir

    def replace_within(source, destination):
        if Path(source).is_relative_to(folder) != Path(destination).is_relative_to(folder):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(source))
        replace(source, destination)

    def rmdir_inside(path):
        if path == folder:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(path))
        rmdir(path)

    monkeypatch.setattr(os, "replace", replace_within)
    monkeypatch.setattr(Path, "rmdir", rmdir_inside)


@pytest.mark.parametrize("force", [False, True])
def test_a_mount_point_is_filled_though_nothing_can_be_renamed_into_it(tmp_path, monkeypatch, force):
    target = tmp_path / "volume"
    target.mkdir()
    if force:
        (target / "a.txt").write_text("old")
    mount(monkeypatch, target)
    with output_folder(target, force=force, owned=("a.txt",)) as folder:
        (folder / "a.txt").write_text("a")
        (folder / "truth").mkdir()
        (folder / "truth" / "b.txt").write_text("b")
    assert contents(tmp_path) == {"volume": None, "volume/a.txt": "a", "volume/truth": None, "volume/truth/b.txt": "b"}


@pytest.mark.parametrize("there", ["empty", "full", "absent"])
def test_a_link_to_a_folder_stays_and_the_folder_is_filled(tmp_path, monkeypatch, there):
    far, link = tmp_path / "disk" / "far", tmp_path / "result"
    far.parent.mkdir()
    if there != "absent":
        far.mkdir()
    if there == "full":
        (far / "a.txt").write_text("old")
    link.symlink_to(far, target_is_directory=True)
    mount(monkeypatch, far.parent)
    with output_folder(link, force=there == "full") as folder:
        (folder / "a.txt").write_text("a")
    assert link.is_symlink() and contents(far) == {"a.txt": "a"}
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.txt", "disk", "far", "result"]


def test_a_link_that_leads_to_itself_is_refused_before_the_work_begins(tmp_path):
    (tmp_path / "result").symlink_to(tmp_path / "result")
    with pytest.raises(OutputError, match="leads to itself"), output_folder(tmp_path / "result"):
        pytest.fail("the work must not begin")


@pytest.mark.parametrize("known", [True, False])
def test_a_folder_named_like_a_file_of_the_result_is_refused_and_all_stays_as_it_was(tmp_path, known):
    target = tmp_path / "result"
    (target / "b.txt").mkdir(parents=True)
    for name in ("a.txt", "c.txt"):
        (target / name).write_text("old")
    before = contents(tmp_path)
    with (
        pytest.raises(OutputError, match=r"b\.txt is a folder.*remove it"),
        output_folder(target, force=True, owned=("*.txt",) if known else ("[ac].txt",)) as folder,
    ):
        assert not known, "the work must not begin"
        for name in ("a.txt", "b.txt"):
            (folder / name).write_text("new")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("error", [OSError(errno.EIO, "bad disk"), KeyboardInterrupt()])
@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("number", range(6))
def test_what_goes_wrong_while_files_are_moved_in_leaves_the_earlier_result(
    tmp_path, monkeypatch, error, moved, number
):
    target = tmp_path / "result"
    (target / "truth").mkdir(parents=True)
    for name in ("a.txt", "stale.txt", "truth/b.txt", "notes.md"):
        (target / name).write_text("old")
    before, replace, calls = contents(tmp_path), os.replace, []

    def failing(source, destination):
        calls.append(source)
        if len(calls) != number + 1:
            return replace(source, destination)
        if moved and isinstance(error, KeyboardInterrupt):  # it may come right after the move
            replace(source, destination)
        raise error

    monkeypatch.setattr(os, "replace", failing)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else OutputError
    with pytest.raises(expected), output_folder(target, force=True, owned=("*.txt", "truth/*.txt")) as folder:
        for name in ("a.txt", "new/c.txt", "truth/b.txt"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("new")
    assert len(calls) > number and contents(tmp_path) == before


def test_earlier_files_that_cannot_be_put_back_are_kept_and_their_place_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("old")
    replace, calls = os.replace, []

    def failing(source, destination):
        calls.append(source)
        if len(calls) > 1:
            raise OSError(errno.EIO, "bad disk")
        replace(source, destination)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OutputError, match="could not be put back") as told, output_folder(tmp_path, force=True) as new:
        (new / "a.txt").write_text("new")
    (kept,) = (path for path in tmp_path.rglob("a.txt") if path.read_text() == "old")
    assert str(kept.parent) in str(told.value)
