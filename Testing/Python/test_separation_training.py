"""Learning to pull bones apart: layers, questions, loss, a short run and the model it gives."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from small_finger import NAMES, SOURCE, VIEWS, write_finger
from small_run import NETWORK, small_config

from BoneXrayLib.bone import Parts
from BoneXrayLib.layers import separate
from BoneXrayLib.models import verify_model
from BoneXrayLib.radiograph import radiograph_from_array
from BoneXrayTrainingLib.exporting.export import export
from BoneXrayTrainingLib.labelled import named_parts
from BoneXrayTrainingLib.learning.configuration import TrainConfig
from BoneXrayTrainingLib.learning.losses import LossConfig
from BoneXrayTrainingLib.learning.separation_loss import SeparationLoss, layers_of
from BoneXrayTrainingLib.learning.trainer import train
from BoneXrayTrainingLib.pairs import TISSUES, Pair, draw_pair, project_draw
from BoneXrayTrainingLib.sampling.augmentation import AugmentationConfig
from BoneXrayTrainingLib.sampling.bone_excess import SOFT_HU, excess_pair, excess_parts
from BoneXrayTrainingLib.sampling.dataset import PoolConfig
from BoneXrayTrainingLib.sampling.joint_places import JointPool, joint_places
from BoneXrayTrainingLib.sampling.mask_errors import ERROR_PX, erred
from BoneXrayTrainingLib.sampling.overlap_bins import OVERLAP_BINS, overlap_bin, pixels_at_256
from BoneXrayTrainingLib.sampling.overlap_questions import (
    EXCESS_OD,
    LayerConfig,
    draw_question,
    draw_target,
)
from BoneXrayTrainingLib.sampling.pool import make_batch
from BoneXrayTrainingLib.sampling.separation_images import augment_layers, collate_layers

PLAIN = AugmentationConfig(crop=96, scale=(0.9, 1.3), rotation=5.0, contrast_share=0.0)


@pytest.fixture(scope="module")
def finger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CT of two bones of a finger, and labels."""
    return write_finger(tmp_path_factory.mktemp("finger"))


@pytest.fixture(scope="module")
def pool(finger: Path) -> JointPool:
    parts = named_parts(SOURCE, finger, 1, NAMES)
    few = PoolConfig(capacity=6, first=6)
    return JointPool([(SOURCE, parts)], VIEWS, few, 3, layers=LayerConfig(field=(2.5, 3.5)))


@pytest.fixture(scope="module")
def parts(finger: Path) -> Parts:
    return named_parts(SOURCE, finger, 1, NAMES)


def test_bones_and_the_soft_tissue_in_their_place_make_up_the_patient(parts: Parts) -> None:
    draw = draw_pair(np.random.default_rng(1), "finger", parts, VIEWS, "AP")
    whole = project_draw(parts, draw)[0].sum(0)
    pair = excess_pair(excess_parts(parts), draw)
    assert pair.structures == NAMES
    # the grain that is less than soft tissue is made soft tissue, and float16 rounds
    assert np.allclose(pair.layers.astype(np.float32).sum(0), whole, atol=6e-3)


def test_a_bone_of_soft_tissue_adds_nothing(parts: Parts) -> None:
    hu = np.where(parts.part >= len(TISSUES), np.int16(SOFT_HU), parts.hu)
    soft = dataclasses.replace(parts, hu=hu)
    draw = draw_pair(np.random.default_rng(1), "finger", parts, VIEWS, "AP")
    pair = excess_pair(excess_parts(soft), draw)
    assert pair.structures == ()
    assert np.allclose(pair.layers.sum(0), project_draw(soft, draw)[0].sum(0), atol=3e-3)


def test_the_joint_lies_between_the_bones(parts: Parts) -> None:
    (joint,) = joint_places(parts)
    assert joint.names == NAMES
    matrix = parts.ijk_to_ras
    place = matrix[:3, :3] @ (np.array(joint.at) * parts.hu.shape[::-1]) + matrix[:3, 3]
    assert np.allclose(place, [22.5, 22.5, 45.5], atol=1.5)
    assert joint.width_mm == pytest.approx(16, abs=2.5)


