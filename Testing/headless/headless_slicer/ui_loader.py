"""Loading a .ui file with stand-ins for the custom widgets, and refusing what Slicer would take silently."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from PySide6 import QtCore, QtUiTools, QtWidgets

from .dialect import signals
from .dialect.members import BoundMethod, replaces, slot_signature_known

custom_widgets: dict[str, type] = {}


class UiFileError(ValueError):
    """A .ui file names a widget, property, signal or slot that there is not."""


def register(qt_class: type) -> None:
    """Let .ui files use a stand-in class under its own name."""
    custom_widgets[qt_class.__name__] = qt_class


@replaces("QUiLoader", "load")
def _load(wrapper, file, parent=None):
    device = file._living()
    return load_ui(bytes(device.readAll()), parent._living() if parent is not None else None)


def load_ui(text: bytes, parent: QtWidgets.QWidget | None = None) -> QtWidgets.QWidget:
    """Return the widget of a .ui file's text.

    Raises:
        UiFileError: if Slicer's loader would leave something out without a word.
    """
    root = ET.fromstring(text)
    links = root.find("connections")
    connections = list(links) if links is not None else []
    if links is not None:
        root.remove(links)
    loader = QtUiTools.QUiLoader()
    for qt_class in custom_widgets.values():
        loader.registerCustomWidget(qt_class)
    buffer = QtCore.QBuffer()
    buffer.setData(ET.tostring(root))
    buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
    made = loader.load(buffer, parent)
    if made is None:
        raise UiFileError(f"the .ui file cannot be read: {loader.errorString()}")
    objects = {made.objectName(): made} | {child.objectName(): child for child in made.findChildren(QtCore.QObject)}
    _check_widgets(root, objects)
    for connection in connections:
        _connect(connection, objects)
    return made


def _check_widgets(root: ET.Element, objects: dict[str, QtCore.QObject]) -> None:
    names = [element.get("name") for element in root.iter("widget")]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UiFileError(f"two widgets have the same name: {', '.join(sorted(twice))}")
    for element in root.iter("widget"):
        made = objects.get(element.get("name"))
        kind = made.metaObject().className() if made is not None else "nothing"
        if kind != element.get("class"):
            raise UiFileError(f"the widget {element.get('name')} of class {element.get('class')} became {kind}")
        for item in element.findall("property"):
            known = made.metaObject().indexOfProperty(item.get("name")) >= 0
            if not known and item.get("stdset") != "0" and item.get("name") != "buddy":
                raise UiFileError(f"{element.get('name')}: {kind} has no property {item.get('name')}")
            if (buddy := item.findtext("cstring")) and buddy not in objects:
                raise UiFileError(f"{element.get('name')}: there is no widget {buddy} to be its buddy")


def _connect(connection: ET.Element, objects: dict[str, QtCore.QObject]) -> None:
    from .dialect.classes import wrapper_of

    sender_name, signal, receiver_name, slot = (
        connection.findtext(tag, "") for tag in ("sender", "signal", "receiver", "slot")
    )
    for name in (sender_name, receiver_name):
        if name not in objects:
            raise UiFileError(f"a connection names the widget {name}, which there is not")
    sender, receiver = objects[sender_name], objects[receiver_name]
    declared = {text for base in type(receiver).__mro__ for text in vars(base).get("CPP_SLOTS", ())}
    if slot not in declared and not slot_signature_known(receiver, slot):
        raise UiFileError(f"{receiver_name} has no slot {slot}")
    try:
        signals.connect(sender, signal, BoundMethod(wrapper_of(receiver), slot.partition("(")[0]))
    except AttributeError as error:
        raise UiFileError(f"{sender_name}: {error}") from None
