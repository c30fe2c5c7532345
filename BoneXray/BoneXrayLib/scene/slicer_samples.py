"""The project's sample data as nodes, for Slicer's Sample Data module and for tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import slicer.util
from slicer.i18n import tr as _

from ..samples import SAMPLES, fetch_sample
from ..volume import Volume
from .slicer_messages import errors_shown
from .slicer_nodes import node_from_radiograph
from .slicer_packages import ensure_packages


def offered_samples() -> dict[str, str]:
    """Name -> title of the samples that load as one node."""
    titles = {"limb": "Limb CT (synthetic)", "chest-ct": "Chest CT", "chest-cr": "Chest radiograph",
              "leg-cr": "Lower leg radiograph"}  # fmt: skip
    return {name: title for name, title in titles.items() if name in SAMPLES}


def register_samples() -> None:
    """Put the samples into Slicer's Sample Data module, a button each."""
    from SampleData import SampleDataLogic

    for name, title in offered_samples().items():
        SampleDataLogic.registerCustomSampleDataSource(
            category="BoneXray",
            sampleName=title,
            uris="",  # Slicer asks for as many of these as there are files
            customDownloader=lambda source, name=name: show_sample(name),
        )


def show_sample(name: str) -> Any:
    """Load a sample when its button is pressed; what goes wrong is shown in a message."""
    with errors_shown(_("The sample could not be loaded.")):
        ensure_packages()
        return load_sample(name)


def load_sample(name: str) -> Any:
    """The sample as a volume node; fetched first where it is not on this computer yet.

    Raises:
        ValueError: no such sample.
        ConnectionError: it could not be fetched.
    """
    if name == "limb":
        from ..phantoms import synthetic_limb

        return node_from_volume(synthetic_limb())
    path = fetch_sample(name)
    if name.endswith("-ct"):
        from ..volume import read_volume

        return node_from_volume(read_volume(path))
    from ..radiograph import read_radiograph

    return node_from_radiograph(read_radiograph(path))


def node_from_volume(volume: Volume) -> Any:
    """A scalar volume node of a CT, shown with a bone window."""
    node = slicer.util.addVolumeFromArray(
        np.ascontiguousarray(volume.hu), ijkToRAS=volume.ijk_to_ras, name=volume.name
    )
    display = node.GetDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(1500, 350)
    return node
