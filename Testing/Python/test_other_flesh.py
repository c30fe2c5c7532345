"""Bones in the soft tissue of another sample: what changes, and what must not."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from BoneXrayTrainingLib.pairs import TISSUES, Draw, Pair
from BoneXrayTrainingLib.sampling.augmentation import BONE, LEAN, AugmentationConfig
from BoneXrayTrainingLib.sampling.other_flesh import COVERED, EDGE, draw_other, in_flesh_of
from BoneXrayTrainingLib.sampling.segment_images import augment_segments

SIDE = 48
NAMES = ("femur left", "femur right")
UPRIGHT = AugmentationConfig(
    crop=SIDE, scale=(1.0, 1.0), rotation=0.0, display_share=0.0, contrast_share=0.0
)


def layers(seed: int) -> torch.Tensor:
    """Some optical density everywhere in each of the tissues and of two named bones."""
    rng = np.random.default_rng(seed)
    found = rng.uniform(0.2, 1.0, (len(TISSUES) + 2, SIDE, SIDE)).astype(np.float32)
    found[BONE:] *= 0.1
    return torch.from_numpy(found)


def sample(seed: int, view: str, orbit: float = 0.0) -> Pair:
    draw = Draw("a", view, (orbit, 0.0), "cone", 1000.0, 900.0, 1.0, SIDE, (0.5, 0.5, 0.5), ())
    return Pair(layers(seed).numpy().astype(np.float16), draw, 1.1, NAMES)


class Listed:
    """Gives the samples of a list in turn."""

    def __init__(self, *pairs: Pair) -> None:
        self.pairs = list(pairs)

    def draw(self, rng: np.random.Generator, images: int = 0) -> Pair:
        self.pairs.append(self.pairs.pop(0))
        return self.pairs[-1]


def test_a_patient_in_his_own_flesh_is_himself() -> None:
    every = layers(1)
    assert torch.allclose(in_flesh_of(every, every, np.random.default_rng(2)), every, atol=1e-6)


def test_in_other_flesh_bones_stay_and_soft_tissue_does_not() -> None:
    every = layers(1)
    found = in_flesh_of(every, layers(3), np.random.default_rng(2))
    assert torch.equal(found[BONE:], every[BONE:])
    for tissue in range(BONE):
        assert (found[tissue] - every[tissue]).abs().mean() > 0.02, TISSUES[tissue]
    assert (found >= 0).all()


def test_other_bones_count_as_flesh_of_less_density_and_own_bones_displace_theirs() -> None:
    every, theirs = torch.zeros(2, len(TISSUES), SIDE, SIDE)
    every[LEAN], theirs[LEAN] = 2.0, 2.0
    theirs[BONE, :, :10], every[BONE, :, -10:] = 0.5, 0.5
    found = in_flesh_of(every, theirs, np.random.default_rng(2))[LEAN]
    added, displaced = found[:, :10] - 2.0, 2.0 - found[:, -10:]
    assert added.min() > 0.0
    assert added.max() < 0.5
    assert torch.allclose(added, displaced.flip(-1), atol=1e-6)
    assert torch.allclose(found[:, 10:-10], torch.tensor(2.0))


def test_where_the_other_body_has_ended_own_flesh_stays() -> None:
    every, theirs = layers(1), layers(3)
    theirs[:, SIDE // 2 :] *= COVERED / 10
    found = in_flesh_of(every, theirs, np.random.default_rng(2))
    ended = SIDE // 2 + EDGE // 2
    assert torch.allclose(found[:, ended:], every[:, ended:], atol=1e-6)
    assert not torch.allclose(found[:, : SIDE // 2], every[:, : SIDE // 2], atol=0.01)


def test_samples_seen_from_elsewhere_give_no_flesh() -> None:
    rng, front = np.random.default_rng(1), sample(1, "AP")
    back, side, oblique = sample(2, "PA"), sample(3, "LAT-L"), sample(4, "AP", 40.0)
    assert draw_other(Listed(side, oblique, front), front, 1.0, rng, 0) is None
    assert draw_other(Listed(side, front, back), front, 1.0, rng, 0) is back
    assert draw_other(Listed(sample(5, "LAT-R", 10.0)), side, 1.0, rng, 0) is not None


def test_without_a_share_nothing_is_drawn_for_it() -> None:
    rng, again = np.random.default_rng(1), np.random.default_rng(1)
    assert draw_other(Listed(sample(2, "AP")), sample(1, "AP"), 0.0, rng, 0) is None
    assert rng.random() == again.random()


def test_masks_are_those_of_the_bones_in_any_flesh() -> None:
    pair, other = sample(1, "AP"), sample(2, "AP")
    bright = dataclasses.replace(other, layers=other.layers * np.float16(3.0))
    own, theirs = (
        augment_segments(pair, UPRIGHT, np.random.default_rng(7), flesh) for flesh in (None, bright)
    )
    assert own.masks.sum() > 0
    assert torch.equal(own.masks, theirs.masks)
    assert theirs.image.mean() > 1.1 * own.image.mean()
