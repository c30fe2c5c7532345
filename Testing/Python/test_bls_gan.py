"""BLS-GAN's recipe: its physics holds, each network is told what it should be, a run goes on."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from small_finger import NAMES, SOURCE, VIEWS, write_finger

from BoneXrayLib.label_maps import read_labels
from BoneXrayLib.layers import separate
from BoneXrayLib.models import verify_model
from BoneXrayLib.radiograph import radiograph_from_array
from BoneXrayLib.separating.layer_alone import alone_images, density_scale
from BoneXrayLib.volume_files import write_image_file
from BoneXrayTrainingLib.__main__ import main
from BoneXrayTrainingLib.bls_gan.batches import collate_joints, make_joint_batch
from BoneXrayTrainingLib.bls_gan.config import (
    BlsGanConfig,
    JointFolder,
    StageConfig,
    read_bls_gan,
    stage_of,
)
from BoneXrayTrainingLib.bls_gan.export import export_bls_gan
from BoneXrayTrainingLib.bls_gan.joints import (
    FolderJoints,
    SimulatedJoints,
    known_example,
    make_joints,
)
from BoneXrayTrainingLib.bls_gan.learner import GanLearner, gan_step, make_gan_learner
from BoneXrayTrainingLib.bls_gan.networks import LayerGenerator, ReconstructorConfig
from BoneXrayTrainingLib.bls_gan.objective import (
    Weights,
    adversarial_loss,
    generated_target,
    real_target,
    supervisor_loss,
)
from BoneXrayTrainingLib.bls_gan.physics import overlap_of, recombined
from BoneXrayTrainingLib.learning.checkpoints import latest_checkpoint
from BoneXrayTrainingLib.sampling.dataset import PoolConfig
from BoneXrayTrainingLib.sampling.joint_images import JointImage
from BoneXrayTrainingLib.sampling.joint_places import JointPool
from BoneXrayTrainingLib.sampling.overlap_questions import EXCESS_OD
from BoneXrayTrainingLib.separation import train_bls_gan

SIDE = 32
CHANNELS = [4, 4, 8, 8, 8, 4]
SOFT_OD = 0.25
RATES = {"generator": 2e-3, "supervisor": 2e-4, "reconstructor": 2e-3}
PRETRAIN = StageConfig(3, "adam", **RATES, weights=Weights(0.3, 0.3, 0.4))
MAIN = StageConfig(2, "adamw", **RATES, weights=Weights(0.7, 0.3, 0.0), unknown_share=0.5)


def two_bones(gap: int) -> JointImage:
    """Two bones of different density, one above the other, `gap` rows apart, in even flesh."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    inside = (columns > 6) & (columns < 26)
    upper, lower = inside & (rows < 16 - gap / 2), inside & (rows >= 16 + gap / 2)
    image = SOFT_OD + upper * (0.4 + 0.01 * columns) + lower * (0.6 + 0.01 * rows)
    soft = np.full((SIDE, SIDE), SOFT_OD, np.float32)
    return JointImage(image.astype(np.float32), upper, lower, soft)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Joints as a user has them: two apart, two that overlap."""
    root = tmp_path_factory.mktemp("joints")
    (root / "images").mkdir()
    (root / "masks").mkdir()
    for number, gap in enumerate((4, 6, -4, -6)):
        joint = two_bones(gap)
        grey = np.round(255 * (1 - np.exp(-joint.image))).astype(np.uint8)
        Image.fromarray(grey).save(root / "images" / f"{number}_L_2.png")
        for name, mask in (("upper", joint.upper_mask), ("lower", joint.lower_mask)):
            picture = Image.fromarray(mask.astype(np.uint8) * 255)
            picture.save(root / "masks" / f"{number}_L_2_{name}.png")
    return shutil.copytree(root, root / "others").parent


def tiny(folder: Path, run: Path, **fields: Any) -> BlsGanConfig:
    """Five steps on the folder's joints; `fields` replace entries."""
    torch.set_num_threads(1)
    network = {"name": "unet", "channels": CHANNELS}
    watched = JointFolder(str(folder / "others"), "MIT", validation=True)
    entries = {
        "name": "tiny",
        "joints": (JointFolder(str(folder), "MIT"), watched),
        "run": str(run), "side": SIDE, "batch": 2, "log_every": 1, "validate_every": 4,
        "pretrain": PRETRAIN, "main": MAIN, "device": "cpu", "halve_every": 2,
        "generator": {**network, "in_channels": 3, "out_channels": 2},
        "supervisor": {**network, "in_channels": 2, "out_channels": 4},
        "reconstructor": ReconstructorConfig((2, 2, 4, 4, 4), (8,)),
    }  # fmt: skip
    return BlsGanConfig(**{**entries, **fields})


