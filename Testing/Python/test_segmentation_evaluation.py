"""How well named bones are measured: true answers, shifted ones, turned and mirrored hands."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from labelled_hand import (
    answer_of,
    labelled_hand,
    write_hand,
    write_list,
    write_segment_model,
)
from PIL import Image
from surfaces import ball, long_bone

from BoneXrayLib.label_maps import read_labels
from BoneXrayLib.progress import Cancelled
from BoneXrayLib.segments.structures import TRUNK, WRIST
from BoneXrayLib.volume_files import write_image_file
from BoneXrayTrainingLib.evaluating_segments import segmentation_evaluation
from BoneXrayTrainingLib.evaluating_segments.labelled_cts import (
    LabelledCt,
    load_labelled,
    numbered,
)
from BoneXrayTrainingLib.evaluating_segments.segmentation_baselines import otsu_threshold
from BoneXrayTrainingLib.evaluating_segments.segmentation_data import (
    LabelledSource,
    segmentation_sources,
)
from BoneXrayTrainingLib.evaluating_segments.segmentation_evaluation import (
    assumed_axes,
    evaluate_segment,
    evaluate_segment_into,
)
from BoneXrayTrainingLib.evaluating_segments.segmentation_views import (
    MaskedRadiograph,
    SegmentViews,
    take_views,
)
from BoneXrayTrainingLib.mesh_ct import MeshConfig

PLAIN = SegmentViews(exposure="none", pixel=1.0)
TURN = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])


@pytest.fixture(scope="module")
def hands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of a right hand, the same turned, and a left one; a model."""
    folder = tmp_path_factory.mktemp("hands")
    write_hand(folder / "right")
    write_hand(folder / "turned", TURN)
    write_hand(folder / "left", None, "left")
    write_segment_model(folder / "model", "right")
    return folder


def hand(turn: np.ndarray | None = None, side: str = "right") -> LabelledCt:
    volume, labels = labelled_hand(turn, side)
    names = dict(enumerate(WRIST, start=1))
    return LabelledCt(volume, labels, names, WRIST, "wrist", side, "p", "s", False)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[MaskedRadiograph]:
    """The questions in the order they are asked."""
    asked: list[MaskedRadiograph] = []

    def watched(ct: LabelledCt, views: SegmentViews):
        for question in take_views(ct, views):
            asked.append(question)
            yield question

    monkeypatch.setattr(segmentation_evaluation, "take_views", watched)
    return asked


def knowing(asked: list[MaskedRadiograph], shift: int = 0) -> Callable:
    """A segmenter that knows the truth and tells it `shift` columns to the right."""

    def segment(radiograph, model=None):
        question = asked[-1]
        masks = [np.roll(m, shift, axis=1) for m in question.masks]
        named = dict(zip(question.subject.structures, masks, strict=True))
        return answer_of(named, radiograph.pixels.shape)

    return segment


def middle(question: MaskedRadiograph, name: str) -> np.ndarray:
    """(row, column) of a bone."""
    mask = question.masks[question.subject.structures.index(name)]
    return np.argwhere(mask).mean(axis=0)


# -- views ----------------------------------------------------------------------------------------
def test_a_wrist_is_shown_fingers_up_as_seen_from_the_tube() -> None:
    for side, sign in (("right", 1), ("left", -1)):
        pa, oblique, lateral = take_views(hand(side=side), PLAIN)
        for question in (pa, oblique, lateral):
            assert middle(question, "capitate")[0] < middle(question, "radius")[0] - 20
            assert question.masks[WRIST.index("radius")][-1].any(), "the forearm goes on"
        assert sign * (middle(pa, "hamate") - middle(pa, "trapezium"))[1] > 20, "thumb"
        assert sign * (middle(lateral, "capitate") - middle(lateral, "pisiform"))[1] > 5, "palm"
        overlap = [(q.masks[WRIST.index("radius")] & q.masks[WRIST.index("ulna")]).sum()
                   for q in (pa, oblique, lateral)]  # fmt: skip
        assert overlap[0] == 0
        assert overlap[1] < overlap[2]
        # With the thumb lifted, what lies at the palm stands out on the thumb's own side.
        apart = [sign * (middle(q, "lunate") - middle(q, "pisiform"))[1]
                 for q in (pa, oblique, lateral)]  # fmt: skip
        assert apart[0] < apart[1] < apart[2]


