"""Run in a process of its own: import modules and report what that does besides importing.

Usage: python import_probe.py FOLDER BLOCKED PRELOAD MODULE...
FOLDER goes on sys.path; BLOCKED and PRELOAD are comma-separated names, may be empty. The blocked may not be imported;
the preloaded are imported first, so that what other people's packages do is not held against ours.
"""

from __future__ import annotations

import importlib
import importlib.abc
import json
import sys
import traceback

WATCHED = ("socket.", "subprocess.Popen", "os.system", "os.mkdir", "os.remove", "os.rename", "urllib.Request", "glob.")
CODE = (".py", ".pyc", ".so", ".pyd", ".dylib", ".dll")


class Blocker(importlib.abc.MetaPathFinder):
    """Refuses the import of some top-level packages."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def find_spec(self, fullname, path=None, target=None):
        if fullname.split(".")[0] in self.names:
            raise ImportError(f"{fullname} is imported at file scope")


def main() -> None:
    folder, blocked, preload, *names = sys.argv[1:]
    sys.path.insert(0, folder)
    for name in filter(None, preload.split(",")):
        importlib.import_module(name)
    sys.meta_path.insert(0, Blocker(set(filter(None, blocked.split(",")))))
    watching: list[str] = []
    complaints: list[str] = []

    def watch(event: str, arguments: tuple) -> None:
        if not watching:
            return
        if event == "open" and not str(arguments[0]).endswith(CODE):
            complaints.append(f"{watching[-1]} opens {arguments[0]}")
        elif event.startswith(WATCHED):
            complaints.append(f"{watching[-1]} does {event}")

    sys.addaudithook(watch)
    for name in names:
        watching.append(name)
        try:
            importlib.import_module(name)
        except ImportError as error:
            where = traceback.extract_tb(error.__traceback__)
            ours = [f"{frame.filename}:{frame.lineno}" for frame in where if frame.filename.startswith(folder)]
            complaints.append(f"{name}: {error} ({', '.join(ours[-1:])})")
        watching.clear()
    print(json.dumps(complaints))


if __name__ == "__main__":
    main()