def bits(run: Path) -> dict[str, bytes]:
    """All tensors of a run's last checkpoint, to the bit."""
    found = {}
    for path in sorted(latest_checkpoint(run).glob("*.safetensors")):
        with safe_open(path, "np") as file:
            found |= {f"{path.stem} {k}": file.get_tensor(k).tobytes() for k in file.keys()}  # noqa: SIM118
    return found


def test_two_layers_and_the_soft_tissue_between_give_back_the_image(
    rng: np.random.Generator,
) -> None:
    bones = torch.from_numpy(rng.uniform(0.0, 1.0, (3, 2, 8, 8)).astype(np.float32))
    masks = torch.from_numpy((rng.random((3, 2, 8, 8)) < 0.7).astype(np.float32))
    soft = torch.tensor([0.1, 0.3, 0.6])[:, None, None, None]
    image = 1 - torch.exp(-(soft + (bones * masks).sum(1, keepdim=True)))
    layers = 1 - torch.exp(-(soft + bones))
    made = recombined(layers, masks, 1 - torch.exp(-soft))
    there = masks.amax(1, keepdim=True) > 0
    assert torch.allclose(made[there], image[there], atol=1e-6)
    assert float(made[~there].abs().max()) == 0, "no bone, nothing absorbed"


@pytest.mark.parametrize("gap", [4, 10])
def test_bones_shifted_together_are_what_the_recombination_says(
    gap: int, rng: np.random.Generator
) -> None:
    given = collate_joints([FolderJoints([two_bones(gap)], (2, 3)).overlapped(rng)])
    assert float(overlap_of(given.masks).sum()) >= 20, "moved on until they overlap"
    made = recombined(given.layers, given.masks, torch.tensor(1 - np.exp(-SOFT_OD)))
    inner = overlap_of(given.masks) > 0
    inner[..., :8], inner[..., 25:] = False, False  # without the blurred seams at both sides
    difference = (made - given.image)[inner].abs()
    assert float(difference.median()) < 1e-6


def simulated(folder: Path, **fields: Any) -> SimulatedJoints:
    """What is trained on where CTs with labels are given."""
    few = PoolConfig(capacity=4, first=4)
    found = make_joints(
        tiny(folder, folder / "run", joints=(), ct=(SOURCE,), structures=NAMES, side=64,
             data_root=str(folder), pairs=VIEWS, pool=few, **fields), False,
    )  # fmt: skip
    assert isinstance(found, SimulatedJoints)
    return found


def test_simulated_joints_are_those_that_our_own_separator_learns_of(tmp_path: Path) -> None:
    joints = simulated(write_finger(tmp_path))
    assert isinstance(joints.pool, JointPool)
    rng = np.random.default_rng(5)
    sizes = []
    for _ in range(6):
        image, alone, masks = joints._draw(rng, 0)
        layers = image - alone[::-1]
        soft = image - layers.sum(0)
        assert layers.min() > -1e-6, "what a bone adds over soft tissue"
        assert soft[masks.any(0)].min() > 0.1, "under bones lies soft tissue, no hole"
        assert (layers[~masks] <= EXCESS_OD + 1e-6).all()
        middles = [np.nonzero(mask)[0].mean() for mask in masks]
        assert middles[0] < middles[1], "the upper bone first"
        sizes.append(int(masks.all(0).sum()))
    assert max(sizes) > 3 * min(sizes), "moved for overlaps of every size"


def test_the_layers_of_a_simulated_joint_multiply_to_its_image(tmp_path: Path) -> None:
    joints = simulated(write_finger(tmp_path))
    rng = np.random.default_rng(2)
    image, alone, masks = joints._draw(rng, 0)
    soft = 1 - np.exp(-(alone.sum(0) - image))
    given = collate_joints([known_example(image, alone, masks)])
    off = (recombined(given.layers, given.masks, torch.from_numpy(soft)) - given.image).abs()
    both, there = overlap_of(given.masks) > 0, given.masks.amax(1, keepdim=True) > 0
    assert float(off[both].max()) < 1e-5
    assert float(off[there].max()) < EXCESS_OD, "but for the rim of the other bone"
    kept = collate_joints([joints.overlapping(rng, 0)])
    assert float((kept.known * overlap_of(kept.masks)).max()) == 0, "layers kept back"


