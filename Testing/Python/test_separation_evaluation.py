"""How well separated bones are measured: true answers and wrong, exact layers, moved bones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from joints import joint, save, write_plain
from labelled_hand import labelled_hand, write_hand, write_list
from PIL import Image
from small_model import write_small_separator
from squeeze_weights import write_squeeze_weights

from BoneXrayLib.progress import Cancelled
from BoneXrayLib.segments.structures import WRIST
from BoneXrayLib.volume_files import write_image_file
from BoneXrayTrainingLib.__main__ import main
from BoneXrayTrainingLib.evaluating_layers import separation_evaluation
from BoneXrayTrainingLib.evaluating_layers.separation_cases import psnr_of
from BoneXrayTrainingLib.evaluating_layers.separation_evaluation import (
    evaluate_separate,
    evaluate_separate_into,
    separation_sources,
)
from BoneXrayTrainingLib.evaluating_layers.separation_features import (
    FeatureExtractor,
    distances,
    frechet_distance,
)
from BoneXrayTrainingLib.evaluating_layers.separation_floors import COPY, FLOORS
from BoneXrayTrainingLib.evaluating_layers.separation_questions import (
    LayerQuestion,
    SeparationConfig,
)
from BoneXrayTrainingLib.evaluating_layers.separation_regions import over_soft_tissue, take_regions
from BoneXrayTrainingLib.evaluating_layers.separation_rows import FREE, GIVEN
from BoneXrayTrainingLib.evaluating_layers.separation_shifts import take_shifts
from BoneXrayTrainingLib.evaluating_segments.labelled_cts import LabelledCt
from BoneXrayTrainingLib.evaluating_segments.segmentation_data import RadiographSource
from BoneXrayTrainingLib.evaluating_segments.segmentation_views import SegmentViews
from BoneXrayTrainingLib.labelled import MASK_OD
from BoneXrayTrainingLib.readers.reader_study import StudyConfig, make_study
from BoneXrayTrainingLib.sampling.overlap_bins import OVERLAP_BINS

VIEWS = SegmentViews(("PA", "lateral"), exposure="none", pixel=0.4)
LATERAL = SegmentViews(("lateral",), exposure="none", pixel=0.4)
NAMES = ("p1_L_2", "p1_R_2", "p2_L_2", "p3_L_5")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Joint images of three patients, a labelled hand, a model."""
    folder = tmp_path_factory.mktemp("separation")
    write_plain(folder / "joints", NAMES)
    write_hand(folder / "right")
    write_list(folder / "hand.toml", "right")
    write_small_separator(folder / "model")
    return folder


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[LayerQuestion]:
    """The questions in the order they are asked."""
    found: list[LayerQuestion] = []

    def watched(take: Callable):
        def questions(*arguments):
            for question in take(*arguments):
                found.append(question)
                yield question

        return questions

    for name in ("take_regions", "take_shifts"):
        monkeypatch.setattr(
            separation_evaluation, name, watched(getattr(separation_evaluation, name))
        )
    return found


def knowing(asked: list[LayerQuestion], error: float = 0.0, free_error: float = 0.0) -> Callable:
    """A separator that knows the layers and gives a share of the lower one to the upper one."""

    def separate(radiograph, masks=None, model=None):
        question = asked[-1]
        moved = (free_error if masks is None else error) * question.layers[1] * question.overlap
        layers = np.stack([question.layers[0] + moved, question.layers[1] - moved])
        soft = radiograph.pixels - layers.sum(axis=0)
        return SimpleNamespace(layers=layers, soft=soft, masks=question.masks)

    return separate


