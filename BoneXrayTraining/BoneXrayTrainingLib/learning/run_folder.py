"""The folder of a run: its configuration, its log, and the file that stops it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from BoneXrayLib.files import one_line
from BoneXrayLib.progress import IsCancelled, Progress

from ..mappings import says_the_same
from .beginnings import RECORD
from .checkpoints import checkpoints, latest_checkpoint, read_state
from .configuration import TrainConfig

if TYPE_CHECKING:
    from ..bls_gan.config import BlsGanConfig

STOP_FILE = "stop"
"""A file of this name in the run's folder ends the run after the step at hand."""
CONFIG_FILE = "config.json"
LOG_FILE = "log.jsonl"
LASTING = ("task", "structures", "network", "optimiser", "validation", "ct", "legs")
"""Entries of a configuration that a run keeps for good."""
TOLD = ("loss", "eta_s", "validation_psnr", "validation_dice", "validation_overlap_mse")


def check_run(config: TrainConfig, resume: bool) -> Path:
    """The run's folder, nothing in it touched yet.

    A run that was killed before its first checkpoint is resumed from its beginning.

    Raises:
        ValueError: the run exists already and `resume` is not asked for, or the other way round.
        FileNotFoundError: a CT is missing.
    """
    run = Path(config.run)
    before = begun(run, resume)
    if before is not None:
        if before.get("dataset_sha256", "") != config.dataset_sha256:
            raise ValueError(
                f"dataset: got {config.dataset or 'none'}; expected the samples that the run to "
                f"be resumed began with, of {before.get('dataset') or 'its CTs'}"
            )
        _refuse_another(before, config)
        last = last_checkpoint_or_none(run)
        made = 0 if last is None else read_state(last).step
        if made > config.steps:
            raise ValueError(f"steps: got {config.steps}; expected at least the {made} of the run")
    for source in () if config.dataset else config.ct:
        path = Path(config.data_root) / source.path
        if not path.exists():
            raise FileNotFoundError(f"data_root: {path} not found; expected a CT there")
    return run


def _refuse_another(before: dict[str, Any], config: TrainConfig) -> None:
    """Refuse to go on with another network, task or patients: a card would tell of these alone.

    With another optimiser neither: what one keeps of each weight is nothing to the other.

    Raises:
        ValueError: names the first entry that differs.
    """
    now = json.loads(json.dumps(dataclasses.asdict(config)))
    before = {"optimiser": "adamw"} | before  # once there was no other
    for name in LASTING:
        if name in before and not says_the_same(before[name], now[name]):
            raise ValueError(
                f"{name}: got {one_line(now[name], 80)}; expected that of the run to be resumed, "
                f"{one_line(before[name], 80)}"
            )


def begun(run: Path, resume: bool) -> dict[str, Any] | None:
    """The configuration of the run that is to be resumed; None for a new one.

    Raises:
        ValueError: the run exists already and `resume` is not asked for, or the other way round.
    """
    exists = (run / CONFIG_FILE).is_file()
    if exists and not resume:
        raise ValueError(f"run: {run} exists already; resume it or choose another folder")
    if not resume:
        return None
    if not exists:
        latest_checkpoint(run)
    return json.loads((run / CONFIG_FILE).read_text())


def prepare_run(run: Path, config: TrainConfig | BlsGanConfig) -> None:
    """Make the folder, with the configuration in it."""
    run.mkdir(parents=True, exist_ok=True)
    (run / STOP_FILE).unlink(missing_ok=True)
    write_whole(run / CONFIG_FILE, json.dumps(dataclasses.asdict(config), indent=2) + "\n")


def forget_run(run: Path) -> None:
    """Undo `prepare_run` for a run that could not begin."""
    for name in (CONFIG_FILE, RECORD, STOP_FILE, LOG_FILE):
        (run / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # the user's own files were there before
        run.rmdir()


def is_to_stop(run: Path, is_cancelled: IsCancelled | None) -> bool:
    """Whether somebody wishes the run to end."""
    return (run / STOP_FILE).exists() or (is_cancelled is not None and is_cancelled())


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a kill leaves the old one or the new one."""
    stage = path.with_name(f".{path.name}")
    stage.write_text(text, encoding="utf-8")
    stage.replace(path)


def last_checkpoint_or_none(run: Path) -> Path | None:
    """The newest checkpoint, where the run got so far."""
    found = checkpoints(run)
    return found[-1] if found else None


class RunLog:
    """`log.jsonl`, a JSON object a line, and TensorBoard's events where it is installed.

    What a killed run logged after its last checkpoint is dropped: those steps come again.
    """

    def __init__(self, run: Path, step: int, progress: Progress | None = None) -> None:
        self._path, self._progress = run / LOG_FILE, progress
        self._board = _board(run, step)
        if self._path.is_file():
            write_whole(self._path, "".join(f"{line}\n" for line in _before(self._path, step)))
        if self._board is None and step == 0:
            note = "tensorboard is not installed: the figures are in this file only"
            self._append({"step": 0, "note": note})

    def write(self, record: dict[str, Any]) -> None:
        """Keep a record with "step" and "of", and tell its figures."""
        self._append(record)
        if self._board is not None:
            for name, value in record.items():
                if name not in ("step", "of") and isinstance(value, int | float):
                    self._board.add_scalar(name, value, record["step"])
            self._board.flush()
        if self._progress is not None:
            figures = ", ".join(f"{k} {v:.4g}" for k, v in record.items() if k in TOLD)
            self._progress(record["step"] / record["of"], f"step {record['step']}: {figures}")

    def close(self) -> None:
        """Let go of TensorBoard's file."""
        if self._board is not None:
            self._board.close()

    def _append(self, record: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(_finite(record)) + "\n")


def _finite(record: dict[str, Any]) -> dict[str, Any]:
    """JSON knows no infinity and no NaN."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in record.items()
    }


def _before(path: Path, step: int) -> list[str]:
    """The whole lines up to a step; a kill may have left half of one."""
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, TypeError, KeyError):
            continue
    return kept


def _board(run: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(run / "tensorboard"), purge_step=step + 1)