def test_a_wider_picture_has_the_same_wrist_and_more_around_it() -> None:
    (wrist,), (whole,) = (
        take_views(hand(), dataclasses.replace(PLAIN, views=("PA",), wider=wider))
        for wider in (0.0, 40.0)
    )
    rows, columns = (
        b - a for a, b in zip(wrist.masks.shape[1:], whole.masks.shape[1:], strict=True)
    )
    assert columns == pytest.approx(40, abs=1)
    assert rows >= 40
    carpals = [n for n, name in enumerate(WRIST) if name not in ("radius", "ulna")]
    near, far = (np.argwhere(q.masks[carpals].any(axis=0)) for q in (wrist, whole))
    assert abs(np.ptp(near, axis=0) - np.ptp(far, axis=0)).max() <= 2, "as large"
    assert (far.min(axis=0) - near.min(axis=0)) == pytest.approx([40, 20], abs=2)


def test_a_left_hand_is_the_mirror_image_of_the_right() -> None:
    views = dataclasses.replace(PLAIN, jitter=15.0)
    for right, left in zip(take_views(hand(), views), take_views(hand(side="left"), views),
                           strict=True):  # fmt: skip
        assert right.masks.shape == left.masks.shape
        assert (right.masks != left.masks[..., ::-1]).mean() < 1e-4
        np.testing.assert_allclose(
            right.radiograph.pixels, left.radiograph.pixels[:, ::-1], atol=1e-3
        )


def test_a_bone_is_where_it_attenuates_and_the_layers_of_all_are_the_radiograph() -> None:
    ct = hand()
    (pa,) = take_views(ct, dataclasses.replace(PLAIN, views=("PA",), pixel=0.5))
    scale = pa.radiograph.magnification / 0.5
    for name, radius in (("lunate", 7), ("pisiform", 4), ("trapezoid", 5)):
        area = pa.masks[WRIST.index(name)].sum() / scale**2
        assert np.pi * (radius - 0.3) ** 2 < area < np.pi * (radius + 0.7) ** 2
    nothing = ~pa.masks.any(axis=0)
    assert pa.radiograph.pixels[pa.masks.any(axis=0)].min() > 0.02
    assert np.median(pa.radiograph.pixels[nothing]) < np.median(pa.radiograph.pixels[~nothing])


def test_a_ct_turned_in_space_gives_the_same_masks_within_a_pixel(hands: Path) -> None:
    entries = [LabelledSource(f"{hands}/{f}/ct.nrrd", f"{hands}/{f}/labels.nrrd",
                              {n: (str(k),) for k, n in enumerate(WRIST, start=1)})
               for f in ("right", "turned")]  # fmt: skip
    still, turned = (list(take_views(load_labelled(e, WRIST), PLAIN)) for e in entries)
    for one, other in zip(still, turned, strict=True):
        assert other.subject.side == "right"
        away = np.array([middle(other, name) - middle(one, name) for name in WRIST])
        assert np.abs(away).max() < 1.3, "a voxel is 1.25 pixels"
        assert np.abs(away - away.mean(axis=0)).max() < 0.7
        for mask, moved in zip(one.masks, other.masks, strict=True):
            assert moved.sum() == pytest.approx(mask.sum(), rel=0.12)


def test_what_is_drawn_is_the_same_for_the_same_seed_only() -> None:
    views = SegmentViews(("PA",), draws=2, jitter=20.0, pixel=2.0)
    first, second = take_views(hand(), views)
    again, _ = take_views(hand(), views)
    other, _ = take_views(hand(), dataclasses.replace(views, seed=2))
    assert first.subject.rotate == again.subject.rotate
    assert (first.radiograph.pixels == again.radiograph.pixels).all()
    assert len({first.subject.rotate, second.subject.rotate, other.subject.rotate}) == 3
    assert max(abs(first.subject.rotate[0]), 2 * abs(first.subject.rotate[1])) <= 20
    assert first.radiograph.domain == "display"
    assert first.subject.exposure == "extremity"