# -- questions ------------------------------------------------------------------------------------
def test_regions_have_the_exact_layer_of_each_bone_and_every_bin_its_overlaps() -> None:
    volume, labels = labelled_hand()
    names = dict(enumerate(WRIST, start=1))
    ct = LabelledCt(volume, labels, names, WRIST, "wrist", "right", "p", "s", False)
    questions = list(take_regions(ct, SeparationConfig(per_bin=2, views=VIEWS)))
    assert {q.subject.bin for q in questions} == set(range(len(OVERLAP_BINS)))
    for question in questions:
        assert question.radiograph.pixels.shape == (256, 256)
        assert 30 <= 256 * question.radiograph.pixel_mm[0] <= 80.1
        assert (question.masks == (question.layers > MASK_OD)).all()
        low, high = OVERLAP_BINS[question.subject.bin]
        assert low <= question.overlap.sum() == question.subject.pixels < high
        middle = [np.argwhere(mask)[:, 0].mean() for mask in question.masks]
        assert middle[0] <= middle[1]
        if question.subject.is_joint:
            across = [np.argwhere(mask)[:, 1].mean() for mask in question.masks]
            assert abs(across[0] - across[1]) < 0.5 * (middle[1] - middle[0]), "upright"
        rest = question.radiograph.pixels - question.layers.sum(axis=0)
        assert rest.min() > -1e-4
        assert question.layers[:, question.overlap].min() > MASK_OD
    again = take_regions(ct, SeparationConfig(per_bin=2, views=VIEWS))
    for one, other in zip(questions, again, strict=True):
        np.testing.assert_array_equal(one.layers, other.layers)


def test_layers_of_a_region_lie_where_the_bones_are_and_weigh_what_they_weigh() -> None:
    volume, labels = labelled_hand()
    keep, pair = dict(enumerate(WRIST, start=1)), ("lunate", "triquetrum")
    ct = LabelledCt(volume, labels, keep, pair, "wrist", "right", "p", "s", False)
    views = SegmentViews(("lateral",), 3, exposure="none", pixel=0.4)
    whole = 0
    for question in take_regions(ct, SeparationConfig(per_bin=1, views=views)):
        assert question.subject.bones == ("triquetrum", "lunate"), "the fingers are above"
        edge = np.concatenate([question.masks[:, [0, -1]].ravel(), question.masks[..., 0].ravel()])
        whole += not edge.any()
        if not edge.any():
            # Balls of radius 6 and 7 mm, seen whole.
            mass = question.layers.sum(axis=(1, 2))
            assert mass[1] / mass[0] == pytest.approx(7**3 / 6**3, rel=0.12)
    assert whole


def test_a_bone_taken_away_leaves_soft_tissue_and_no_hole() -> None:
    volume, labels = labelled_hand()
    volume.hu[labels > 0] = 40
    ct = LabelledCt(volume, labels, dict(enumerate(WRIST, start=1)), WRIST, "wrist", "right", "p",
                    "s", False)  # fmt: skip
    assert not list(take_regions(ct, SeparationConfig(views=LATERAL))), "bones like soft tissue"
    volume.hu[labels > 0] = 640
    over = over_soft_tissue(ct).hu
    assert set(np.unique(over[labels > 0])) == {-400}, "600 / 1000 of water"
    assert (over[labels == 0] == volume.hu[labels == 0]).all()


def test_joints_are_moved_together_until_the_bins_are_full(folder: Path) -> None:
    source = RadiographSource(str(folder / "joints"))
    questions = list(take_shifts(source, SeparationConfig(per_bin=3)))
    counts = np.bincount([q.subject.bin for q in questions], minlength=4)
    assert (counts <= 3).all()
    assert counts.sum() >= 8
    for question in questions:
        rest = question.radiograph.pixels - question.layers.sum(axis=0)
        assert rest.min() > -1e-5
        assert question.overlap.sum() * 4 == question.subject.pixels, "128 x 128, counted at 256"
        # In transmission: both = upper alone * lower alone / soft.
        upper, lower = question.alone
        np.testing.assert_allclose(upper + lower - rest, question.radiograph.pixels, atol=1e-5)
    again = [q.subject for q in take_shifts(source, SeparationConfig(per_bin=3))]
    assert again == [q.subject for q in questions]
    other = SeparationConfig(per_bin=3, views=SegmentViews(seed=2))
    assert [q.subject for q in take_shifts(source, other)] != again


def test_joints_that_overlap_already_are_left_out(tmp_path: Path) -> None:
    write_plain(tmp_path, ("a",))
    upper = joint(4)[1]
    save(np.roll(joint(4)[2], -12, axis=0), tmp_path / "masks/a_lower.png")
    save(upper, tmp_path / "masks/a_upper.png")
    with pytest.raises(ValueError, match="expected some whose bones lie apart"):
        list(take_shifts(RadiographSource(str(tmp_path)), SeparationConfig()))


