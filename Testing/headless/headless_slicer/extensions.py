"""Other extensions and modules that ours may meet: PyTorch and Sample Data."""

from __future__ import annotations

import contextlib
import sys
from types import ModuleType


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
    """The Sample Data module's registry."""

    def __init__(self):
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
                registry.sources.append(
                    {"category": category, "name": sampleName, "download": customDownloader, "uris": uris}
                    | {"thumbnail": thumbnailFileName}
                )

        module = ModuleType("SampleData")
        module.SampleDataLogic = SampleDataLogic
        sys.modules["SampleData"] = module