def test_a_trunk_is_taken_as_for_extraction_and_only_its_bones_are_asked_for(
    tmp_path: Path,
) -> None:
    write_hand(tmp_path)
    names = {"femur left": ("9",), "femur right": ("10",), "sacrum": ("77",)}
    source = LabelledSource(
        f"{tmp_path}/ct.nrrd", f"{tmp_path}/labels.nrrd", names, remove_couch=False
    )
    ct = load_labelled(source, ("sacrum", "femur left", "femur right"))
    assert (ct.anatomy, ct.side, set(ct.names.values())) == (
        "trunk", "", {"femur left", "femur right"}
    )  # fmt: skip
    views = SegmentViews(("AP", "LAT"), pixel=4.0, exposure="none")
    assert [(q.subject.view, q.masks.shape) for q in take_views(ct, views)] == [
        ("AP", (2, 128, 128)), ("LAT", (2, 128, 128))
    ]  # fmt: skip


def test_a_label_that_both_sides_share_is_asked_for_by_its_halves(tmp_path: Path) -> None:
    write_hand(tmp_path)
    names = {"femur left": ("9@left", "10@left"), "femur right": ("9@right",)}
    files = f"{tmp_path}/ct.nrrd", f"{tmp_path}/labels.nrrd"
    source = LabelledSource(*files, names, anatomy="trunk", remove_couch=False)
    ct = load_labelled(source, ("femur left", "femur right"))
    raw, matrix, _ = read_labels(source.labels)
    right = np.indices(raw.shape)[::-1].T @ matrix[0, :3] + matrix[0, 3]
    right = right.T
    middle = (right[raw > 0].min() + right[raw > 0].max()) / 2
    wanted = {
        "femur left": np.isin(raw, (9, 10)) & (right < middle),
        "femur right": (raw == 9) & (right > middle),
    }
    for value, name in ct.names.items():
        assert name not in wanted or np.array_equal(ct.labels == value, wanted[name]), name
    assert wanted["femur left"].any()


def test_names_of_labels_are_found_beside_the_map_as_training_finds_them(tmp_path: Path) -> None:
    write_hand(tmp_path)
    called = {"9": "Left_Femur", "10": "right femur"}
    (tmp_path / "labels.json").write_text(json.dumps(called))
    source = LabelledSource(f"{tmp_path}/ct.nrrd", f"{tmp_path}/labels.nrrd", remove_couch=False)
    ct = load_labelled(source, ("femur left", "femur right"))
    assert ct.structures == ("femur left", "femur right")
    assert {name: int((ct.labels == value).sum()) for value, name in ct.names.items()} == {
        "femur left": int((read_labels(source.labels)[0] == 9).sum()),
        "femur right": int((read_labels(source.labels)[0] == 10).sum()),
    }


def test_labels_as_totalsegmentator_names_them_are_parts_of_the_models_bones() -> None:
    called = {1: "rib_left_1", 2: "rib_left_2", 3: "vertebrae_L5", 4: "vertebrae_S1", 5: "sacrum",
              6: "hip_left", 7: "costal_cartilages", 8: "clavicula_right"}  # fmt: skip
    raw = np.arange(9, dtype=np.uint8).reshape(1, 3, 3)
    labels, names = numbered(raw, called, LabelledSource("ct.nrrd", "labels.nrrd"), TRUNK)
    found = [names.get(int(value), "") for value in labels.ravel()]
    assert found == ["", "ribs left", "ribs left", "vertebrae", "sacrum", "sacrum",
                     "hip bone left", "", "clavicle right"]  # fmt: skip


def test_what_a_list_says_of_a_label_goes_before_what_its_name_means() -> None:
    raw = np.arange(4, dtype=np.uint8).reshape(1, 2, 2)
    called = {1: "vertebrae_L5", 2: "vertebrae_S1", 3: "sacrum"}
    source = LabelledSource("ct.nrrd", "labels.nrrd", {"vertebrae": ("vertebrae_*",)})
    labels, names = numbered(raw, called, source, TRUNK)
    found = [names.get(int(value), "") for value in labels.ravel()]
    assert found == ["", "vertebrae", "vertebrae", "sacrum"]