def test_sizes_of_overlaps_are_drawn_evenly_over_the_bins() -> None:
    rng = np.random.default_rng(4)
    bins = np.bincount([overlap_bin(draw_target(rng)) for _ in range(2000)], minlength=4)
    assert len(bins) == len(OVERLAP_BINS)
    assert bins.min() > 430


def test_bones_are_moved_until_they_overlap_as_drawn(pool: JointPool) -> None:
    config = LayerConfig(several_share=0.0, shifted_share=0.0, push=0.25)
    rng = np.random.default_rng(8)
    off = []
    for number in range(16):
        pair = pool.sample(number % 6)
        question = draw_question(pair, 110.0, config, 0.0, rng, any_size=True)
        made = augment_layers(pair, dataclasses.replace(PLAIN, warp=0.0), config, rng)
        assert question is not None
        assert question.upright
        if made is not None and question.target < 2000:
            masks = [
                pair.layers[len(TISSUES) + n] > EXCESS_OD for n in (question.this, *question.others)
            ]
            both = _moved_overlap(masks, question.push)
            off.append(abs(np.log((both + 20) / (question.target * (110 / 256) ** 2 + 20))))
    assert np.median(off) < 0.4


def _moved_overlap(masks: list[np.ndarray], push: tuple) -> int:
    rolled = [np.roll(m, (by[1], by[0]), (0, 1)) for m, by in zip(masks, push, strict=True)]
    return int((rolled[0] & rolled[1]).sum())


def test_layers_and_the_rest_make_up_every_image(pool: JointPool) -> None:
    rng = np.random.default_rng(2)
    seen = set()
    for number in range(16):
        made = augment_layers(pool.sample(number % 6), PLAIN, LayerConfig(), rng)
        assert made is not None
        seen.add(made.domain)
        base = float(made.clean.min()) if made.domain == "display" else 0.0
        assert made.layers.min() >= 0
        assert (made.clean - base - made.layers.sum(0)).min() > -1e-3
        outside = made.masks.amax(0) == 0
        assert made.layers[:, outside].sum() < 0.1 * made.layers.sum()
    assert seen == {"display", "optical density"}


def test_without_masks_the_bone_above_is_this_one(pool: JointPool) -> None:
    rng = np.random.default_rng(6)
    rows = torch.arange(96.0)[:, None]
    free = 0
    for number in range(16):
        config = LayerConfig(masks_share=0.0, several_share=0.0, shifted_share=0.5)
        made = augment_layers(pool.sample(number % 6), PLAIN, config, rng)
        assert made is not None
        if not made.given.any():
            free += 1
            above, below = ((m * rows).sum() / m.sum() for m in made.masks)
            assert above < below
    assert free > 8


def test_a_drawn_mask_is_off_by_a_few_pixels_at_most() -> None:
    mask = torch.zeros(40, 40)
    mask[10:30, 12:25] = 1.0
    most = torch.zeros(40, 40)
    most[10 - 2 * ERROR_PX : 30 + 2 * ERROR_PX, 12 - 2 * ERROR_PX : 25 + 2 * ERROR_PX] = 1.0
    least = torch.zeros(40, 40)
    least[10 + 2 * ERROR_PX : 30 - 2 * ERROR_PX, 12 + 2 * ERROR_PX : 25 - 2 * ERROR_PX] = 1.0
    drawn = [erred(mask, 0.0, np.random.default_rng(n)) for n in range(40)]
    assert all((d <= most).all() and (d >= least).all() for d in drawn)
    assert len({d.numpy().tobytes() for d in drawn}) > 20
    assert torch.equal(erred(mask, 1.0, np.random.default_rng(0)), mask)


def _answers(target: torch.Tensor) -> torch.Tensor:
    """The network's answers that are exactly right."""
    both = target[:, :2].sum(1, keepdim=True)
    bones = both / target[:, 4:5].clamp(min=1e-6)
    this = target[:, :1] / both.clamp(min=1e-6)
    return torch.cat([bones, this, target[:, 2:4]], 1)


