"""The class decorator that turns an annotated class into a typed view of a parameter node."""

from __future__ import annotations

import inspect
import typing
import weakref

import slicer
import slicer.util
import vtk

from .connectors import PROPERTY, GuiConnector, createGuiConnector
from .fields import make_field

RESERVED = (
    *("allParameters", "connectGui", "connectParametersToGui", "disconnectGui", "default", "dataType", "isCached"),
    *("getValue", "setValue", "AddObserver", "RemoveObserver", "StartModify", "EndModify", "Modified"),
)


class _Cached:
    """A field's value as last read: anew at each ModifiedEvent of the node, not when a node joins the scene."""

    def __init__(self, field, node, default):
        self.field, self.node, self.default = field, node, default
        self.value = self._read()
        self._writing = False
        myself = weakref.ref(self)
        self._tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: myself()._modified())

    def __del__(self):
        self.node.RemoveObserver(self._tag)

    def _read(self):
        if not self.field.is_in(self.node):  # a scene close has taken it away
            self.field.write(self.node, self.default)
        return self.field.read(self.node)

    def _modified(self) -> None:
        if not self._writing:
            self.value = self._read()

    def write(self, value) -> None:
        self._writing = True
        try:
            with slicer.util.NodeModify(self.node):
                self.field.write(self.node, value)
                self.value = self._read()
        finally:
            self._writing = False


class _Wrapper:
    """What a decorated class gets besides its fields."""

    def __init__(self, parameterNode, prefix=None):
        if prefix:
            raise NotImplementedError("the headless Slicer has no parameter names with a prefix")
        self.parameterNode = parameterNode
        self._guis: dict[int, dict[str, GuiConnector]] = {}
        self._next_tag = 0
        self._updating_gui = False
        self._cached: dict[str, _Cached] = {}
        for name, field in self._fields.items():
            self._cached[name] = _Cached(field, parameterNode, self._defaults[name])

    def _known(self, name: str) -> str:
        if name not in self._fields:
            raise ValueError(f"there is no parameter {name!r}; there are {', '.join(self._fields)}")
        return name

    def getValue(self, name):
        """Return a field's value."""
        return self._cached[self._known(name)].value

    def setValue(self, name, value) -> None:
        """Write a field's value."""
        self._cached[self._known(name)].write(value)

    def default(self, name):
        """Return an object whose ``value`` is the field's default."""
        return type("Default", (), {"value": self._defaults[self._known(name)]})()

    def isCached(self, name) -> bool:
        """Return whether a field's value is kept between reads; here all are."""
        return self._known(name) in self._cached

    @classmethod
    def dataType(cls, name):
        """Return a field's annotation."""
        if name not in cls._fields:
            raise ValueError(f"there is no parameter {name!r}")
        return cls._fields[name].annotation

    def connectGui(self, gui) -> None:
        """Bind every widget with the property SlicerParameterName, of a namespace or below a widget.

        Slicer's returns no tag, so what it binds cannot be undone: only ``connectParametersToGui`` returns one.
        """
        if getattr(gui, "isWidgetType", lambda: False)():
            import qt

            widgets = gui.findChildren(qt.QWidget)
        else:
            widgets = vars(gui).values()
        named = ((widget.property(PROPERTY), widget) for widget in widgets)
        self.connectParametersToGui({name: widget for name, widget in named if name})

    def connectParametersToGui(self, mapping) -> int:
        """Bind widgets to fields, given by name; return the tag for ``disconnectGui``."""
        connectors = {
            self._known(name): widget
            if isinstance(widget, GuiConnector)
            else createGuiConnector(widget, self.dataType(name))
            for name, widget in mapping.items()
        }
        tag = self._next_tag
        self._next_tag += 1
        self._guis[tag] = connectors
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.onChanged(self._gui_changed(name, connector))
        self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._update_gui())
        return tag

    def disconnectGui(self, tag) -> None:
        """Undo one ``connectParametersToGui``."""
        for connector in self._guis.pop(tag, {}).values():
            connector.onChanged(None)

    def _gui_changed(self, name: str, connector):
        def changed():
            with slicer.util.NodeModify(self):
                if not self._updating_gui:
                    self.setValue(name, connector.read())

        return changed

    def _update_gui(self) -> None:
        if self._updating_gui:
            return
        self._updating_gui = True
        try:
            with slicer.util.NodeModify(self):
                for connectors in self._guis.values():
                    for name, connector in connectors.items():
                        connector.write(self.getValue(name))
        finally:
            self._updating_gui = False

    def StartModify(self):
        """Hold the node's ModifiedEvent back."""
        return self.parameterNode.StartModify()

    def EndModify(self, wasModified) -> None:
        """Let the node's ModifiedEvent go."""
        self.parameterNode.EndModify(wasModified)

    def AddObserver(self, event, callback, priority=0.0):
        """Observe the node."""
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag) -> None:
        """Stop observing the node."""
        self.parameterNode.RemoveObserver(tag)

    def Modified(self) -> None:
        """Send the node's ModifiedEvent."""
        self.parameterNode.Modified()


def _property(name: str) -> property:
    return property(lambda self: self.getValue(name), lambda self, value: self.setValue(name, value))


def _decorate(cls: type) -> type:
    annotations = typing.get_type_hints(cls, include_extras=True)
    if taken := [name for name in RESERVED if name in annotations]:
        raise ValueError(f"Slicer needs the name {taken[0]!r} in a parameter node wrapper")
    fields = {name: make_field(name, annotation) for name, annotation in annotations.items()}
    defaults = {name: getattr(cls, name) if hasattr(cls, name) else field.default() for name, field in fields.items()}
    for name in fields:
        setattr(cls, name, _property(name))
    members = {name: value for name, value in vars(_Wrapper).items() if name not in ("__dict__", "__weakref__")}
    for name, value in members.items():
        if inspect.isroutine(value) or isinstance(value, classmethod):
            setattr(cls, name, value)
    cls._fields, cls._defaults = fields, defaults
    cls.allParameters = fields
    cls._is_parameter_node_wrapper = True
    return cls


def parameterNodeWrapper(classtype=None):
    """Turn an annotated class into a wrapper of parameter nodes."""
    return _decorate if classtype is None else _decorate(classtype)


def isParameterNodeWrapper(classOrObj) -> bool:
    """Return whether a class or object was made by ``parameterNodeWrapper``."""
    return getattr(classOrObj, "_is_parameter_node_wrapper", False)
