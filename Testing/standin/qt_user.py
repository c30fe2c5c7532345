"""What Qt asks of the user and keeps for them: file questions and settings, in memory."""

from __future__ import annotations

from typing import Any, ClassVar

from PySide6 import QtCore


class QFileDialog:
    """Answers file questions from a list the test filled; PythonQt returns the bare path."""

    answers: ClassVar[list[str]] = []

    @staticmethod
    def getOpenFileName(parent: Any, caption: str, folder: str, types: str) -> str:
        """Next prepared answer; asking without one is an error of the test."""
        return QFileDialog.answers.pop(0)

    @staticmethod
    def getExistingDirectory(parent: Any, caption: str, folder: str) -> str:
        """Next prepared answer; asking without one is an error of the test."""
        return QFileDialog.answers.pop(0)


class QSettings(QtCore.QSettings):
    """User settings in memory for this process."""

    _values: ClassVar[dict[str, Any]] = {}

    def __init__(self, *_: Any) -> None:
        super().__init__()

    def value(self, key: str, default: Any = None) -> Any:
        return self._values.get(key, default)

    def setValue(self, key: str, value: Any) -> None:
        self._values[key] = value

    def contains(self, key: str) -> bool:
        return key in self._values
