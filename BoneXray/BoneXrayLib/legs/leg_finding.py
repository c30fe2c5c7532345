"""The features of one or two radiographs of a leg, by the network that the choices name."""

from __future__ import annotations

from collections.abc import Sequence

from ..geometry_config import VIEWS
from ..models import find_model
from ..progress import IsCancelled, Progress
from ..radiograph import Radiograph
from .leg_config import LegConfig
from .leg_detection import DetectConfig, LegDetection, detect


def find_features(
    radiographs: Sequence[Radiograph],
    config: LegConfig | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> list[LegDetection]:
    """Find the bones of a leg in each radiograph; a frontal one tells the side of both.

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
    found: dict[int, LegDetection] = {}

    def look(number: int, side: str, share: float) -> None:
        asked = DetectConfig(side=side, view=_seen(config, number))
        tell = None if progress is None else lambda f, m: progress(share + f / len(radiographs), m)
        found[number] = detect(
            radiographs[number], asked, model, progress=tell, is_cancelled=is_cancelled
        )

    # Only a frontal image tells right from left.
    order = sorted(range(len(radiographs)), key=lambda number: _seen(config, number) != "AP")
    for turn, number in enumerate(order):
        first = found.get(order[0])
        tells = first is not None and first.view != "LAT" and config.side == "auto"
        look(number, first.side if tells else config.side, turn / len(radiographs))
    last, first = found[order[-1]], found[order[0]]
    if config.side == "auto" and last.side != first.side:
        look(order[0], last.side, 0.5)
    return [found[number] for number in range(len(radiographs))]


def _seen(config: LegConfig, number: int) -> str:
    """A view as the network tells views apart; every image has one, or none has."""
    if not config.view or not config.view[number]:
        return "auto"
    return "AP" if abs(VIEWS[config.view[number]].orbital) in (0.0, 180.0) else "LAT"
