"""The panel with the films of the sample study, and what a person does in its section Films; fixtures for the tests."""

from __future__ import annotations

import pytest

QUANTITY, AP, LATERAL, WHERE_FROM = range(4)


@pytest.fixture
def panel(module_widget, app):
    app.process_events()
    return module_widget.panel


@pytest.fixture
def loaded(panel, app):
    """The panel with the sample study."""
    app.click(panel.ui.sampleStudyButton)
    app.process_events()
    return panel


def row_of(panel, title):
    table = panel.ui.geometryTable
    rows = [row for row in range(table.rowCount) if table.item(row, QUANTITY).text().startswith(title)]
    assert len(rows) == 1, f"{title}: {len(rows)} rows"
    return rows[0]


def cell(panel, title, column):
    return panel.ui.geometryTable.item(row_of(panel, title), column).text()


def origin(panel, title):
    """The whole of where a number came from, of which the column shows a word."""
    return panel.ui.geometryTable.item(row_of(panel, title), WHERE_FROM).toolTip()


def type_into(app, panel, title, column, text):
    panel.ui.geometryTable.item(row_of(panel, title), column).setText(text)
    app.process_events()


def only_message(app):
    assert len(app.messages) == 1, [message.text for message in app.messages]
    return app.messages[0].text