# -- figures --------------------------------------------------------------------------------------
@pytest.mark.parametrize("data", ["joints", "hand.toml"])
def test_the_truth_has_no_error_and_part_of_it_its_square(
    folder: Path, asked: list, data: str
) -> None:
    words = [folder / data]
    config = SeparationConfig(per_bin=1, views=SegmentViews(("PA",), exposure="none", pixel=0.4))
    model = str(folder / "model")
    perfect = evaluate_separate(model, words, config, separate=knowing(asked))
    assert perfect.of("mse", GIVEN) < 1e-10
    assert perfect.of("ssim", GIVEN) == pytest.approx(1.0, abs=1e-6)
    assert perfect.bars()["reached"]
    assert perfect.bars()["largest_difference_of_sum"] < 1e-5
    assert perfect.count(method=GIVEN) == perfect.count()
    errors = [evaluate_separate(model, words, config, separate=knowing(asked, e)).of("mse", GIVEN)
              for e in (0.1, 0.2)]  # fmt: skip
    assert 3.3 < errors[1] / errors[0] < 4.2, "brightness is not quite linear"
    assert errors[1] < perfect.of("mse", COPY)


def test_patients_without_bones_are_left_out(folder: Path, asked: list, tmp_path: Path) -> None:
    volume, labels = labelled_hand()
    path = tmp_path / "soft"
    path.mkdir()
    write_image_file(path / "ct.nrrd", volume.hu, volume.ijk_to_ras)
    (path / "segmentations").mkdir()
    liver = (labels == 1).astype(np.uint8)
    write_image_file(path / "segmentations" / "liver.nrrd", liver, volume.ijk_to_ras)
    config = SeparationConfig(per_bin=1, views=SegmentViews(("PA",), exposure="none", pixel=0.4))
    model, data = str(folder / "model"), [path, folder / "hand.toml"]
    report = evaluate_separate(model, data, config, separate=knowing(asked))
    assert report.patients == 1
    assert report.of("mse", GIVEN) < 1e-10
    assert any("left out: none of the bones that are known" in line for line in report.warnings)
    with pytest.raises(ValueError, match="it has liver"):
        evaluate_separate(model, [path], config, separate=knowing(asked))


def test_an_answer_is_held_against_the_best_floor_of_each_bin(folder: Path, asked: list) -> None:
    config = SeparationConfig(per_bin=4)
    report = evaluate_separate(
        str(folder / "model"), [folder / "joints"], config, separate=knowing(asked, 0.3, 0.6)
    )
    assert report.methods == (GIVEN, FREE, *FLOORS)
    for number in report.bins:
        best = report.of("mse", report.best_floor(number), number)
        assert best == min(report.of("mse", m, number) for m in FLOORS)
        assert report.ratio(number) == pytest.approx(report.of("mse", GIVEN, number) / best)
        low, high = report.ratio_interval(number) or (np.nan, np.nan)
        assert np.isnan(low) or low <= high
    assert 3 < report.free_ratio() < 4.2, "twice the error, four times its square"
    assert report.of_images("mask_dice", FREE) == 1.0
    assert report.patients == 3
    interval = report.interval("mse", GIVEN)
    assert interval is not None
    assert interval[0] <= report.of("mse", GIVEN) <= interval[1]
    text = str(report)
    for words in ("20-200", "> 1000", "inpaint + residual", "0.0023, 0.0024", "bar: 0.5"):
        assert words in text


def test_masks_are_given_or_not_as_asked_and_bones_beside_each_other_need_them(
    folder: Path, asked: list
) -> None:
    model, joints = str(folder / "model"), [folder / "joints"]
    config = SeparationConfig(per_bin=1, masks="none")
    report = evaluate_separate(model, joints, config, separate=knowing(asked))
    assert report.main == FREE
    config = SeparationConfig(per_bin=1, masks="given")
    report = evaluate_separate(model, joints, config, separate=knowing(asked))
    assert report.methods == (GIVEN, *FLOORS)
    assert np.isnan(report.free_ratio())
    report = evaluate_separate(
        model,
        [folder / "hand.toml"],
        SeparationConfig(per_bin=2, views=LATERAL),
        separate=knowing(asked),
    )
    there = {r.image: r.subject for r in report.images if r.method == FREE}
    assert {r.image for r in report.images if r.subject.is_joint} == set(there)
    assert report.count(method=FREE) < report.count(method=GIVEN)


