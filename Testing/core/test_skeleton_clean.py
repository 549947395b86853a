"""What is committed names no machine it was written on, and no file has grown beyond reading."""

from __future__ import annotations

import re

import pytest

from LumbarBiplanarLib import __version__

# The names are taken apart so that this file does not find itself.
_FOLDERS = "|".join(["wor[k]", "farm", "roo[t]", "home", "Users", "opt"])
MACHINE_PATH = re.compile(rf"(?:^|(?<![A-Za-z0-9_.~$\]\)}}<>-]))(?:[A-Z]:)?[/\\](?:{_FOLDERS})[/\\]", re.M)
_HOSTS = "|".join(["pypi", "pythonhosted", "anaconda", "conda", "npmjs"])
REGISTRY_HOST = re.compile(rf"\b(?:[\w-]+\.)*(?:{_HOSTS})\.(?:org|com)\b")
LONGEST_FILE = 400


def texts(repository, tracked):
    for path in tracked:
        content = (repository / path).read_bytes()
        if b"\0" in content:
            continue
        try:
            yield path, content.decode("utf-8")
        except UnicodeDecodeError:
            continue


def places(repository, tracked, pattern):
    found = []
    for path, text in texts(repository, tracked):
        found += [f"{path}:{text.count(chr(10), 0, hit.start()) + 1}: {hit.group()}" for hit in pattern.finditer(text)]
    return found


def test_no_file_names_a_folder_of_the_machine_it_was_written_on(repository, tracked):
    assert "\n".join(places(repository, tracked, MACHINE_PATH)) == ""


def test_no_file_names_the_host_of_a_package_registry(repository, tracked):
    assert "\n".join(places(repository, tracked, REGISTRY_HOST)) == ""


@pytest.mark.parametrize(
    "line", ["/{}/main/x.py", "open('/{}/x')", "cd /{}/a", "path=/{}/b", '"/{}/c"', "# see\n/{}/d", "file:///{}/e"]
)
def test_a_machine_path_is_noticed_wherever_it_stands_in_a_line(line):
    for folder in ("work", "root", "home"):
        assert MACHINE_PATH.search(line.format(folder))


@pytest.mark.parametrize("line", ["https://example.org/{}/x", "net{}/x", "docs/{}/x", "$BASE/{}/x", "./{}/x", "~/{}/x"])
def test_a_relative_path_or_an_address_is_not_taken_for_a_machine_path(line):
    assert not MACHINE_PATH.search(line.format("work"))


def test_no_source_file_is_longer_than_one_can_read(repository, tracked):
    long = {
        str(path): len(text.splitlines()) for path, text in texts(repository, tracked) if path.suffix in {".py", ".md"}
    }
    assert {path: lines for path, lines in long.items() if lines > LONGEST_FILE} == {}


def test_no_file_is_too_large_for_a_clone(repository, tracked):
    sizes = {str(path): (repository / path).stat().st_size for path in tracked}
    assert {path: size for path, size in sizes.items() if size > 16 * 2**20} == {}
    assert sum(sizes.values()) < 100 * 10**6  # the limit of the Slicer extension index


def test_every_relative_link_in_the_documents_leads_to_a_file(repository, tracked):
    broken = []
    for path, text in texts(repository, tracked):
        if path.suffix != ".md":
            continue
        targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) + re.findall(r'<img[^>]* src="([^"]+)"', text)
        links = [target for target in targets if not re.match(r"[a-z]+:", target)]
        broken += [f"{path}: {link}" for link in links if not (repository / path.parent / link).exists()]
    assert not broken, "\n".join(broken)


def test_the_version_is_the_same_everywhere(repository):
    citation = (repository / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (\S+)$", citation, re.M).group(1) == __version__
    changelog = (repository / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (?:\[)?(\d\S*|Unreleased)", changelog, re.M).group(1).rstrip("]")
    assert newest in ("Unreleased", __version__)
