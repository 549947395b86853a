"""The sections of a report, each from a result to HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .. import __version__
from ..anatomy import FilmLandmarks, Level
from ..geometry import View
from ..geometry.frames import AXES_IN_WORDS
from ..imaging import Polarity
from ..measurement import Measurement, spread_text, value_text
from ..measurement.results import MARKS_IN_WORDS, definition_text
from ..measurement.sources import source_of
from ..registration.quality import Quality
from .certainty import deviations_of, level_landmark_residual_mm
from .quality_text import mark_of, probability_text, quality_sentences
from .report_page import definitions as definition_list
from .report_page import heading, kept_together, listing, paragraph, table
from .report_tables import INTERVAL_IN_WORDS, NOT_ASSESSED, UNITS, Group, groups, pivot, remarks, with_unit
from .steps import CaseResult

_IN_WORDS = {
    "model": "Kind of beam",
    "focal_mm": "Source to detector",
    "spacing_mm": "Detector pitch, across x down",
    "principal_px": "Principal point",
    "size_px": "Size of the film",
    "camera_from_ras": "Position of the source, RAS",
}
_POLARITY = {Polarity.BONE_BRIGHT: "bone is bright", Polarity.BONE_DARK: "bone is dark"}
_UNITS = {"deg": "°", "mm": " mm", "": ""}
_BEAMS = {"pinhole": "cone beam from a point", "slot": "slot scan"}


def warnings(result: CaseResult) -> list[str]:
    """Return what the user should know before reading on, also if it is nothing."""
    told = [*quality_sentences(result.quality), *result.warnings]
    if told:
        return [listing("Read this first", told)]
    return [paragraph("The program has no warnings about this result.", "fine")]


def films(result: CaseResult) -> list[str]:
    """Return which films it is about, what was found on them, and what else was used."""
    rows = []
    for film, evidence in zip(result.case.films, result.evidence, strict=True):
        width, height = film.view.size_px
        bits = "" if film.bits is None else f", {film.bits} bits"
        rows.append(
            (
                film.view.name,
                f"{'not from a file' if film.path is None else film.path.name}\nSHA-256 {film.sha256 or 'unknown'}",
                f"{width} x {height} pixels{bits}\n{_POLARITY[film.polarity]}",
                _landmarks_in_words(evidence.landmarks, film.view.name in result.detections),
            )
        )
    parts = [heading("Films and files"), table(("Film", "File", "Image", "Landmarks"), rows, css="small")]
    notes = [(f"{film.view.name} film", note) for film in result.case.films for note in film.notes]
    others = [(role, f"{stated['file']}\nSHA-256 {stated['sha256']}") for role, stated in result.case.inputs.items()]
    if notes or others:
        parts.append(table(("Also used", "File or remark"), [*others, *notes], css="small"))
    return parts


def fit_in_words(result: CaseResult) -> str:
    """Return how many landmarks each film has, how sure they are, and how far off the reconstruction is."""
    lines = []
    for film, evidence in zip(result.case.films, result.evidence, strict=True):
        name = film.view.name
        off = result.reconstruction.landmark_residual_mm.get(name)
        distance = "" if off is None else f"; RMS distance from the reconstruction {off:.1f} mm"
        found = _landmarks_in_words(evidence.landmarks, name in result.detections)
        lines.append(f"{name[0].upper()}{name[1:]} film: {found}{distance}.")
    return " ".join(lines)


def _landmarks_in_words(landmarks: FilmLandmarks, detected: bool) -> str:
    shown = landmarks.visible()
    corrected = sum(item.corrected for item in shown.values())
    certain = [item.confidence for item in shown.values() if not item.corrected]
    text = f"{len(shown)} landmarks {'found' if detected else 'given'}"
    if corrected:
        text += f", {corrected} of them set by a person"
    if detected and certain:
        text += f"; mean confidence {np.mean(certain):.2f}"
    return text


def measurements(result: CaseResult) -> list[str]:
    """Return the tables: alignment of the whole, then by segment, then by vertebra."""
    parts = [heading("Measurements")]
    for group in groups(result.measurements):
        parts.append(f"<h3>{group.title}</h3>")
        parts.append(_by_level(group, result.quality) if group.levels else _whole(group, result.quality))
        if group.levels and (told := remarks(group)):
            parts.append(paragraph(f"{'; '.join(told)}.", "small"))
    parts.append(paragraph(NOT_ASSESSED))
    text = f"Projections refer to the {result.measurements.frame}. Signs and definitions are given below."
    if any(mark_of(item, result.quality) for item in result.measurements):
        text = f"{MARKS_IN_WORDS} {text}"
    if any(item.interval is not None for item in result.measurements):
        itself = f"(a to b): {INTERVAL_IN_WORDS} itself, where it is not centred"
        text = f"±: half the width of {INTERVAL_IN_WORDS}; {itself}. {text}"
    return [*parts, paragraph(text, "small")]


def _whole(group: Group, quality: Mapping[Level, Quality]) -> str:
    rows = [
        (item.title, item.level, f"{with_unit(item)} {mark_of(item, quality)}".strip(), item.note)
        for item in group.items
    ]
    return table(("Quantity", "Levels", "Value", ""), rows, numbers=(2,))


def _by_level(group: Group, quality: Mapping[Level, Quality]) -> str:
    rows = []
    for first, row in pivot(group):
        unit = UNITS.get(first.unit, first.unit)
        title = f"{first.title} ({unit})" if unit else first.title
        rows.append((title, *(_cell(row.get(level), quality) for level in group.levels)))
    return table(("Quantity", *group.levels), rows, numbers=tuple(range(1, len(group.levels) + 1)))


def _cell(item: Measurement | None, quality: Mapping[Level, Quality]) -> str:
    """Return the value with its mark, or what a grade says in words, or a dash for what could not be measured."""
    if item is None:
        return "–"
    text = item.note if item.unit == "grade" else f"{value_text(item)} {spread_text(item)}".strip()
    return f"{text} {mark_of(item, quality)}".strip()


def reliability(result: CaseResult) -> list[str]:
    """Return how well the reconstruction fits the films, per film and level."""
    found = result.reconstruction
    names = [film.view.name for film in result.case.films]
    rows = [_film_fit(result, name) for name in names]
    header = ("Film", "Landmarks, RMS distance", "Image, RMS difference", "Strength of the image")
    parts = [heading("How well it fits"), table(header, rows, numbers=(1, 2, 3))]
    quality = result.quality
    spread = {level: float(np.mean(sd.surface_mm)) for level, sd in deviations_of(result).items()}
    header = ["Level", *(f"{name} landmarks (mm)" for name in names), *(f"{name} image (mm of bone)" for name in names)]
    rows = []
    for level in found.levels:
        off = level_landmark_residual_mm(result, level)
        row = [level.name, *(_text(off.get(name)) for name in names)]
        row += [_text(found.level_image_residual_mm.get(name, {}).get(level)) for name in names]
        row += [_text(spread.get(level))] if spread else []
        rows.append(row + ([_quality(quality.get(level))] if quality else []))
    header += ["Expected error of the surface (mm)"] if spread else []
    header += ["Quality (likely over 2 mm off)"] if quality else []
    parts.append(table(header, rows, numbers=tuple(range(1, len(header)))))
    parts.append(
        paragraph(
            "Landmarks: distance between the landmark on the film and that of the reconstruction, in the plane of "
            "the vertebra. Image: difference between the lumbar-only image and the one the reconstruction would give, "
            "in mm of bone along the ray; a strength of 1 is as much bone as expected. Expected error: one standard "
            "deviation along the surface's normal, mean over the vertebra, if the films and their geometry are as "
            "stated. Quality: ok, check (look before you use it) or refuse (do not use it), and how likely the surface "
            "is more than 2 mm off on average: judged, by simulated cases, from all residuals, from the two films "
            "against each other, and from how usual shape and posture are. Small residuals do not prove a correct "
            "geometry: a wrong source distance scales all lengths.",
            "small",
        )
    )
    return parts


def _quality(item) -> str:
    return "–" if item is None else f"{item.flag} ({probability_text(item)})"


def _film_fit(result: CaseResult, name: str) -> tuple[str, ...]:
    found = result.reconstruction
    landmark, image = found.landmark_residual_mm.get(name), found.image_residual_mm.get(name)
    return (name, _text(landmark, " mm"), _text(image, " mm of bone"), _text(found.gain.get(name), digits=2))


def _text(value: float | None, unit: str = "", digits: int = 1) -> str:
    return "–" if value is None else f"{value:.{digits}f}{unit}"


def geometry(result: CaseResult) -> list[str]:
    """Return the numbers of the geometry and where each came from."""
    pair = result.case.pair
    rows = []
    for key, words in _IN_WORDS.items():
        for view in pair.views:
            rows.append((words, view.name, _number(view, key), view.provenance.get(key, "unknown")))
    stated = [
        f"The central rays meet at {pair.angle_deg:.1f}°.",
        "The geometry is calibrated." if pair.calibrated else "The geometry is NOT calibrated: lengths are uncertain.",
        "Both films were taken at once."
        if pair.simultaneous
        else "The films were NOT taken at once: the patient may have moved.",
        *(
            f"The {view.name} film is stored turned over, as seen from the detector."
            for view in pair.views
            if view.mirrored
        ),
    ]
    header = ("Number", "Film", "Value", "Where it came from")
    parts = [kept_together((heading("Geometry"), paragraph(" ".join(stated)), table(header, rows, css="small")))]
    return parts + _corrections(result)


def _corrections(result: CaseResult) -> list[str]:
    """Return what the registration changed in the geometry, if it was free to."""
    found = result.reconstruction
    if not len(found.corrections):
        return []
    values, sd = found.corrections.reported(), found.correction_sd
    rows = [
        (
            f"{item.title[:1].upper()}{item.title[1:]}",
            f"{values[item.name]:+.2f}{_UNITS[item.unit]}",
            f"{sd[item.name]:.2f}{_UNITS[item.unit]}" if item.name in sd else "–",
            f"{item.reported(item.prior_sd):.2f}{_UNITS[item.unit]}",
        )
        for item in found.corrections.unknowns
    ]
    text = (
        "The registration was free to correct these numbers, because the geometry is uncertain or the patient may have "
        "moved. Surfaces are where the patient lay in the AP film; the lateral film is drawn with the corrections. "
        f"{AXES_IN_WORDS}."
    )
    header = ("Corrected", "By", "Standard deviation", "Thought possible")
    return [kept_together((paragraph(text), table(header, rows, css="small", numbers=(1, 2, 3))))]


def _number(view: View, key: str) -> str:
    if key == "model":
        return _BEAMS.get(view.model, view.model)
    if key == "focal_mm":
        return f"{view.focal_mm:.1f} mm"
    if key == "spacing_mm":
        return f"{view.spacing_mm[0]:.4g} x {view.spacing_mm[1]:.4g} mm"
    if key == "camera_from_ras":
        return ", ".join(f"{value:.1f}" for value in view.source_ras_mm) + " mm"
    first, second = getattr(view, key)
    return f"{first:g} x {second:g} pixels" if key == "size_px" else f"({first:.1f}, {second:.1f}) pixels"


def definitions(result: CaseResult) -> list[str]:
    """Return what each quantity means, once, with its source."""
    entries = {}
    for item in result.measurements:
        entries.setdefault(item.key, (item.title, definition_text(item), source_of(item.key)))
    return [heading("Definitions"), definition_list(entries.values())]


def how_it_was_made(result: CaseResult) -> list[str]:
    """Return versions, device and times."""
    found = result.reconstruction
    seconds = ", ".join(f"{stage} {value:.1f}" for stage, value in result.seconds.items())
    rows = [
        ("Program", f"LumbarBiplanar {__version__}"),
        ("Shape model", _model_in_words(result)),
        *((f"Network, {name} film", item.weights or "unknown") for name, item in result.detections.items()),
        ("Device", result.device),
        ("Seconds", seconds),
        ("Iterations", _in_words(found.iterations)),
        ("Weight of the posterior parts", _region_weights(result)),
    ]
    return [kept_together((heading("How it was made"), table((), rows, css="small")))]


def _model_in_words(result: CaseResult) -> str:
    found = result.reconstruction
    file = f"{result.model.file}\n" if result.model.file else ""
    version = f"version {found.model_version}\n" if found.model_version else ""
    return f"{file}{version}SHA-256 {found.model_sha256 or 'unknown'}"


def _region_weights(result: CaseResult) -> str:
    return ", ".join(f"{region.name.lower().replace('_', ' ')} {weight:g}" for region, weight in
                     result.options.region_weights.items())  # fmt: skip


def _in_words(counts) -> str:
    items: Sequence[str] = [f"{stage} {count}" for stage, count in counts.items()]
    return ", ".join(items) or "none"
