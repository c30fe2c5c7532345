"""Slicer's own Python files in place of the stand-in's, for a cross-check (see README.md)."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import slicer

from . import NotCovered


def install(folder: Path) -> None:
    """Slicer's own module classes and parameter nodes, from `Base/Python/slicer` of a checkout.

    A cross-check of the stand-in: the same tests must pass on the originals.
    """
    slicer.__path__.append(str(folder))
    # The originals name widgets we do not cover, to tell them apart: names are enough for that.
    for module in (sys.modules["qt"], sys.modules["ctk"], slicer):
        module.__getattr__ = _name_only
    for name in ("ScriptedLoadableModule", "parameterNodeWrapper"):
        setattr(slicer, name, importlib.import_module(f"slicer.{name}"))


def _name_only(name: str) -> type:
    """A class that nothing is an instance of."""
    if name.startswith("_") or not name.startswith(("q", "Q", "ctk")):
        raise NotCovered(name)

    def refuse(self: Any, *_: Any) -> None:
        raise NotCovered(name)

    return type(name, (), {"__init__": refuse})