def test_bones_of_one_wrist_may_say_whose_side_they_are_of() -> None:
    raw = np.arange(4, dtype=np.uint8).reshape(1, 2, 2)
    source = LabelledSource("ct.nrrd", "labels.nrrd")
    labels, names = numbered(raw, {1: "Scaphoid_left", 2: "left lunate"}, source, WRIST)
    assert [names.get(int(n), "") for n in labels.ravel()] == ["", "scaphoid", "lunate", ""]
    with pytest.raises(ValueError, match="scaphoid_left"):
        numbered(raw, {1: "scaphoid_left", 2: "scaphoid_right"}, source, WRIST)


def test_a_model_of_one_bone_is_asked_on_the_same_pictures(hands: Path) -> None:
    entry = segmentation_sources([write_list(hands / "o.toml", "turned")])[0]
    all_bones, one = (
        next(take_views(load_labelled(entry, names), PLAIN)) for names in (WRIST, ("lunate",))
    )
    assert one.subject.structures == ("lunate",)
    assert (one.masks[0] == all_bones.masks[WRIST.index("lunate")]).all()
    np.testing.assert_allclose(one.radiograph.pixels, all_bones.radiograph.pixels, atol=1e-4)


# -- figures --------------------------------------------------------------------------------------
def test_a_perfect_answer_scores_one_and_nothing_else_does(hands: Path, shown: list) -> None:
    data = [write_list(hands / "all.toml", "right", "left")]
    model = str(hands / "model")
    perfect = evaluate_segment(model, data, PLAIN, segment=knowing(shown))
    assert perfect.over_views("dice") == perfect.over_views("overlap_dice") == 1.0
    assert perfect.over_views("pair_dice") == 1.0
    assert perfect.over_views("hd95_mm") == 0.0
    assert perfect.worst_bone("PA")[1] == 1.0
    assert perfect.over_views("dice", "threshold") < 0.4
    assert 0.5 < perfect.over_views("dice", "atlas") <= 1.0
    moved = evaluate_segment(model, data, PLAIN, segment=knowing(shown, 3))
    assert 0.5 < moved.over_views("dice") < 0.9
    assert moved.of_bone("dice", "pisiform", "PA") < moved.of_bone("dice", "radius", "PA")
    assert moved.of_bone("hd95_mm", "lunate", "PA") == pytest.approx(3.0, abs=0.2)
    low, high = moved.interval("dice")
    assert low <= moved.of_images("dice") <= high


def test_of_many_patients_those_without_the_models_bones_are_left_out(
    hands: Path, shown: list, tmp_path: Path
) -> None:
    volume, labels = labelled_hand()
    for case, names in (("s1", {1: "liver"}), ("s2", dict(enumerate(WRIST, start=1)))):
        (tmp_path / case).mkdir()
        write_image_file(tmp_path / case / "ct.nrrd", volume.hu, volume.ijk_to_ras)
        for value, name in names.items():
            (tmp_path / case / "segmentations").mkdir(exist_ok=True)
            mask = (labels == value).astype(np.uint8)
            file = tmp_path / case / "segmentations" / f"{name}.nrrd"
            write_image_file(file, mask, volume.ijk_to_ras)
    model = str(hands / "model")
    report = evaluate_segment(model, [tmp_path], PLAIN, segment=knowing(shown))
    assert {row.patient for row in report.images} == {"s2/ct"}
    assert report.over_views("dice") == 1.0
    assert "s1/ct left out: none of the model's structures" in report.warnings
    with pytest.raises(ValueError, match=r"none of the model's structures .* it has liver"):
        evaluate_segment(model, [tmp_path / "s1"], PLAIN, segment=knowing(shown))


def test_a_mirrored_hand_with_a_mirrored_answer_scores_the_same(hands: Path, shown: list) -> None:
    def uneven(radiograph, model=None):
        side = shown[-1].subject.side
        return knowing(shown, 2 if side == "right" else -2)(radiograph)

    data = [write_list(hands / "sides.toml", "right", "left")]
    found = evaluate_segment(str(hands / "model"), data, PLAIN, segment=uneven)
    rows = [r for r in found.images if r.method == "model"]
    for right, left in zip(rows[:3], rows[3:], strict=True):
        assert (right.side, left.side) == ("right", "left")
        assert right.dice == pytest.approx(left.dice, abs=0.01)
        assert right.hd95_mm == pytest.approx(left.hd95_mm, abs=0.2)


