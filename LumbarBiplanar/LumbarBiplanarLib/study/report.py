"""report.html: one file with pictures, measurements and where they come from, for reading and printing."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .. import __version__
from ..files import atomic_path
from . import report_page as page
from .pictures import PICTURES, write_pictures
from .report_sections import (
    definitions,
    films,
    fit_in_words,
    geometry,
    how_it_was_made,
    measurements,
    reliability,
    warnings,
)
from .steps import CaseResult

TITLE = "Lumbar spine, reconstructed from two films"


def write_report(
    result: CaseResult, path: str | Path, *, pictures: str | Path | None = None, patient: str = ""
) -> None:
    """Write the report of a result, one HTML file that needs no other and prints on A4.

    Args:
        result: the result.
        path: the .html to write, whole or not at all.
        pictures: folder in which ``write_pictures`` has drawn this result; None draws them.
        patient: who it is about, as the caller wishes it printed; nothing is taken from the films' headers.

    Raises:
        OutputError: if it cannot be written.
    """
    if pictures is None:
        with tempfile.TemporaryDirectory(prefix="lumbar-biplanar-") as folder:
            write_pictures(result, Path(folder))
            write_report(result, path, pictures=folder, patient=patient)
        return
    drawn = {name: (Path(pictures) / name).read_bytes() for name in PICTURES}
    text = report_html(result, drawn, patient=patient)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def report_html(
    result: CaseResult,
    pictures: Mapping[str, bytes],
    *,
    patient: str = "",
    created: datetime.datetime | None = None,
) -> str:
    """Return the report as HTML.

    Args:
        result: the result.
        pictures: content of the files ``PICTURES`` by name.
        patient: who it is about, or empty.
        created: date on the report; None means now.
    """
    created = created or datetime.datetime.now().astimezone()
    made = f"Made on {created:%Y-%m-%d %H:%M %Z} by LumbarBiplanar {__version__}".replace(" by", ",")
    facts = f"{made}." if not patient else f"{patient}. {made}."
    ap, lateral, spine = (pictures[name] for name in PICTURES)
    return page.page(
        TITLE if not patient else f"{TITLE}: {patient}",
        [
            f"<h1>{TITLE}</h1>",
            page.paragraph(facts, "facts"),
            page.paragraph(page.DISCLAIMER, "disclaimer"),
            *warnings(result),
            page.heading("Films with the outlines of the reconstruction"),
            page.side_by_side(
                [page.picture(ap, "AP film with outlines"), page.picture(lateral, "Lateral film with outlines")]
            ),
            page.paragraph(fit_in_words(result), "small"),
            *measurements(result),
            page.kept_together(
                (
                    page.heading("Reconstruction"),
                    page.picture(spine, "Vertebrae from the front, from the left and from behind", "wide"),
                )
            ),
            *reliability(result),
            *films(result),
            *geometry(result),
            *how_it_was_made(result),
            *definitions(result),
            f"<footer>{page.DISCLAIMER} {made}.</footer>",
        ],
    )
