"""The lists of scripts and resources in LumbarBiplanar/CMakeLists.txt: what they should hold, and writing them.

Run as a script it rewrites both lists (make cmake-lists).
"""

from __future__ import annotations

import re
from pathlib import Path

from tracked_files import tracked_files

MODULE = "LumbarBiplanar"
SCRIPTS = "MODULE_PYTHON_SCRIPTS"
RESOURCES = "MODULE_PYTHON_RESOURCES"


def module_files(repository: Path) -> dict[str, list[str]]:
    """Return the files that belong in each list, relative to the module's folder."""
    files = [path.relative_to(MODULE).as_posix() for path in tracked_files(repository, MODULE)]
    files.remove("CMakeLists.txt")
    scripts = [name for name in files if name.endswith(".py")]
    return {SCRIPTS: scripts, RESOURCES: [name for name in files if name not in scripts]}


def listed_files(text: str, variable: str) -> list[str]:
    """Return the files that ``text``, the content of the CMakeLists.txt, lists under ``variable``."""
    body = re.search(rf"^set\({variable}\s+(.*?)\)", text, re.M | re.S).group(1)
    return [name.replace("${MODULE_NAME}", MODULE) for name in body.split()]


def with_lists(text: str, lists: dict[str, list[str]]) -> str:
    """Return ``text``, the content of the CMakeLists.txt, with its lists replaced."""
    for variable, names in lists.items():
        lines = [f"  {name}" if name != f"{MODULE}.py" else "  ${MODULE_NAME}.py" for name in names]
        block = "\n".join([f"set({variable}", *lines, "  )"])
        before, after = re.split(rf"^set\({variable}\s.*?\)", text, maxsplit=1, flags=re.M | re.S)
        text = before + block + after
    return text


def main() -> None:
    repository = Path(__file__).resolve().parents[2]
    path = repository / MODULE / "CMakeLists.txt"
    path.write_text(with_lists(path.read_text(encoding="utf-8"), module_files(repository)), encoding="utf-8")


if __name__ == "__main__":
    main()