def test_a_bone_that_is_never_found_counts_and_a_view_of_its_own_has_its_mean(
    hands: Path, shown: list
) -> None:
    def forgetful(radiograph, model=None):
        found = knowing(shown)(radiograph)
        found.masks[WRIST.index("pisiform")] = False
        return found

    data = [write_list(hands / "one.toml", "right")]
    report = evaluate_segment(str(hands / "model"), data, PLAIN, segment=forgetful)
    assert report.worst_bone("PA") == ("pisiform", 0.0)
    assert report.over_views("dice") == pytest.approx(0.9)
    assert report.methods == ("model", "threshold"), "one patient has no atlas"
    assert report.interval("dice") is None
    assert "no interval: one patient" in str(report)


def test_what_the_model_was_trained_on_is_said(hands: Path, shown: list) -> None:
    for folder, leaks in (("right", 1), ("left", 0)):
        patient = f'patient = "{folder}"'
        data = [write_list(hands / "leak.toml", f"{folder}\n{patient}")]
        views = dataclasses.replace(PLAIN, views=("PA",))
        report = evaluate_segment(str(hands / "model"), data, views, segment=knowing(shown))
        assert len(report.warnings) == leaks
        assert all("was trained on right" in w for w in report.warnings)


def test_a_folder_gets_figures_page_and_contact_sheet(
    hands: Path, shown: list, tmp_path: Path
) -> None:
    data = [write_list(hands / "two.toml", 'right\npatient = "right"', "left")]
    report, files = evaluate_segment_into(
        tmp_path / "out", str(hands / "model"), data, PLAIN, segment=knowing(shown, 2)
    )
    assert {p.name for p in (tmp_path / "out").iterdir()} == set(files)
    read = json.loads(files["evaluation.json"].read_text())
    assert read["bars"]["mean_dice_over_views"] == pytest.approx(report.over_views("dice"))
    assert read["by_structure"]["lunate"]["lateral"]["dice"] == report.of_bone(
        "dice", "lunate", "lateral"
    )
    assert len(read["rows"]) == 2 * 3 * 3 * 10
    page = files["evaluation.md"].read_text()
    for words in ("**Warning:** fake was trained on right", "ElTantawy", "0.80 to 0.92",
                  "(contact-sheet.png)", "atlas", "over 2 patients"):  # fmt: skip
        assert words in page
    with Image.open(files["contact-sheet.png"]) as sheet:
        colours = {c for _, c in sheet.convert("RGB").getcolors(1 << 20)}
    assert {(80, 180, 240), (240, 150, 50)} <= colours, "lunate and radius in their colours"
    lines = str(report).splitlines()
    assert all(any(line.startswith(name) for line in lines) for name in WRIST)


def test_otsu_finds_the_gap_between_dark_and_bright(rng: np.random.Generator) -> None:
    pixels = np.concatenate([rng.normal(10, 2, 5000), rng.normal(50, 4, 800)])
    assert 14 < otsu_threshold(pixels) < 40


# -- data -----------------------------------------------------------------------------------------
def test_patients_are_made_of_meshes_and_come_with_their_labels(tmp_path: Path) -> None:
    meshes = [long_bone("radius", 60.0, 6.0, (12.0, 0.0, 0.0)),
              long_bone("ulna", 60.0, 5.0, (-12.0, 0.0, 0.0)),
              ball("capitate", 8.0, (4.0, 0.0, -14.0))]  # fmt: skip
    arrays = {f"{m.name}.{key}": getattr(m, key) for m in meshes for key in ("vertices", "faces")}
    np.savez(tmp_path / "bones.npz", **arrays)
    source = LabelledSource(str(tmp_path / "bones.npz"), mesh=MeshConfig(voxel=1.5), draws=2)
    first, second = (load_labelled(source, WRIST, n) for n in range(2))
    assert set(first.names.values()) == {"radius", "ulna", "capitate"}
    assert (first.patient, second.patient, first.source) == ("bones 1", "bones 2", "bones")
    assert (
        first.volume.hu.shape != second.volume.hu.shape
        or (first.volume.hu != second.volume.hu).any()
    )
    (pa,) = take_views(first, SegmentViews(("PA",), exposure="none", pixel=1.0))
    assert middle(pa, "capitate")[0] < middle(pa, "radius")[0]
    sign = 1 if first.side == "right" else -1
    assert sign * (middle(pa, "ulna") - middle(pa, "radius"))[1] > 10


