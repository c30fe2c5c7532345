"""Learning named bones: layers, masks, loss, a short run and the model it gives."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from labelled_hand import write_hand
from scipy.spatial.transform import Rotation
from small_run import NETWORK, small_config

from BoneXrayLib.geometry import GeometryConfig, make_geometry
from BoneXrayLib.models import verify_model
from BoneXrayLib.projection import project
from BoneXrayLib.segmentation import model_structures
from BoneXrayLib.segments.structures import WRIST
from BoneXrayLib.volume_files import write_image_file
from BoneXrayTrainingLib.exporting.export import export
from BoneXrayTrainingLib.labelled import named_parts, named_variants
from BoneXrayTrainingLib.learning.configuration import TrainConfig
from BoneXrayTrainingLib.learning.learner import make_learner, step
from BoneXrayTrainingLib.learning.losses import LossConfig
from BoneXrayTrainingLib.learning.segment_loss import SegmentationLoss, validate_segments
from BoneXrayTrainingLib.learning.trainer import train
from BoneXrayTrainingLib.pairs import TISSUES, PairConfig, draw_pair, make_pair
from BoneXrayTrainingLib.sampling.augmentation import AugmentationConfig
from BoneXrayTrainingLib.sampling.pool import PairPool, PoolConfig, make_batch
from BoneXrayTrainingLib.sampling.segment_images import augment_segments, mirrored
from BoneXrayTrainingLib.sources import CtSource

SPACING = 2.0
NAMES = ("bone left", "bone right")
PLAIN = AugmentationConfig(crop=32, scale=(1.2, 1.5), display_share=0.0, contrast_share=0.0)


@pytest.fixture(scope="module")
def two_bones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CT of two upright rods in flesh, a third without a label, and the labels."""
    folder = tmp_path_factory.mktemp("rods")
    k, j, i = np.mgrid[:40, :40, :50].astype(np.float32) * SPACING
    hu = np.full(k.shape, -1000, np.int16)
    hu[np.hypot(j - 40, i - 50) < 36] = 40
    labels = np.zeros(k.shape, np.uint8)
    rods = (40, 68, 5.0), (40, 34, 9.0), (62, 50, 6.0)
    for value, (row, column, radius) in enumerate(rods, start=1):
        rod = (np.hypot(j - row, i - column) < radius) & (k > 10) & (k < 70)
        hu[rod] = 900
        if value < 3:
            labels[rod] = 1
    matrix = np.diag([SPACING, SPACING, SPACING, 1.0])  # i grows to the patient's right
    write_image_file(folder / "ct.nrrd", hu, matrix)
    write_image_file(folder / "labels.nrrd", labels, matrix)
    return folder


SOURCE = CtSource(
    path="ct.nrrd",
    patient="rods",
    licence="MIT",
    labels="labels.nrrd",
    names={"bone left": ("1@left",), "bone right": ("1@right",)},
)


def a_run(folder: Path, run: Path, **fields: object) -> TrainConfig:
    """A few steps on the rods."""
    entries: dict = {
        "task": "segment",
        "structures": NAMES,
        "ct": (SOURCE,),
        "network": {**NETWORK, "out_channels": 2},
        "pairs": PairConfig(size=64, frontal_share=0.5, jitter=3.0, tilt=3.0),
        "data_root": str(folder),
    }
    return dataclasses.replace(small_config(folder / "ct.nrrd", run), **(entries | fields))


def test_named_bones_are_taken_out_of_the_tissues_and_nothing_is_lost(two_bones: Path) -> None:
    parts = named_parts(SOURCE, two_bones, 1, NAMES)
    assert parts.names == (*TISSUES, *NAMES)
    counts = np.bincount(parts.part.ravel(), minlength=8)
    assert counts[6] > counts[TISSUES.index("bone")] > counts[7] > 0, "the third is unnamed"
    geometry = make_geometry(GeometryConfig(size=(64, 64), pixel=3.0), np.array([50.0, 40, 40]))
    layers = project(parts, geometry)
    lost = dataclasses.replace(parts, part=np.zeros_like(parts.part), names=("rest",))
    assert np.allclose(layers.sum(0), project(lost, geometry)[0], atol=1e-4)


