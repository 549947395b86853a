"""Dialogs: no window opens; tests say beforehand what the user answers and read what he was told."""

from __future__ import annotations

import collections
import dataclasses

from PySide6 import QtWidgets

from .dialect.conversion import from_qt
from .dialect.enums import EnumValue
from .dialect.errors import python_errors
from .dialect.members import replaces

_Icon = QtWidgets.QMessageBox.Icon
_KINDS = {
    _Icon.Critical: "error",
    _Icon.Warning: "warning",
    _Icon.Question: "question",
    _Icon.Information: "information",
    _Icon.NoIcon: "message",
}


class UnansweredError(AssertionError):
    """A dialog was opened that the test has no answer for; in Slicer it would wait for the user."""


@dataclasses.dataclass(frozen=True)
class Message:
    """What a message box said."""

    kind: str
    title: str
    text: str
    details: str = ""


class Answers:
    """The user's answers, in the order in which they are asked for."""

    def __init__(self):
        self._files: collections.deque = collections.deque()
        self._boxes: collections.deque = collections.deque()
        self._dialogs: collections.deque = collections.deque()
        self.messages: list[Message] = []
        self.asked: list[tuple[str, str, str]] = []

    def file(self, path) -> None:
        """Choose this file or folder in the next file dialog; "" presses Cancel."""
        self._files.append(str(path))

    def box(self, button: str) -> None:
        """Press this button ("Ok", "Cancel", "Yes", "No" ...) in the next box that has several."""
        self._boxes.append(button)

    def dialog(self, action) -> None:
        """Let ``action(dialog)`` use the module's next own dialog; it returns whether to accept it."""
        self._dialogs.append(action)

    @property
    def left(self) -> int:
        """How many answers have not been asked for."""
        return len(self._files) + len(self._boxes) + len(self._dialogs)

    def clear(self) -> None:
        """Forget answers and messages."""
        for queue in (self._files, self._boxes, self._dialogs, self.messages, self.asked):
            queue.clear()

    def _take(self, queue, what: str):
        if not queue:
            error = UnansweredError(f"{what}: no answer was given beforehand (app.answers)")
            python_errors.append(error)
            raise error
        return queue.popleft()

    def take_file(self, what: str) -> str:
        """Return the next chosen path."""
        return self._take(self._files, what)

    def take_dialog(self, what: str):
        """Return the next dialog action."""
        return self._take(self._dialogs, what)

    def take_button(self, message: Message, buttons) -> QtWidgets.QMessageBox.StandardButton:
        """Keep a message and return the button pressed under it."""
        self.messages.append(message)
        choices = [button for button in QtWidgets.QMessageBox.StandardButton if button.value and button & buttons]
        plain = [button for button in dict.fromkeys(choices) if bin(button.value).count("1") == 1]
        if len(plain) <= 1:
            return plain[0] if plain else QtWidgets.QMessageBox.StandardButton.Ok
        wanted = self._take(self._boxes, f"message box {message.text!r}")
        button = getattr(QtWidgets.QMessageBox.StandardButton, wanted)
        if button not in plain:
            raise UnansweredError(f"the box {message.text!r} has no button {wanted}; it has {plain}")
        return button


answers = Answers()


@replaces("QMessageBox", "exec_", "exec")
def _message_box(wrapper):
    box = wrapper._living()
    message = Message(_KINDS[box.icon()], box.windowTitle().strip(), box.text(), box.detailedText())
    if box.informativeText():
        message = dataclasses.replace(message, text=f"{message.text}\n{box.informativeText()}")
    return int(from_qt(answers.take_button(message, box.standardButtons())))


@replaces("QDialog", "exec_", "exec")
def _dialog(wrapper):
    dialog = wrapper._living()
    action = answers.take_dialog(f"dialog {type(wrapper).__name__} {dialog.windowTitle()!r}")
    dialog.setModal(True)
    dialog.show()
    accepted = action(wrapper)
    result = QtWidgets.QDialog.DialogCode.Accepted if accepted else QtWidgets.QDialog.DialogCode.Rejected
    dialog.done(result.value)
    return result.value


def _static_box(kind: str):
    def show(parent, title, text, buttons=None, default=None):
        pressed = QtWidgets.QMessageBox.StandardButton
        wanted = buttons._member if isinstance(buttons, EnumValue) else None
        if wanted is None:
            wanted = pressed.Yes | pressed.No if kind == "question" else pressed.Ok
        return from_qt(answers.take_button(Message(kind, title, text), wanted))

    return show


for _function, _kind in (
    ("critical", "error"),
    ("warning", "warning"),
    ("information", "information"),
    ("question", "question"),
):
    replaces("QMessageBox", _function, static=True)(_static_box(_kind))


def _file_dialog(function: str):
    def choose(parent=None, caption="", directory="", name_filter="", *_):
        texts = (caption, str(directory), name_filter)
        if not all(isinstance(text, str) for text in texts):
            raise ValueError(f"QFileDialog.{function}() takes texts, not {texts!r}")
        answers.asked.append((function, caption, name_filter))
        chosen = answers.take_file(f"QFileDialog.{function}({caption!r})")
        return (chosen,) if function == "getOpenFileNames" and chosen else chosen

    return choose


for _function in ("getOpenFileName", "getSaveFileName", "getExistingDirectory", "getOpenFileNames"):
    replaces("QFileDialog", _function, static=True)(_file_dialog(_function))
