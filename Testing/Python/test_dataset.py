"""CTs as they are trained on, and how images reach the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from BoneXrayLib.bone import Parts
from BoneXrayLib.extraction import image_scale, input_channels
from BoneXrayLib.volume_files import write_image_file
from BoneXrayTrainingLib.sampling.augmentation import TrainingImage
from BoneXrayTrainingLib.sampling.dataset import CtSource, collate, load_source

LIMB = CtSource(path="limb.nrrd", patient="limb", licence="MIT")


@pytest.fixture(scope="module")
def sources(limb_file: Path) -> list[tuple[CtSource, Parts]]:
    return [(LIMB, load_source(LIMB, limb_file.parent, 1))]


def test_a_crop_keeps_the_voxels_where_they_were(limb_file: Path, sources: list) -> None:
    half = CtSource("limb.nrrd", "limb", "MIT", crop={"k": (0.5, 1.0), "i": (0.0, 0.5)})
    cut, whole = load_source(half, limb_file.parent, 1), sources[0][1]
    k = round(0.5 * whole.hu.shape[0])
    assert np.array_equal(cut.hu, whole.hu[k:, :, : cut.hu.shape[2]])
    assert cut.hu.shape[2] == round(0.5 * whole.hu.shape[2])
    assert cut.ijk_to_ras @ [0, 0, 0, 1] == pytest.approx(whole.ijk_to_ras @ [0, 0, k, 1])


def test_a_label_map_becomes_a_ct_with_its_bones(tmp_path: Path) -> None:
    labels = np.zeros((20, 24, 24), np.uint8)
    labels[4:16, 6:18, 6:18] = 2
    labels[4:16, 10:14, 10:14] = 1
    write_image_file(tmp_path / "labels.nrrd", labels, np.diag([3.0, 3.0, 3.0, 1.0]))
    source = CtSource("labels.nrrd", "made up", "MIT", bones=(1,))
    parts = load_source(source, tmp_path, 1)
    bone = parts.part == parts.names.index("bone")
    assert bone.sum() == pytest.approx((labels == 1).sum(), rel=0.15)
    again = load_source(source, tmp_path, 1)
    assert np.array_equal(parts.hu, again.hu)


def test_a_batch_reaches_the_network_exactly_as_extraction_does(rng: np.random.Generator) -> None:
    pixels = rng.random((32, 32), dtype=np.float32) * 3 + 1
    images = [
        TrainingImage(torch.from_numpy(pixels), torch.from_numpy(pixels / 4), domain, pixel_mm)
        for domain, pixel_mm in (("optical density", 0.7), ("display", None))
    ]
    batch = collate(images)
    for n, image in enumerate(images):
        scale = image_scale(pixels, image.domain)
        wanted = input_channels(pixels, scale, image.domain, image.pixel_mm)
        assert np.array_equal(batch.channels[n].numpy(), wanted)
        bone = batch.target[n, 0].numpy() * scale.span
        assert bone == pytest.approx(pixels / 4, rel=1e-5)
    assert batch.level.min() >= 0


def test_the_weight_brings_the_brightest_bone_to_one_but_does_not_blow_up_none() -> None:
    image = torch.linspace(0, 2, 48 * 48).reshape(48, 48)
    with_bone = TrainingImage(image, image / 2, "optical density", None)
    without = TrainingImage(image, torch.zeros(48, 48), "optical density", None)
    batch = collate([with_bone, without])
    assert torch.quantile(batch.target[0] * batch.weight[0], 0.995) == pytest.approx(1.0, abs=1e-3)
    assert float(batch.weight[1]) == pytest.approx(1 / 0.08)
