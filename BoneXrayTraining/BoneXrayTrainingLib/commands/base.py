"""What all commands share: the field for programs, and the forms of folder arguments."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, arg

from ..console import Reporter

Output = Annotated[Path, arg(aliases=("-o",), metavar="DIR")]
OptionalOutput = Annotated[Path | None, arg(aliases=("-o",), metavar="DIR")]
OptionalFolder = Annotated[Path | None, arg(metavar="DIR")]
Flag = FlagCreatePairsOff[bool]


@dataclass
class Command:
    """What all commands share."""

    json_progress: Annotated[Flag, arg(name="json-progress")] = field(default=False, kw_only=True)
    """Print progress and the result as JSON, one object a line: for programs that call this one."""

    @abstractmethod
    def run(self, report: Reporter) -> None:
        """Do the work; bad input is a ValueError of one line."""
