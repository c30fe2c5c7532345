"""Whether a network fits its task: what it is shown, and what it is to answer."""

from __future__ import annotations

from collections.abc import Sequence

from BoneXrayLib.cards.model_card import SEPARATE_MASKS, SEPARATE_OUTPUTS
from BoneXrayLib.legs.leg_channels import OUTPUTS

from ..sampling.augmentation import AugmentationConfig


def check_channels(
    task: str, structures: Sequence[str], network: dict, augmentation: AugmentationConfig
) -> None:
    """Refuse a network or augmentation that is not one for a task.

    Args:
        task: of `TrainConfig`.
        structures: names of the bones.
        network: as `build_network` takes it.
        augmentation: of the samples.

    Raises:
        ValueError: in one line.
    """
    _check_mirroring(task, augmentation)
    count, what = _answers(task, structures, augmentation.reversed_share > 0)
    if network.get("out_channels") != count:
        raise ValueError(
            f"network.out_channels: got {network.get('out_channels')!r}; expected {count}, {what}"
        )
    if task == "separate" and network.get("in_channels") != 3 + SEPARATE_MASKS:
        raise ValueError(
            f"network.in_channels: got {network.get('in_channels')!r}; expected "
            f"{3 + SEPARATE_MASKS}, the image's three and {SEPARATE_MASKS} masks"
        )


def _answers(task: str, structures: Sequence[str], is_told: bool) -> tuple[int, str]:
    """How many outputs, and what they are."""
    if task == "separate":
        return len(SEPARATE_OUTPUTS), ", ".join(SEPARATE_OUTPUTS)
    if task == "features":
        return len(OUTPUTS), "one for each feature"
    more = " and one for reversed_share" if is_told else ""
    return max(1, len(structures)) + is_told, f"one for each structure{more}"


def _check_mirroring(task: str, augmentation: AugmentationConfig) -> None:
    """Which tasks have images the wrong way round; a landmark stays where geometry puts it."""
    share = augmentation.reversed_share
    if share > 0 and (augmentation.mirrored_share > 0 or task not in ("segment", "features")):
        raise ValueError(
            f"augmentation.reversed_share: got {share:g}; expected 0, or task 'segment' or "
            "'features' and mirrored_share = 0"
        )
    if task != "features":
        return
    if share == 0:
        raise ValueError(
            "augmentation.reversed_share: got 0; expected above 0 for task 'features', whose "
            "network knows right legs and tells which way round an image is"
        )
    if augmentation.warp:
        raise ValueError(
            f"augmentation.warp: got {augmentation.warp:g}; expected 0 for task 'features', whose "
            "landmarks stay where the geometry puts them"
        )
