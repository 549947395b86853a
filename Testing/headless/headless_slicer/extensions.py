"""Other extensions and modules that ours may meet: PyTorch and Sample Data."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import sys
from pathlib import Path
from types import ModuleType
from urllib.parse import urlparse
from urllib.request import url2pathname


class PyTorchExtension:
    """Slicer's PyTorch extension, absent until ``install`` is called."""

    def __init__(self):
        self.calls: list[dict] = []

    def install(self, *, agrees: bool = True, error: Exception | None = None, on_install=None) -> None:
        """Make ``PyTorchUtils`` importable.

        Args:
            agrees: whether the user agrees when asked.
            error: what ``installTorch`` raises, if anything.
            on_install: called in place of the download.
        """
        extension = self

        class PyTorchUtilsLogic:
            """The extension's logic."""

            @staticmethod
            def torchInstalled() -> bool:
                import importlib.util

                return importlib.util.find_spec("torch") is not None

            def installTorch(self, askConfirmation=False, forceComputationBackend=None, torchVersionRequirement=None):
                extension.calls.append({"ask": askConfirmation, "requirement": torchVersionRequirement})
                if error is not None:
                    raise error
                if askConfirmation and not agrees:
                    return None
                if on_install is not None:
                    on_install()
                return sys.modules.get("torch") or object()

        module = ModuleType("PyTorchUtils")
        module.PyTorchUtilsLogic = PyTorchUtilsLogic
        sys.modules["PyTorchUtils"] = module

    def remove(self) -> None:
        """Make the extension absent again."""
        self.calls.clear()
        sys.modules["PyTorchUtils"] = None

    @staticmethod
    @contextlib.contextmanager
    def without_torch():
        """Within the context Python has no torch."""
        hidden = {name: module for name, module in sys.modules.items() if name == "torch" or name.startswith("torch.")}
        for name in hidden:
            del sys.modules[name]
        sys.modules["torch"] = None
        try:
            yield
        finally:
            for name in [name for name in sys.modules if name == "torch" or name.startswith("torch.")]:
                del sys.modules[name]
            sys.modules.update(hidden)


class SampleData:
    """The Sample Data module's registry, and its folder of files that were fetched before."""

    def __init__(self, cache: Path):
        self.cache = cache
        self.sources: list[dict] = []
        self.categories: dict[str, str] = {}

    def install(self) -> None:
        """Make ``SampleData`` importable."""
        registry = self

        class SampleDataLogic:
            """Registration of sample data."""

            @staticmethod
            def registerCustomSampleDataCategory(category, title=None):
                registry.categories[category] = title or category

            @staticmethod
            def registerCustomSampleDataSource(
                category="Custom",
                sampleName=None,
                uris=None,
                fileNames=None,
                nodeNames=None,
                customDownloader=None,
                thumbnailFileName=None,
                loadFileType=None,
                loadFiles=None,
                loadFileProperties=None,
                checksums=None,
            ):
                fields = (uris, fileNames, nodeNames, loadFiles, checksums)
                if len({len(field) for field in fields if field is not None}) != 1:
                    raise ValueError("All fields of sample data source must have the same length")
                registry.sources.append(
                    {"category": category, "name": sampleName, "download": customDownloader, "uris": uris}
                    | {"thumbnail": thumbnailFileName, "files": fileNames, "checksums": checksums, "nodes": nodeNames}
                )

            @staticmethod
            def downloadSamples(sampleName):
                return registry.download(next(item for item in registry.sources if item["name"] == sampleName))

        module = ModuleType("SampleData")
        module.SampleDataLogic = SampleDataLogic
        module.downloadSamples = SampleDataLogic.downloadSamples
        sys.modules["SampleData"] = module

    def download(self, source: dict) -> list[str]:
        """Fetch a source's files as a script does: past the custom downloader, and past files that are there already.

        A file that is there is taken if it is not empty and has the checksum, or none was given. Only sources that load
        no node can be asked for here.
        """
        if any(source["nodes"]):
            raise NotImplementedError("the headless Slicer loads no volumes of sample data")
        paths = []
        for uri, name, checksum in zip(source["uris"], source["files"], source["checksums"], strict=True):
            path, digest = self.cache / name, (checksum or "").removeprefix("SHA256:")
            if path.exists() and digest and hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                path.unlink()
            if not path.exists() or not path.stat().st_size:
                shutil.copyfile(url2pathname(urlparse(uri).path), path)
            paths.append(str(path))
        return paths
