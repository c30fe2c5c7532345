"""`slicer.i18n`, `slicer.packaging` and `SampleData`, as far as the modules use them."""

from __future__ import annotations

import importlib.metadata
import sys
import types
from pathlib import Path
from typing import Any

import slicer
from packaging.requirements import Requirement

from . import NotCovered

ensured: list[tuple[list[str], str]] = []
"""What `pip_ensure` was asked for; nothing is installed."""
samples: list[dict[str, Any]] = []
"""Registered sample data."""


def load_requirements(path: str | Path) -> list[Requirement]:
    """The requirement lines of a file."""
    lines = [line.strip() for line in Path(path).read_text().splitlines()]
    return [Requirement(line) for line in lines if line and line[0] not in "#-"]


def pip_check(requirements: list[Requirement]) -> bool:
    """Whether all are installed in an accepted version."""
    for requirement in requirements:
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            return False
        if version not in requirement.specifier:
            return False
    return True


def pip_ensure(
    requirements: list[str],
    constraints: str | Path | None = None,
    requester: str | None = None,
) -> None:
    """Recorded with the constraints; RuntimeError as if the user had declined."""
    pins = "" if constraints is None else Path(constraints).read_text()
    ensured.append(([str(requirement) for requirement in requirements], pins))
    if not pip_check([Requirement(str(requirement)) for requirement in requirements]):
        raise RuntimeError(f"User declined to install packages required by {requester}")


class SampleDataLogic:
    """Keeps what is registered."""

    @staticmethod
    def registerCustomSampleDataCategory(category: str, title: str | None = None) -> None:
        """Seen in 5.13; 5.10 has only the next function."""

    @staticmethod
    def registerCustomSampleDataSource(
        category: str = "Custom",
        sampleName: str | None = None,
        uris: Any = None,
        fileNames: Any = None,
        nodeNames: Any = None,
        customDownloader: Any = None,
        thumbnailFileName: str | None = None,
    ) -> None:
        """Keep the source; the button calls customDownloader(source)."""
        if not isinstance(uris, str):
            raise TypeError("object of type 'NoneType' has no len()")  # as in Slicer
        samples.append(
            dict(
                category=category,
                sampleName=sampleName,
                customDownloader=customDownloader,
                thumbnail=thumbnailFileName,
            )
        )


def _module(name: str, **members: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    vars(module).update(members)

    def unknown(member: str) -> Any:
        raise NotCovered(f"{name}.{member}")

    module.__getattr__ = unknown
    sys.modules[name] = module
    return module


def install() -> None:
    """Make the imports work."""
    slicer.i18n = _module("slicer.i18n", tr=lambda text: text, translate=lambda context, text: text)
    slicer.packaging = _module(
        "slicer.packaging",
        load_requirements=load_requirements,
        pip_check=pip_check,
        pip_ensure=pip_ensure,
    )
    _module("SampleData", SampleDataLogic=SampleDataLogic)