def test_bones_that_do_not_meet_are_no_joints(tmp_path: Path) -> None:
    write_finger(tmp_path)
    labels, matrix, _ = read_labels(tmp_path / "labels.nrrd")
    labels[30:60] = 0
    write_image_file(tmp_path / "labels.nrrd", labels, matrix)
    with pytest.raises(ValueError, match=r"ct.nrrd: no two of the structures meet"):
        simulated(tmp_path)


def test_the_supervisor_is_told_where_bones_are_and_where_they_are_real(folder: Path) -> None:
    joints = make_joints(tiny(folder, folder), False)
    known = collate_joints([joints.overlapped(np.random.default_rng(1), 0)])
    real = collate_joints([joints.overlapping(np.random.default_rng(1), 0)])
    assert torch.equal(known.known, known.masks)
    assert torch.equal(real.known, real.masks * (1 - overlap_of(real.masks)))
    assert float(overlap_of(real.masks).sum()) >= 20
    assert torch.equal(real.layers, real.image * real.known), "the image, its overlap cut out"
    for given in (known, real):
        assert torch.equal(real_target(given.known)[:, :2], real_target(given.known)[:, 2:])
        wanted = generated_target(given.masks)
        assert torch.equal(wanted[:, :2], given.masks)
        assert float(wanted[:, 2:].abs().max()) == 0
        right = supervisor_loss(
            real_target(given.known), given.known, generated_target(given.masks), given.masks
        )
        wrong = supervisor_loss(
            generated_target(given.masks), given.known, real_target(given.masks), given.masks
        )
        assert float(right) == 0
        assert float(wrong) > 1


def test_the_second_sigmoid_keeps_dice_from_ever_reaching_zero() -> None:
    masks = torch.ones(1, 2, 4, 4)
    assert float(adversarial_loss(real_target(masks), masks)) == pytest.approx(0, abs=1e-6)
    assert float(adversarial_loss(real_target(masks), masks, double_sigmoid=True)) > 0.1


def test_the_generator_leaves_nothing_outside_the_masks(folder: Path) -> None:
    config = tiny(folder, folder)
    given = make_joint_batch(make_joints(config, False), MAIN, config, 0)
    with torch.no_grad():
        layers = LayerGenerator(config.generator)(given.image, given.masks)
    assert float((layers * (1 - given.masks)).abs().max()) == 0
    assert float((layers * given.masks).min()) >= 0
    assert float(layers[given.masks > 0].min()) > 0


def learner_of(config: BlsGanConfig, stage: StageConfig) -> GanLearner:
    torch.manual_seed(1)
    learner = make_gan_learner(config, torch.device("cpu"))
    learner.enter(stage)
    return learner


def test_steps_on_one_batch_lower_the_generators_loss(folder: Path) -> None:
    config = tiny(folder, folder)
    given = make_joint_batch(make_joints(config, False), PRETRAIN, config, 0)
    fast = {"generator": 1e-2, "supervisor": 1e-3, "reconstructor": 1e-2}
    learner = learner_of(config, dataclasses.replace(PRETRAIN, **fast))
    found = [gan_step(learner, given) for _ in range(12)]
    for name in ("loss", "layers", "recombined", "supervisor_loss"):
        first, last = (np.mean([f[name] for f in part]) for part in (found[:2], found[-2:]))
        assert last < 0.95 * first, name


