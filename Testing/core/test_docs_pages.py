"""The pages of the documentation: every link leads somewhere, and every page and picture is found from README.md."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest

from LumbarBiplanarLib import study
from study_sample import sample

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "Testing").rglob("README.md"))]
_LINK = re.compile(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"")


def prose(page: Path) -> str:
    return re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def links(page: Path) -> list[str]:
    found = (one or other for one, other in _LINK.findall(prose(page)))
    return [link for link in found if not link.startswith(("http:", "https:"))]


def anchors(page: Path) -> set[str]:
    """Names under which GitHub finds the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def target(page: Path, link: str) -> Path:
    path = link.partition("#")[0]
    return (page.parent / path).resolve() if path else page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page):
    for link in links(page):
        assert target(page, link).exists(), link
        heading = link.partition("#")[2]
        assert not heading or heading in anchors(target(page, link)), link


def test_every_page_and_picture_is_found_from_the_readme():
    found, waiting = set(), [README]
    while waiting:
        page = waiting.pop()
        if page in found:
            continue
        found.add(page)
        if page.suffix == ".md":
            waiting += [target(page, link) for link in links(page)]
    shown = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "images").glob("*.png")]
    assert len(shown) > 30
    assert [path.name for path in shown if path not in found] == []


def test_the_lines_for_python_do_what_the_page_says(tmp_path, monkeypatch, capsys):
    given = {
        "landmarks": sample("truth", "landmarks.json"),  # in place of the network, which takes a while
        "lumbar_ap": sample("lumbar_ap.nrrd"),
        "lumbar_lateral": sample("lumbar_lateral.nrrd"),
    }
    for name in ("ap.png", "lateral.png", "geometry.json"):
        (tmp_path / name).write_bytes(sample(name).read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(study, "load_case", partial(study.load_case, **given))
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    (lines,) = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "reconstruct_case" in block]
    exec(compile(lines, "command-line.md", "exec"), {})
    assert "Lordosis L1-L5" in capsys.readouterr().out
    assert (tmp_path / "result" / "report.html").exists()