def test_layers_that_do_not_add_up_are_told(folder: Path, asked: list) -> None:
    def careless(radiograph, masks=None, model=None):
        found = knowing(asked)(radiograph, masks)
        found.soft = found.soft + 0.01
        found.layers[0, 0, 0] = -0.02
        return found

    report = evaluate_separate(
        str(folder / "model"), [folder / "joints"], SeparationConfig(per_bin=1), separate=careless
    )
    assert report.bars()["largest_difference_of_sum"] > 0.005
    assert report.bars()["lowest_layer"] < -0.01


def test_the_shipped_way_of_asking_answers_every_question(folder: Path) -> None:
    report = evaluate_separate(
        str(folder / "model"), [folder / "joints"], SeparationConfig(per_bin=1)
    )
    assert report.count(method=GIVEN) == report.count(method=FREE) == report.count()
    assert report.bars()["largest_difference_of_sum"] < 1e-5
    assert report.of("mse", GIVEN) < report.of("mse", COPY), "any share is better than none"


def test_a_folder_gets_figures_page_and_contact_sheet(
    folder: Path, asked: list, tmp_path: Path
) -> None:
    report, files = evaluate_separate_into(
        tmp_path / "out", str(folder / "model"), [folder / "joints"],
        SeparationConfig(per_bin=2), separate=knowing(asked, 0.3, 0.4),
    )  # fmt: skip
    assert {p.name for p in (tmp_path / "out").iterdir()} == set(files)
    read = json.loads(files["evaluation.json"].read_text())
    assert read["by_bin"]["> 1000"]["methods"][GIVEN]["mse"] == pytest.approx(
        report.of("mse", GIVEN, 3)
    )
    assert read["bars"]["error_over_best_floor"].keys() == read["by_bin"].keys()
    assert read["protocol"] == "shifted"
    page = files["evaluation.md"].read_text()
    for words in (
        "(contact-sheet.png)",
        "half density",
        f"over {report.patients} patients",
        "BLS-GAN's 241",
    ):
        assert words in page
    with Image.open(files["contact-sheet.png"]) as sheet:
        assert sheet.size[0] > 4 * 300
        colours = {c for _, c in sheet.convert("RGB").getcolors(1 << 20)}
    assert any(red > 150 and blue < red - 60 for red, _, blue in colours), "overlap in its colour"


def test_bones_alone_make_a_reader_study_of_true_against_separated(
    folder: Path, asked: list, tmp_path: Path
) -> None:
    config = SeparationConfig(per_bin=1, masks="given", pictures=True)
    report, files = evaluate_separate_into(
        tmp_path / "out", str(folder / "model"), [folder / "joints"], config,
        separate=knowing(asked),
    )  # fmt: skip
    alone = files["alone"]
    names = {kind: sorted(p.name for p in (alone / kind).iterdir())
             for kind in ("input", "true", "separated")}  # fmt: skip
    assert names["true"] == names["separated"] == names["input"]
    assert len(names["true"]) == 2 * report.count()
    for name in names["true"]:
        pictures = [np.asarray(Image.open(alone / k / name)) for k in names]
        assert (pictures[1] == pictures[2]).all()
        assert (pictures[0] != pictures[1]).any()
    study, key = make_study(
        tmp_path / "study", [f"true={alone / 'true'}", f"separated={alone / 'separated'}"],
        str(alone / "input"), StudyConfig("preference", "Which bone is real?", 1, 1),
    )  # fmt: skip
    assert len(json.loads(key.read_text())["cases"]) == 2 * report.count() + 2
    assert "Which bone is real?" in (study / "study.json").read_text()


def test_equal_features_are_no_distance_apart_and_moved_ones_their_move_squared(
    rng: np.random.Generator,
) -> None:
    one = rng.normal(0, 1, (400, 6))
    assert frechet_distance(one, one[::-1]) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(one, one + 2.0) == pytest.approx(24.0, rel=1e-6)
    # Independent channels: the sum of squared differences of the standard deviations.
    scaled = (one - one.mean(axis=0)) * 3.0 + one.mean(axis=0)
    assert frechet_distance(one, scaled) == pytest.approx(4 * np.trace(np.cov(one.T)), rel=1e-6)


