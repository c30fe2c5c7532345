"""What the card of a separator says."""

from __future__ import annotations

from typing import Any

from BoneXrayLib.cards.model_card import SEPARATE_OUTPUTS

from ..learning.configuration import TrainConfig

COLOURS = {"bones": [241, 214, 145], "this": [230, 75, 60], "mask this": [250, 150, 60],
           "mask others": [80, 180, 240]}  # fmt: skip


def separates(config: TrainConfig, trained: str, real: str) -> dict[str, Any]:
    """The texts of a card, for `BoneXrayLib.layers` and for people.

    The network is asked about one bone. Channels 4 and 5 are its mask and that of the others, both
    0 where none are given: the joint then stands upright and the bone above is meant. Outputs, each
    0 to 1: `bones`, the share of the image's level that this bone and the others add over soft
    tissue; `this`, the part of that which is this bone's; the masks of both as the network takes
    them to be. It is shown squares that a joint fills, at `working_size`: the side of a training
    image. Of others, only those bones count that are in their mask, or that make up the joint.
    """
    return {
        "description": (
            "Pulls overlapping bones apart: how much of each pixel of a radiograph one bone adds, "
            "how much others, with their masks or, of a joint that stands upright, without."
        ),
        "outputs": [{"name": name, "colour": COLOURS[name]} for name in SEPARATE_OUTPUTS],
        "bone": (
            f"solids of {len(config.structures)} named bones, each as what it adds over soft "
            "tissue in its place; in display images what all add, shared as their optical density"
        ),
        "intended_use": (
            "Research on radiographs of joints: looking at one bone without others that lie over "
            "it. Not a medical device."
        ),
        "limits": (
            f"{trained} {real} What a pixel of an overlap holds of each bone is inferred from what "
            "is around it and from how bones look: detail may be given to the wrong one. Children, "
            "fractures and implants were not among the bones."
        ),
    }
