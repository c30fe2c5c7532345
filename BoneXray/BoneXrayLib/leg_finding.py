"""The features of one or two radiographs of a leg, by the network that the choices name."""

from __future__ import annotations

from collections.abc import Sequence

from .geometry_config import VIEWS
from .leg_config import LegConfig
from .leg_detection import DetectConfig, LegDetection, detect
from .models import find_model
from .progress import IsCancelled, Progress, part_of
from .radiograph import Radiograph


def find_features(
    radiographs: Sequence[Radiograph],
    config: LegConfig | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> list[LegDetection]:
    """Find the bones of a leg in each radiograph; the second shows the side of the first.

    Args:
        radiographs: of the same leg.
        config: model, side, and the view of each where that is known.
        progress: told fraction and message.
        is_cancelled: asked before and during each run of the network.

    Raises:
        ValueError: no such model.
        Cancelled: `is_cancelled()` became true.
    """
    config = config or LegConfig()
    model = find_model(config.finder, "features")
    found: list[LegDetection] = []
    for number, radiograph in enumerate(radiographs):
        side = found[0].side if found and config.side == "auto" else config.side
        asked = DetectConfig(side=side, view=_seen(config, number))
        tell = part_of(progress, number, len(radiographs))
        found.append(detect(radiograph, asked, model, progress=tell, is_cancelled=is_cancelled))
    return found


def _seen(config: LegConfig, number: int) -> str:
    """A view as the network tells views apart; every image has one, or none has."""
    if not config.view or not config.view[number]:
        return "auto"
    return "AP" if abs(VIEWS[config.view[number]].orbital) in (0.0, 180.0) else "LAT"