def test_a_side_of_a_shared_label_is_the_patients(two_bones: Path) -> None:
    parts = named_parts(SOURCE, two_bones, 1, NAMES)
    along = np.nonzero(parts.part == len(TISSUES) + NAMES.index("bone right"))[2].mean()
    other = np.nonzero(parts.part == len(TISSUES) + NAMES.index("bone left"))[2].mean()
    assert along > other, "i grows to the right"


def test_a_training_image_is_not_drawn_of_air_beside_the_patient(two_bones: Path) -> None:
    parts = named_parts(SOURCE, two_bones, 1, NAMES)
    rng = np.random.default_rng(3)
    pair = make_pair(parts, draw_pair(rng, "rods", parts, PairConfig(size=64), "AP"))
    beside = np.array(pair.layers)
    beside[:, :, 36:] = 0.0
    pair = dataclasses.replace(pair, layers=beside)
    near = dataclasses.replace(PLAIN, crop=32, scale=(0.3, 0.4))
    for _ in range(60):
        seen = augment_segments(pair, near, rng).image
        assert (seen > 0.1).float().mean() > 0.03


def test_copies_of_a_ct_are_bent_otherwise_by_an_entry_of_another_seed(two_bones: Path) -> None:
    entries = [dataclasses.replace(SOURCE, variants=2, seed=seed) for seed in (0, 0, 1)]
    made = [named_variants(entry, two_bones, 1, 2.0, NAMES) for entry in entries]
    (whole, bent), (_, again), (still, other) = ([parts.part for _, parts in m] for m in made)
    assert np.array_equal(whole, still)
    assert np.array_equal(bent, again)
    assert not np.array_equal(bent, other)


def test_masks_do_not_hang_on_how_dense_a_bone_is_made(two_bones: Path) -> None:
    parts = named_parts(SOURCE, two_bones, 1, NAMES)
    rng = np.random.default_rng(3)
    pair = make_pair(parts, draw_pair(rng, "rods", parts, PairConfig(size=64), "AP"))
    thin, dense = (dataclasses.replace(PLAIN, densities=(spread,) * 6) for spread in (0.0, 0.5))
    one, other = (augment_segments(pair, c, np.random.default_rng(5)) for c in (thin, dense))
    assert torch.equal(one.masks, other.masks)
    assert not torch.allclose(one.image, other.image, atol=0.05)
    assert one.masks.sum((1, 2)).min() > 20


def test_bones_behind_each_other_overlap_in_their_masks(two_bones: Path) -> None:
    parts = named_parts(SOURCE, two_bones, 1, NAMES)
    still = PairConfig(size=64, jitter=0.0, tilt=0.0, shear=0.0, beams={"parallel": 1.0})
    shared = {}
    for view in ("AP", "LAT-L"):
        pair = make_pair(parts, draw_pair(np.random.default_rng(1), "rods", parts, still, view))
        masks = pair.layers[len(TISSUES) :] > 0.02
        shared[view] = masks.all(0).sum() / masks.any(0).sum()
    assert shared["AP"] == 0.0
    assert shared["LAT-L"] > 0.4


def test_in_a_mirrored_patient_left_bones_are_right_ones() -> None:
    layers = torch.rand(len(TISSUES) + 3, 4, 4)
    names = ("bone left", "bone right", "sternum")
    other = mirrored(layers, names)
    assert torch.equal(other[len(TISSUES)], layers[len(TISSUES) + 1].flip(-1))
    assert torch.equal(other[-1], layers[-1].flip(-1))
    assert torch.equal(mirrored(other, names), layers)


def test_the_loss_is_least_for_the_truth_and_counts_overlaps_more() -> None:
    target = torch.zeros(2, 2, 16, 16)
    target[:, 0, :, :10], target[:, 1, :, 6:] = 1.0, 1.0
    missed_once, missed_twice = target.clone(), target.clone()
    missed_once[:, 0, :, :2] = 0.3  # one bone alone
    missed_twice[:, 0, :, 6:8] = 0.3  # where both lie
    loss = SegmentationLoss(LossConfig(overlap=2.0))
    best, once, twice = (
        float(loss(answer, target)[0]) for answer in (target, missed_once, missed_twice)
    )
    assert best < 1e-3 < once < twice


