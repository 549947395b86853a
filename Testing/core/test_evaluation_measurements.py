"""Measurements of reconstructions beside those of the truth, summed up."""

from __future__ import annotations

from LumbarBiplanarLib.evaluation.accuracy_rows import CASES_FILE, MEASUREMENTS_FILE, CaseRow, MeasurementRow
from LumbarBiplanarLib.evaluation.measurement_summary import measurement_tables
from LumbarBiplanarLib.files import write_table


def test_without_measurements_there_is_no_table(tmp_path):
    assert measurement_tables(tmp_path, ("lumbar-only",)) == {}


def test_measurements_are_summed_up_by_quantity_for_vertebrae_of_the_right_name(tmp_path):
    def row(key, level, value, true, interval=(None, None), seed=0, unit="mm"):
        return MeasurementRow("network, drawn: pinhole 90", "a", seed, key, level, unit, value, true, *interval)

    rows = [
        row("slip", "L4-L5", 2.0, 1.0, (0.5, 3.5)),
        row("slip", "L3-L4", -1.0, 2.0, (-2.0, 0.0)),
        row("slip", "L4-L5", 90.0, 0.0, seed=1),  # L5 has another vertebra's name there
        row("meyerding", "L4-L5", 1.0, 1.0, unit="grade"),
        row("meyerding", "L3-L4", 0.0, 1.0, unit="grade"),
    ]
    cases = [
        CaseRow("fractured: network, drawn: pinhole 90" if (seed, level) == (0, "L3") else rows[0].condition, "a", seed,
                level, "done", named_right=(seed, level) != (1, "L5"))
        for seed in (0, 1) for level in ("L3", "L4", "L5")
    ]  # fmt: skip
    write_table(tmp_path / CASES_FILE, CaseRow, cases)
    write_table(tmp_path / MEASUREMENTS_FILE, MeasurementRow, rows)
    columns, found = measurement_tables(tmp_path, ("lumbar-only", "network, drawn"))["measurements-network-drawn"]
    slip, grade = (dict(zip(columns, texts, strict=True)) for texts in found)
    assert (slip["quantity"], slip["measured"], slip["mean"], slip["bias"]) == ("slip", "2", "2.0", "-1.0")
    assert (slip["interval, ±"], slip["holds the truth, %"]) == ("1.2", "50 (2)")
    assert grade["error: median"] == "50 % right"
