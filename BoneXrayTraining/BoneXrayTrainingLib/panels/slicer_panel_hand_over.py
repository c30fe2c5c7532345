"""The training panel's hand-over: what was chosen becomes a configuration that a child reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from BoneXrayLib.scene.slicer_jobs import Job
from BoneXrayLib.scene.slicer_messages import show_error
from BoneXrayLib.scene.slicer_nodes import labels_from_node, volume_from_node
from BoneXrayLib.volume_files import write_image_file

from ..choices import plain_name, write_choice
from ..label_choices import LabelledChoice, LabelledCt, write_labelled_choice
from ..segments_file import write_segments

Found = Callable[[Path, str], None]


@dataclass(frozen=True)
class Chosen:
    """CTs that were chosen, those to train on and the one kept out."""

    config: Path
    root: str
    """Folder of the CTs; empty for those of the scene."""
    names: Sequence[str]
    """Paths below the root, or the nodes' names."""
    kept_out: int
    """Place among the names; -1 for none."""
    licence: str
    numbers: Sequence[int] = ()
    """Of the CTs in the panel's list: part of the names of files."""
    nodes: Sequence[Any] = ()
    segmentations: Sequence[Any] = ()
    labelled: Sequence[LabelledCt] = ()
    """To learn named bones: as many."""
    structures: Sequence[str] = ()
    network: dict[str, Any] | None = None


class HandOver:
    """Writes the configuration, after the CTs of the scene where they are chosen."""

    def __init__(self, tell: Callable[[float, str], None]) -> None:
        self._tell = tell
        self._job: Job | None = None

    @property
    def is_writing(self) -> bool:
        """Whether CTs of the scene are being written."""
        return self._job is not None

    def start(self, run: Path, chosen: Chosen, ready: Found, failed: Callable[[], None]) -> None:
        """Call `ready(config, "")` once all is where a child can read it.

        Raises:
            ValueError: the choice cannot be trained on.
        """
        if not chosen.nodes:
            ready(write_configuration(run, chosen), "")
            return
        root = run / "ct"
        files, chosen = _named_files(chosen, root)

        def write(progress: Any, is_cancelled: Callable[[], bool]) -> None:
            root.mkdir(parents=True, exist_ok=True)
            for n, (name, save) in enumerate(files):
                progress(n / len(files), _("writing {name}").format(name=name))
                if not is_cancelled():
                    save()

        def written(_result: Any) -> None:
            self._job = None
            try:
                config = write_configuration(run, chosen)
            except (ValueError, OSError) as error:
                broken(error)
                return
            ready(config, "")

        def broken(error: Exception | None = None) -> None:
            self._job = None
            if error is not None:
                show_error(_("The CTs could not be written."), error)
            failed()

        self._job = Job(write, written, broken, self._tell, broken).start()

    def stop(self) -> None:
        """End what goes on; nothing of it will arrive."""
        if self._job is not None:
            self._job.abandon()
            self._job = None


def _named_files(chosen: Chosen, root: Path) -> tuple[list[tuple[str, Callable[[], None]]], Chosen]:
    """What is to be written, by name, from arrays only; and the choice of those files."""
    files: list[tuple[str, Callable[[], None]]] = []
    names, labelled = [], []
    for place, (number, node) in enumerate(zip(chosen.numbers, chosen.nodes, strict=True)):
        stem = f"{number + 1}-{plain_name(chosen.names[place])}"
        names.append(f"{stem}.nrrd")
        volume = volume_from_node(node)
        matrix, path = volume.ijk_to_ras, root / names[-1]
        files.append((path.name, partial(write_image_file, path, volume.hu, matrix)))
        if chosen.labelled:
            labels, segments = labels_from_node(chosen.segmentations[place], node)
            path = root / f"{stem}.seg.nrrd"
            files.append((path.name, partial(write_segments, path, labels, matrix, segments)))
            ct = dataclasses.replace(chosen.labelled[place], path=names[-1], labels=path.name)
            labelled.append(ct)
    return files, dataclasses.replace(chosen, root=str(root), names=names, labelled=labelled)


def write_configuration(run: Path, chosen: Chosen) -> Path:
    """Write the configuration of the run into its folder; gives the file."""
    kept = chosen.names[chosen.kept_out] if chosen.kept_out >= 0 else ""
    if not chosen.labelled:
        return write_choice(
            run, chosen.config, chosen.root, list(chosen.names), kept, chosen.licence
        )
    choice = LabelledChoice(
        chosen.root, chosen.labelled, chosen.structures, kept, chosen.licence, chosen.network
    )
    return write_labelled_choice(run, choice, chosen.config)
