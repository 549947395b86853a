"""The logic of the module: every step of a case on nodes of the scene, without any window."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from ..errors import StudyError
from ..study.detecting import check_device
from ..study.output import output_folder
from ..study.results import FILES, write_result
from .case_export import CaseExport
from .case_run import Progress
from .parameters import LevelNames
from .torch_ready import require_torch

if TYPE_CHECKING:
    from ..study.steps import CaseResult


class CaseLogic(CaseExport):
    """Films to vertebrae and measurements in a Slicer scene.

    The work is the library's (``LumbarBiplanarLib.study``); this class keeps its input and output in MRML nodes, which
    the scene's parameter node refers to. The parts are in files of their own: ``case_films``, ``case_landmarks``,
    ``case_run``, ``case_display`` and ``case_export``.

    Example::

        from LumbarBiplanar import LumbarBiplanarLogic

        logic = LumbarBiplanarLogic()
        logic.loadSampleStudy()
        logic.detect()
        result = logic.register()
        print(result.measurements.table())
    """

    def process(
        self,
        apPath: str | Path,
        lateralPath: str | Path,
        geometryPath: str | Path | None = None,
        outputFolder: str | Path | None = None,
        device: str = "auto",
        progress: Progress | None = None,
        levelShift: int = 0,
    ) -> CaseResult:
        """Do everything: load both films, detect, register, measure, and write the result.

        Args:
            apPath, lateralPath: the films.
            geometryPath: ``geometry.json`` of the pair; None takes what the files state and assumes the rest.
            outputFolder: a new or empty folder for the files of the result; None writes none.
            device: "auto", "cpu" or "cuda".
            progress: called with every ``study.Step``.
            levelShift: -2 to 2, renames the levels that the network finds: 1 if what it calls L1 is L2, and so on.

        Returns:
            The result; it is in the scene too.

        Raises:
            LumbarBiplanarError: a ValueError; says what cannot be used, and what to do.
        """
        try:
            names = LevelNames(levelShift)
        except ValueError:
            raise StudyError(_("levelShift must be -2 to 2, found {value}.").format(value=levelShift)) from None
        require_torch()
        check_device(device)
        # A folder that cannot be written is told before the work that fills it.
        target = nullcontext() if outputFolder is None else output_folder(outputFolder, owned=FILES)
        with target as staging:
            self.loadFilms(apPath, lateralPath, geometryPath)
            self.parameters.levelNames = names
            result = self._run(self.allSteps(device), progress).result
            if staging is not None:
                write_result(result, staging)
        return result