def test_training_finds_the_rods(two_bones: Path, tmp_path: Path) -> None:
    config = a_run(two_bones, tmp_path / "run", steps=200, learning_rate=1e-2)
    torch.manual_seed(1)
    learner = make_learner(config)
    sources = named_variants(SOURCE, two_bones, 1, 2.0, NAMES)
    pool = PairPool(sources, config.pairs, PoolConfig(4, 4, 1e9), seed=1)
    plain = dataclasses.replace(PLAIN, mirrored_share=0.0, quarter_share=0.0)
    batch = make_batch(pool, 4, plain, np.random.default_rng(1))
    before = validate_segments(learner, [batch])["validation_dice"]
    loss = SegmentationLoss(config.loss)
    values = [step(learner, batch, loss, 0.5)[0] for _ in range(70)]
    assert np.mean(values[-3:]) < 0.5 * np.mean(values[:3])
    assert validate_segments(learner, [batch])["validation_dice"] > max(0.5, before + 0.2)


def test_a_run_with_a_patient_kept_out_ends_as_a_model_that_says_its_bones(
    two_bones: Path, tmp_path: Path
) -> None:
    kept = dataclasses.replace(SOURCE, path="./ct2.nrrd", patient="other")
    (two_bones / "ct2.nrrd").write_bytes((two_bones / "ct.nrrd").read_bytes())
    config = a_run(
        two_bones, tmp_path / "run", ct=(SOURCE, kept), validation=("other",), validate_every=2
    )
    train(config)
    log = (tmp_path / "run" / "log.jsonl").read_text()
    assert '"validation_dice"' in log
    assert '"validation_overlap_dice"' in log
    model = verify_model(
        export(tmp_path / "run", tmp_path / "model", working_size=64, closer=["*right"])
    )
    assert (model.card.task, model.card.closer) == ("segment", ("bone right",))
    with pytest.raises(ValueError, match=r"closer: 'nose' fits no bone; expected names such as b"):
        export(tmp_path / "run", tmp_path / "other", closer=["nose"])
    assert [output["name"] for output in model.card.outputs] == list(NAMES)
    assert all(output["terminology"]["code"] for output in model.card.outputs)
    assert model.card.trained_on["cts"] == 1


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"structures": ()}, "structures: got"),
        ({"task": "extract"}, "structures: got"),
        ({"structures": ("bone left",)}, r"network.out_channels: got 2; expected 1"),
        ({"structures": ("bone", "bone")}, "structures: a name is there twice"),
        ({"dataset": "somewhere", "ct": ()}, "dataset: set; expected"),
        (
            {"augmentation": AugmentationConfig(crop=48, reversed_share=0.5)},
            r"augmentation.reversed_share: got 0.5; expected",
        ),
    ],
)
def test_a_configuration_that_does_not_fit_its_task_is_refused(
    two_bones: Path, tmp_path: Path, fields: dict, line: str
) -> None:
    with pytest.raises(ValueError, match=line):
        a_run(two_bones, tmp_path, **fields)


def test_labels_that_are_no_structure_are_named(two_bones: Path) -> None:
    with pytest.raises(ValueError, match="no label is any of the structures; it holds label 1"):
        named_parts(dataclasses.replace(SOURCE, names={}), two_bones, 1, NAMES)
    wrong = dataclasses.replace(SOURCE, names={"femur": ("1",)})
    with pytest.raises(ValueError, match="names: 'femur'; expected one of the structures"):
        named_parts(wrong, two_bones, 1, NAMES)
    with pytest.raises(ValueError, match=r"labels: got none; expected a label map"):
        named_parts(dataclasses.replace(SOURCE, labels="", names={}), two_bones, 1, NAMES)


def test_what_lies_far_from_labelled_bones_is_left_out(two_bones: Path) -> None:
    near = named_parts(dataclasses.replace(SOURCE, near=6.0), two_bones, 1, NAMES)
    assert not (near.part == TISSUES.index("bone")).any(), "the third rod lies 20 mm away"
    assert (near.part == len(TISSUES)).any()