def test_the_loss_is_least_for_the_truth_and_most_of_it_is_overlap(pool: JointPool) -> None:
    rng = np.random.default_rng(3)
    config = LayerConfig(shifted_share=0.0, several_share=0.0)
    images = [augment_layers(pool.sample(n), PLAIN, config, rng) for n in range(4)]
    target = collate_layers([i for i in images if i is not None]).target
    loss, best = SeparationLoss(LossConfig(overlap=3.0)), _answers(target)
    assert torch.allclose(layers_of(best, target[:, 4:5]), target[:, :2], atol=1e-4)
    both = target[:, 2:4].prod(1)
    alone = target[:, 2:4].amax(1) - both
    found = []
    for where in (both, alone):
        wrong = best.clone()
        wrong[:, 0] *= 1 - 0.5 * where  # half of the bone there is lost
        found.append(float(loss(wrong, target)[0]))
    right = float(loss(best, target)[0])
    assert right < 0.01
    assert right < found[1] < found[0]


def a_run(folder: Path, run: Path, **fields: object) -> TrainConfig:
    """A few steps on the finger."""
    entries: dict = {
        "task": "separate",
        "structures": NAMES,
        "ct": (SOURCE,),
        "network": {**NETWORK, "in_channels": 5, "out_channels": 4},
        "pairs": dataclasses.replace(VIEWS, size=64),
        "data_root": str(folder),
        "layers": LayerConfig(field=(2.5, 3.5)),
    }
    return dataclasses.replace(small_config(folder / "ct.nrrd", run), **(entries | fields))


def test_a_run_gives_a_model_that_pulls_bones_apart(finger: Path, tmp_path: Path) -> None:
    hung = dataclasses.replace(small_config(finger, finger).augmentation, mirrored_share=0.0)
    config = a_run(finger, tmp_path / "run", augmentation=hung)
    train(config)
    folder = export(tmp_path / "run", tmp_path / "model")
    model = verify_model(folder)
    assert model.card.task == "separate"
    assert model.card.mirror == "none", "its answers are no bones of which a surer one could be"
    assert model.card.input["working_size"] == config.augmentation.crop
    image = np.random.default_rng(1).random((70, 60)).astype(np.float32)
    found = separate(radiograph_from_array(image, "optical density", None, "x"), model=model)
    assert np.allclose(found.soft + found.layers.sum(0), image, atol=1e-5)


def test_batches_hang_on_their_number_alone(finger: Path) -> None:
    made = []
    for _ in range(2):
        parts = named_parts(SOURCE, finger, 1, NAMES)
        again = JointPool([(SOURCE, parts)], VIEWS, PoolConfig(4, 4), 3, layers=LayerConfig())
        rng = np.random.default_rng([1, 7])
        made.append(make_batch(again, 2, PLAIN, rng, 0, LayerConfig()))
    assert torch.equal(made[0].channels, made[1].channels)
    assert torch.equal(made[0].target, made[1].target)


def test_a_wrong_configuration_is_refused_by_name(finger: Path, tmp_path: Path) -> None:
    for fields, text in (
        ({"structures": ()}, "structures"),
        ({"network": {**NETWORK, "in_channels": 3, "out_channels": 4}}, "in_channels"),
        ({"network": {**NETWORK, "in_channels": 5, "out_channels": 2}}, "out_channels: got 2"),
    ):
        with pytest.raises(ValueError, match=text):
            a_run(finger, tmp_path / "run", **fields)
    with pytest.raises(ValueError, match=r"layers\.masks_share"):
        LayerConfig(masks_share=1.5)


def test_bones_that_do_not_meet_are_no_joint(finger: Path) -> None:
    parts = named_parts(SOURCE, finger, 1, NAMES)
    alone = np.where(parts.part == len(TISSUES) + 1, np.uint8(0), parts.part)
    with pytest.raises(ValueError, match="no two of the structures meet"):
        JointPool([(SOURCE, dataclasses.replace(parts, part=alone))], VIEWS, PoolConfig(2, 2), 3,
                  layers=LayerConfig())  # fmt: skip


def test_a_sample_without_a_joint_allows_no_question(pool: JointPool) -> None:
    pair = pool.sample(0)
    layers = pair.layers.copy()
    layers[len(TISSUES)] = 0
    lone = Pair(layers, pair.draw, pair.magnification, pair.structures)
    assert draw_question(lone, 110.0, LayerConfig(), 0.0, np.random.default_rng(1)) is None
    assert pixels_at_256(10, (128, 256)) == 20
