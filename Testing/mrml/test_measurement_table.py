"""The measurement table: readable, numeric, saved with the scene, and written again without a second node."""

from __future__ import annotations

import pytest
from measured_spine import measured

from LumbarBiplanarLib.anatomy import Level
from LumbarBiplanarLib.measurement import Measurement, measure, rows
from LumbarBiplanarLib.registration import Quality


@pytest.fixture
def table(scene):
    from LumbarBiplanarLib.mrml.measurement_table import write_table

    return write_table(scene, None, measured())


def cells(node, row):
    return [node.GetTable().GetValue(row, column).ToString() for column in range(node.GetNumberOfColumns())]


def test_every_quantity_has_a_row_with_its_title_level_value_unit_and_definition(table):
    assert table.GetNumberOfRows() == len(measured())
    for number, expected in enumerate(rows(measured())):
        title, level, value, unit, definition, low, high, flag = cells(table, number)
        assert (title, level, unit) == (expected["title"], expected["level"], expected["unit"])
        assert float(value) == pytest.approx(float(expected["value"]), rel=1e-5)
        assert definition == expected["definition"]
        assert (low, high, flag) == (expected["low_90"], expected["high_90"], "")


def test_the_columns_are_headed_by_titles_and_the_node_says_what_it_is(table):
    names = [table.GetColumnName(column) for column in range(table.GetNumberOfColumns())]
    assert names == ["Measurement", "Level", "Value", "Unit", "Definition", "Low90", "High90", "Quality"]
    assert [table.GetColumnTitle(name) for name in names] == [*names[:5], "90 % from", "90 % to", "Quality"]
    assert table.GetUseColumnTitleAsColumnHeader()
    assert table.GetAttribute("LumbarBiplanar.Role") == "measurements"
    assert table.GetLocked()


def test_a_second_result_replaces_the_first_in_the_same_node_with_one_event(scene, table):
    from LumbarBiplanarLib.mrml.measurement_table import write_table

    events = []
    table.AddObserver("ModifiedEvent", lambda *_: events.append(1))
    levels, interval = (Level.L4, Level.L5), (-1.23456, 1.0)
    item = Measurement("slip", "Slip", -0.0002, "mm", levels, "How.", "lower endplate", "no slip", interval=interval)
    quality = {Level.L4: Quality("ok", (), 0.01), Level.L5: Quality("refuse", ("Why.",), 0.97)}
    assert write_table(scene, table, [item], quality=quality) is table
    expected = ["Slip: no slip", "L4-L5", "0", "mm", "How. Frame: lower endplate.", "-1.235", "1.000", "refuse"]
    assert cells(table, 0) == expected
    assert table.GetNumberOfRows() == 1
    assert len(events) == 1
    assert scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 1


def test_a_user_s_table_and_a_deleted_one_are_left_alone(scene, table):
    from LumbarBiplanarLib.mrml.measurement_table import write_table

    scene.RemoveNode(table)
    again = write_table(scene, table, measured())
    other = write_table(scene, None, measured())
    assert scene.IsNodePresent(again)
    assert len({node.GetName() for node in (again, other)}) == 2


def test_the_table_survives_saving_and_loading_with_numbers_as_numbers(scene, table, tmp_path):
    import slicer

    table.AddDefaultStorageNode()
    storage = table.GetStorageNode()
    storage.SetFileName(str(tmp_path / "measurements.tsv"))
    assert storage.WriteData(table)
    scene.SetURL(str(tmp_path / "scene.mrml"))
    assert scene.Commit()
    loaded = slicer.vtkMRMLScene()
    loaded.SetURL(str(tmp_path / "scene.mrml"))
    loaded.Import()
    again = loaded.GetFirstNodeByName(table.GetName())
    assert again.GetAttribute("LumbarBiplanar.Role") == "measurements"
    assert again.GetTable().GetColumnByName("Value").IsNumeric()
    assert [cells(again, row) for row in range(again.GetNumberOfRows())] == [
        cells(table, row) for row in range(table.GetNumberOfRows())
    ]
    assert again.GetUseColumnTitleAsColumnHeader()


def test_a_case_with_missing_levels_has_no_rows_for_them(scene):
    from measured_spine import vertebrae

    from LumbarBiplanarLib.mrml.measurement_table import write_table

    found = measure([vertebra for vertebra in vertebrae() if vertebra.level is not Level.L3])
    node = write_table(scene, None, found)
    levels = {cells(node, row)[1] for row in range(node.GetNumberOfRows())}
    assert "L3" not in levels and "L2-L3" not in levels and "L4-L5" in levels