def test_features_are_held_against_the_truth_of_the_same_images(rng: np.random.Generator) -> None:
    truth = rng.normal(0, 1, (24, 2, 4))
    features = [{"truth": t, "a": t, **({"b": t + 1.0} if n % 2 else {})}
                for n, t in enumerate(truth)]  # fmt: skip
    found = distances(features, dict.fromkeys(range(24), 1))
    assert found["a"] == {"200-500": pytest.approx(0, abs=1e-6), "all": pytest.approx(0, abs=1e-6)}
    assert found["b"]["all"] == pytest.approx(4.0)
    assert distances([{}] * 24, dict.fromkeys(range(24), 1)) == {}
    assert distances(features[:5], dict.fromkeys(range(5), 1)) == {}, "too few to say anything"


def test_features_of_the_truth_are_no_distance_away_and_those_of_copies_are(
    folder: Path, asked: list, tmp_path: Path
) -> None:
    weights = write_squeeze_weights(tmp_path / "weights.npz")
    extract = FeatureExtractor(weights)
    images = np.random.default_rng(1).uniform(0, 1, (3, 48, 40))
    assert extract(images).shape == (3, 16)
    np.testing.assert_array_equal(extract(images), extract(np.minimum(images, 1.0)))
    np.testing.assert_allclose(extract(images)[1:2], extract(images[1:2]), rtol=1e-4)
    config = SeparationConfig(per_bin=3, masks="given", features=str(weights))
    report = evaluate_separate(
        str(folder / "model"), [folder / "joints"], config, separate=knowing(asked)
    )
    assert report.feature_distances[GIVEN]["all"] < 1e-6
    assert report.feature_distances[COPY]["all"] > 10 * report.feature_distances[GIVEN]["all"]
    assert "SqueezeNet 1.0 up to fire5" in str(report)
    with pytest.raises(FileNotFoundError, match=r"features: .*no.npz does not exist"):
        FeatureExtractor(tmp_path / "no.npz")


def test_no_error_at_all_has_a_psnr_still() -> None:
    assert psnr_of(0.0) == 100.0
    assert psnr_of(0.01) == pytest.approx(20.0)


# -- what is refused ------------------------------------------------------------------------------
def test_data_of_two_kinds_or_of_the_other_protocol_is_refused(folder: Path) -> None:
    hand = folder / "hand.toml"
    assert len(separation_sources([hand], "exact")) == 1
    with pytest.raises(ValueError, match="expected one kind at a time"):
        separation_sources([hand, folder / "joints"])
    with pytest.raises(ValueError, match="protocol: got exact, which takes labelled CTs"):
        separation_sources([folder / "joints"], "exact")
    with pytest.raises(FileNotFoundError, match=r"none.json does not exist"):
        separation_sources([folder / "none.json"])
    with pytest.raises(ValueError, match="data: got none"):
        separation_sources([])
    for arguments, message in (
        ({"protocol": "real"}, "protocol: got 'real'; expected one of exact, shifted"),
        ({"masks": "some"}, "masks: got 'some'; expected one of given, none, both"),
        ({"per_bin": 0}, "per_bin: got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            SeparationConfig(**arguments)
    with pytest.raises(Cancelled):
        evaluate_separate(str(folder / "model"), [folder / "joints"], is_cancelled=lambda: True)


def test_the_command_measures_and_refuses_in_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "separate", "--help"]) == 0
    said = capsys.readouterr().out
    for words in ("--protocol", "--masks", "separate-layers", "[degrees]", "[mm]"):
        assert words in said
    figures = tmp_path / "figures.json"
    arguments = ["--model", str(folder / "model"), "--data", str(folder / "joints"),
                 "--per-bin", "1", "--json", str(figures)]  # fmt: skip
    assert main(["evaluate", "separate", *arguments]) == 0
    assert "inpaint + residual" in capsys.readouterr().out
    assert json.loads(figures.read_text())["task"] == "separate"
    for wrong, message in (
        (["--protocol", "real"], "protocol: got 'real'"),
        (["--masks", "no"], "masks: got 'no'"),
    ):
        assert main(["evaluate", "separate", *arguments, *wrong]) == 2
        assert message in capsys.readouterr().err.strip()