def test_the_released_main_stage_leaves_supervisor_and_reconstructor_as_they_are(
    folder: Path,
) -> None:
    config = tiny(folder, folder, released_main=True)
    stage = stage_of(config, PRETRAIN.steps)
    assert stage.generator == 1e-8
    learner = learner_of(config, stage)
    before = {
        n: {k: v.clone() for k, v in learner.network(n).state_dict().items()}
        for n in ("supervisor", "reconstructor")
    }
    gan_step(learner, make_joint_batch(make_joints(config, False), stage, config, 0))
    for name, weights in before.items():
        for key, value in learner.network(name).state_dict().items():
            assert torch.equal(value, weights[key]), f"{name} {key}"


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run left alone."""
    run = tmp_path_factory.mktemp("whole") / "run"
    train_bls_gan(tiny(folder, run))
    return run


def test_a_run_stopped_and_resumed_is_the_same_bit_for_bit(
    folder: Path, whole: Path, tmp_path: Path
) -> None:
    config = tiny(folder, tmp_path / "run")
    for number, steps in enumerate((2, 1, 1)):  # within a stage, at its end, in the next
        left = iter([False] * (steps - 1) + [True])
        train_bls_gan(config, resume=number > 0, is_cancelled=lambda left=left: next(left))
    assert latest_checkpoint(tmp_path / "run").name == "checkpoint-00000004"
    train_bls_gan(config, resume=True)
    assert bits(tmp_path / "run") == bits(whole)
    with pytest.raises(ValueError, match="exists already; resume it"):
        train_bls_gan(config)
    other = dataclasses.replace(config, side=64)
    with pytest.raises(ValueError, match="side: got 64; expected that of the run"):
        train_bls_gan(other, resume=True)


def test_a_run_is_exported_and_answers_with_each_bone_alone(whole: Path, tmp_path: Path) -> None:
    assert main(["export", str(whole), "-o", str(tmp_path / "model")]) == 0
    model = verify_model(tmp_path / "model")
    assert model.card.task == "separate"
    assert model.card.trained_on["sources"][0]["licence"] == "MIT"
    joint = two_bones(-6)
    masks = np.stack([joint.upper_mask, joint.lower_mask])
    radiograph = radiograph_from_array(joint.image, "optical density")
    alone = alone_images(model, radiograph, masks)
    for each, mask in zip(alone, masks, strict=True):
        assert np.array_equal(each[~mask], joint.image[~mask]), "outside its mask the image"
        assert (each[mask] >= 0).all()
    turned = alone_images(model, radiograph, masks[::-1], runtime="torch")
    assert np.abs(alone[::-1] - turned).max() < 1e-4, "the upper bone is found, whatever the order"
    found = separate(radiograph, masks=masks, model=model)
    both = masks.all(0)
    wanted = np.maximum(joint.image - alone[::-1], 0)
    assert np.abs(found.layers - wanted)[:, both].max() < 1e-6
    around = (joint.upper_mask & ~both) & (np.arange(SIDE) == 10)
    assert found.layers[0][around] == pytest.approx(0.4 + 0.01 * 10, abs=1e-5), "over soft tissue"
    with pytest.raises(ValueError, match="masks: of 1 bones; tiny expects two"):
        separate(radiograph, masks=masks[:1], model=model)
    with pytest.raises(ValueError, match="masks: got none; tiny expects those of both"):
        separate(radiograph, model=model)


def test_the_grey_of_a_picture_is_the_share_that_was_absorbed(whole: Path, tmp_path: Path) -> None:
    model = verify_model(export_bls_gan(whole, tmp_path / "model"))
    joint = two_bones(-6)
    masks = np.stack([joint.upper_mask, joint.lower_mask])
    density = radiograph_from_array(joint.image, "optical density")
    picture = radiograph_from_array(255 * (1 - np.exp(-joint.image)), "display")
    alone = alone_images(model, density, masks)
    shown = alone_images(model, picture, masks)
    assert np.allclose(shown, 255 * (1 - np.exp(-alone)), atol=0.02)


def test_brightness_of_a_dense_image_still_tells_bone_from_bone() -> None:
    dense = np.full((8, 8), 6.0)
    scale = density_scale(dense)
    assert 1 - np.exp(-6.0 * scale) == pytest.approx(0.95, abs=1e-3)
    assert density_scale(dense / 4) == 1.0, "radiographs of hands stay as they are"


def test_joints_that_cannot_be_trained_on_end_before_anything_is_written(
    folder: Path, tmp_path: Path
) -> None:
    apart = FolderJoints([two_bones(4)], (2, 8))
    with pytest.raises(ValueError, match="none overlaps; expected some for the main stage"):
        apart.overlapping(np.random.default_rng(1))
    with pytest.raises(ValueError, match=r"expected either .*joints.* or .*ct"):
        tiny(folder, tmp_path / "run", joints=())
    both = (JointFolder(str(folder), "MIT"), JointFolder(str(folder), "MIT", "again", True))
    with pytest.raises(ValueError, match="is there twice; expected each folder once"):
        tiny(folder, tmp_path / "run", joints=both)
    with pytest.raises(ValueError, match="generator: in_channels 2 and out_channels 4; expected 3"):
        tiny(folder, tmp_path / "run", generator=tiny(folder, tmp_path).supervisor)


def test_the_shipped_configuration_is_right(repository: Path) -> None:
    path = repository / "BoneXrayTraining/BoneXrayTrainingLib/configs/bls-gan.toml"
    config = read_bls_gan(path)
    assert config.pretrain.weights == Weights(0.3, 0.3, 0.4)
    assert config.main.weights == Weights(0.7, 0.3, 0.0)
    assert not config.double_sigmoid
    assert not config.released_main