@pytest.mark.parametrize(
    ("names", "share", "mirror"),
    [
        (NAMES, 0.0, "none"),
        (("lunate", "ulna"), 0.0, "surer"),
        (("lunate", "ulna"), 0.5, "mean"),
    ],
)
def test_a_model_is_shown_mirror_images_as_it_was_trained_on_them(
    two_bones: Path, tmp_path: Path, names: tuple[str, ...], share: float, mirror: str
) -> None:
    spoken = dict(zip(names, (("1@left",), ("1@right",)), strict=True))
    source = dataclasses.replace(SOURCE, names=spoken)
    seen = AugmentationConfig(crop=48, scale=(0.9, 1.3), mirrored_share=share)
    fields = {"ct": (source,), "structures": names, "augmentation": seen, "steps": 1}
    train(a_run(two_bones, tmp_path / "run", **fields))
    model = verify_model(export(tmp_path / "run", tmp_path / "model", working_size=64))
    assert model.card.mirror == mirror


def test_of_images_the_wrong_way_round_only_that_is_learned(two_bones: Path) -> None:
    shown = dataclasses.replace(PLAIN, mirrored_share=0.0, reversed_share=0.5)
    sources = named_variants(SOURCE, two_bones, 1, 2.0, NAMES)
    config = a_run(two_bones, two_bones / "run")
    pool = PairPool(sources, config.pairs, PoolConfig(4, 4, 1e9), seed=1)
    batch = make_batch(pool, 16, shown, np.random.default_rng(1))
    told = batch.target[:, -1].mean((1, 2))
    assert set(told.tolist()) == {0.0, 1.0}
    assert torch.equal(batch.weight[:, 0, 0, 0], told), "bones weigh nothing there"
    assert (batch.weight[:, -1] == 1).all()
    truth = batch.target * batch.weight
    elsewhere = truth.clone()
    elsewhere[told == 0, :-1] = 0.9
    loss = SegmentationLoss(LossConfig(), len(NAMES))
    assert loss(elsewhere * batch.weight, truth)[0] == loss(truth, truth)[0]
    assert loss(1 - truth, truth)[0] > loss(truth, truth)[0]


def test_a_model_that_was_taught_to_tell_mirror_images_says_so(
    two_bones: Path, tmp_path: Path
) -> None:
    names = ("lunate", "ulna")
    spoken = dict(zip(names, (("1@left",), ("1@right",)), strict=True))
    fields = {
        "ct": (dataclasses.replace(SOURCE, names=spoken),),
        "structures": names,
        "augmentation": dataclasses.replace(PLAIN, mirrored_share=0.0, reversed_share=0.5),
        "steps": 1,
    }
    plain = a_run(two_bones, tmp_path / "run").network
    with pytest.raises(ValueError, match="got 2; expected 3, one for each structure and one for"):
        a_run(two_bones, tmp_path / "run", **fields)
    fields["network"] = {**plain, "out_channels": 3}
    train(a_run(two_bones, tmp_path / "run", **fields))
    model = verify_model(export(tmp_path / "run", tmp_path / "model", working_size=64))
    assert model.card.mirror == "told"
    assert [s.name for s in model_structures(model)] == list(names)
    assert model.card.outputs[-1] == {"name": "right way round"}


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_hand_stands_as_a_right_one_however_it_lay(side: str, tmp_path: Path) -> None:
    turn = Rotation.from_euler("xyz", (70, -30, 110), degrees=True).as_matrix()
    write_hand(tmp_path, turn, side)
    source = CtSource(
        path="ct.nrrd",
        patient="hand",
        licence="MIT",
        labels="labels.nrrd",
        names={name: (str(n),) for n, name in enumerate(WRIST, start=1)},
        upright="wrist",
    )
    parts = named_parts(source, tmp_path, 1, WRIST)

    def middle(name: str) -> np.ndarray:
        kji = np.argwhere(parts.part == len(TISSUES) + WRIST.index(name)).mean(axis=0)
        return parts.ijk_to_ras[:3, :3] @ kji[::-1] + parts.ijk_to_ras[:3, 3]

    right = middle("radius") - middle("ulna")
    front = middle("pisiform") - middle("triquetrum")
    up = middle("radius") - middle("capitate")
    assert right[0] > 15
    assert front[1] > 7
    assert up[2] > 30
    assert np.linalg.det(parts.ijk_to_ras[:3, :3]) > 0, "the grid itself is not mirrored"
