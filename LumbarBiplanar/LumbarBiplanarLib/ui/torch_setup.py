"""PyTorch in Slicer: its state in words, and its installation by the PyTorch extension, after asking."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from slicer.i18n import tr as _

from ..mrml.torch_ready import TORCH_REQUIREMENT, loaded_torch, torch_problem, torch_version


class TorchSetup:
    """What the panel knows of PyTorch. Nothing is installed or imported before it is asked for."""

    def __init__(self) -> None:
        self.needs_restart = False
        self._device = ""  # line about it, once PyTorch has been asked; a driver that fails is slow to say so

    def ready(self) -> tuple[bool, str]:
        """Return whether detection and registration can run, and if not, why."""
        if self.needs_restart:
            return False, _("PyTorch was installed or updated; restart Slicer to use it.")
        problem = torch_problem()
        return not problem, problem

    def line(self) -> str:
        """Return one line for the panel: version of PyTorch, and the device once PyTorch has been loaded."""
        ok, problem = self.ready()
        if not ok:
            return problem
        torch = loaded_torch()
        if torch is None:
            return _("PyTorch {version}; the device is looked up when it is first used.").format(
                version=torch_version()
            )
        self._device = self._device or _device_line(torch)
        return self._device

    def install(self) -> None:
        """Install PyTorch through Slicer's PyTorch extension, which asks the user first; nothing if it is there.

        Raises:
            RuntimeError: if the PyTorch extension is missing, or the user declined, or the installation failed.
        """
        ok, problem = self.ready()
        if ok:
            return
        if self.needs_restart:
            raise RuntimeError(problem)
        loaded = sys.modules.get("torch") is not None  # an older one, which stays in memory
        made = self._extension().installTorch(askConfirmation=True, torchVersionRequirement=TORCH_REQUIREMENT)
        importlib.invalidate_caches()
        self.needs_restart = loaded and made is not None
        if made is None or not (self.needs_restart or self.ready()[0]):
            raise RuntimeError(_("PyTorch was not installed; detection and registration need it."))

    @staticmethod
    def _extension():
        try:
            return importlib.import_module("PyTorchUtils").PyTorchUtilsLogic()
        except ModuleNotFoundError as error:
            if error.name != "PyTorchUtils":
                raise
            raise RuntimeError(
                _(
                    "Slicer's PyTorch extension is missing, through which PyTorch is installed. Open View > Extensions "
                    "Manager, install the extension PyTorch, restart Slicer and press Install PyTorch… again."
                )
            ) from None


def _device_line(torch: Any) -> str:
    """Return version and device of the PyTorch that is loaded, or what is wrong with its CUDA device."""
    version = torch_version()
    try:
        if not torch.cuda.is_available():
            return _("PyTorch {version}, CPU only").format(version=version)
        return _("PyTorch {version}, CUDA: {name}").format(version=version, name=torch.cuda.get_device_name(0))
    except Exception as error:  # of a driver that fails: RuntimeError, AssertionError, OSError
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return _(
            "PyTorch {version}: the CUDA device cannot be used ({reason}). Choose the device CPU, or mend its driver "
            "and restart Slicer."
        ).format(version=version, reason=reason)