def test_words_and_lists_name_data(hands: Path, tmp_path: Path) -> None:
    word = f"{hands}/right/ct.nrrd,{hands}/right/labels.nrrd"
    (tmp_path / "images").mkdir()
    found = segmentation_sources([word, str(tmp_path), write_list(hands / "l.toml", "left")])
    assert [Path(s.path).name for s in found] == ["ct.nrrd", tmp_path.name, "ct.nrrd"]
    assert found[2].labels == str(hands / "left/labels.nrrd"), "labels lie beside their CT"
    assert [s.whose for s in found[::2]] == ["right/ct", "left/ct"], "files of one name stay apart"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[ct]]\npath = "right/ct.nrrd"', r"bad.toml: ct\[0\]: labels: got none"),
        ('[[ct]]\npath = "no.nrrd"\nlabels = "no.nrrd"', "no.nrrd does not exist"),
        ('[[ct]]\npath = "x.npz"\nupright = "up"', "upright: got 'up'; expected one of as is"),
        ('[[ct]]\npath = "x.npz"\ndraws = 0', "draws: got 0"),
        ('[[cts]]\npath = "x"', "unknown 'cts'; expected"),
        ("", "no entry; expected"),
    ],
)
def test_a_bad_list_is_refused_in_one_line(hands: Path, text: str, message: str) -> None:
    (hands / "bad.toml").write_text(text)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        segmentation_sources([hands / "bad.toml"])


def test_what_cannot_be_evaluated_is_refused(hands: Path, shown: list) -> None:
    model = str(hands / "model")
    ct = f"{hands}/right/ct.nrrd"
    for data, views, message in (
        ([], PLAIN, "data: got none"),
        ([ct], PLAIN, "a CT without labels; expected CT,LABELS"),
        ([f"{ct},{hands}/right/labels.nrrd"], PLAIN, "names: labels.nrrd has none of the model"),
        ([write_list(hands / "v.toml", "right")], SegmentViews(("AP",)), "views: none of those"),
        ([str(hands / "right")], PLAIN, "has no images/ and masks/"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate_segment(model, data, views, segment=knowing(shown))
    with pytest.raises(Cancelled):
        evaluate_segment(model, [hands / "v.toml"], PLAIN, None, lambda: True, knowing(shown))
    turned = f"right\nmatrix = {[[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]]}"
    with pytest.raises(ValueError, match="expected a turn without scale"):
        load_labelled(segmentation_sources([write_list(hands / "m.toml", turned)])[0], WRIST)


def test_views_that_nobody_takes_are_refused() -> None:
    for arguments, message in (
        ({"views": ("UP",)}, "views: got 'UP'"),
        ({"jitter": 90.0}, "jitter: got 90.0; expected 0 to 45 degrees"),
        ({"draws": 0}, "draws: got 0"),
        ({"exposure": "sun"}, "exposure: got 'sun'"),
        ({"pixel": 0.0}, "pixel: got 0.0"),
        ({"wider": -1.0}, "wider: got -1.0; expected 0 to 300 mm"),
    ):
        with pytest.raises(ValueError, match=message):
            SegmentViews(**arguments)


def test_meshes_of_which_nothing_was_said_are_said_to_be_taken_for_granted() -> None:
    bare, told = LabelledSource("a/hand.npz"), LabelledSource("b.npz", mesh=MeshConfig("ASR"))
    assert [line.split(":")[0] for line in assumed_axes([bare, told])] == ["hand.npz"]
    assert "taken as RAS, its bones as of a right one" in assumed_axes([bare])[0]
