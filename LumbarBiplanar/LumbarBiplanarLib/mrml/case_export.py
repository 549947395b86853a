"""Writing a case to files: the same files as the command line writes, a report, and the scene."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _

from ..errors import OutputError, StudyError
from ..study.output import output_folder
from ..study.results import FILES, write_measurements, write_result
from .case_display import CaseDisplay

if TYPE_CHECKING:
    from ..study.steps import CaseResult

_SCENE_SUFFIX = ".mrb"


class CaseExport(CaseDisplay):
    """Part of ``CaseLogic``: files."""

    def exportCase(self, folder: str | Path, force: bool = False) -> None:
        """Write surfaces, landmarks, measurements, pictures and ``reconstruction.json`` into a folder, all or nothing.

        Args:
            folder: a new or empty folder.
            force: replace an earlier result in a folder that is not empty; other files in it stay.

        Raises:
            StudyError: if there is no result, or the folder is not empty or cannot be written.
        """
        result = self._result_to_write()
        with output_folder(folder, force=force, owned=FILES) as staging:
            write_result(result, staging)

    def exportSurfaces(self, folder: str | Path, force: bool = False) -> None:
        """Write the vertebrae as .vtp and .stl files (RAS, mm); arguments and errors as :meth:`exportCase`."""
        from ..study.results import write_surfaces

        result = self._result_to_write()
        with output_folder(folder, force=force, owned=("L[1-5].vtp", "L[1-5].stl")) as staging:
            write_surfaces(result, staging)

    def exportCsv(self, path: str | Path) -> None:
        """Write the measurements as a table, one quantity per line; raises StudyError if there are none."""
        write_measurements(self._result_to_write(), path)

    def exportReport(self, path: str | Path) -> None:
        """Write a report with pictures as one HTML file; raises StudyError if there is no result."""
        from ..study.report import write_report

        write_report(self._result_to_write(), path)

    def saveScene(self, path: str | Path) -> None:
        """Save the whole scene with its data as one .mrb file.

        Args:
            path: of the file. A suffix in capitals is written in small letters: Slicer makes a folder of any other.

        Raises:
            OutputError: if the file cannot be written; or if the name ends otherwise, as in .mrml, which would hold
                the description of the scene without films, landmarks and surfaces.
        """
        given = Path(path)
        if given.suffix.lower() != _SCENE_SUFFIX:
            text = _("{path}: give the scene a name that ends in .mrb; only such a file holds its data.")
            raise OutputError(text.format(path=given))
        target = given.with_suffix(_SCENE_SUFFIX)
        if target != given and target.exists() and not (given.exists() and given.samefile(target)):
            raise OutputError(_("{path} exists. Give the scene that name, or another one.").format(path=target))
        if not target.parent.is_dir():
            raise OutputError(_("{path}: there is no such folder. Create it first.").format(path=target.parent))
        if not slicer.util.saveScene(str(target)):
            raise OutputError(_("The scene could not be saved as {path}. Choose another place.").format(path=target))

    def _result_to_write(self) -> CaseResult:
        result, problem = self._stored_result()
        if result is None:
            raise StudyError(problem or _("There is no result yet. Press Run all steps, or Reconstruct."))
        return result
