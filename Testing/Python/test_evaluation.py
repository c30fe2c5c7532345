"""How good a model is: beside three answers without learning, as a table and as JSON."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_model import write_small_model

from BoneXrayLib.drr import DrrConfig, simulate
from BoneXrayLib.progress import Cancelled
from BoneXrayLib.projection import prepare_ct
from BoneXrayLib.volume import Volume
from BoneXrayTrainingLib.contact_sheet import diverging, ranked
from BoneXrayTrainingLib.evaluation import (
    FLOORS,
    METRICS,
    ExtractionReport,
    Row,
    evaluate_extract,
    evaluate_into,
    floors,
    write_report,
)
from BoneXrayTrainingLib.evaluation_cts import EvaluationCt, evaluation_cts
from BoneXrayTrainingLib.evaluation_tables import EXACT, as_markdown
from BoneXrayTrainingLib.markdown import markdown_table
from BoneXrayTrainingLib.pairings import Pairing, shoot

CONFIG = DrrConfig(size=(192, 176), pixel=1.4)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture(scope="module")
def report(model: Path, limb_file: Path) -> ExtractionReport:
    return evaluate_extract(str(model), [limb_file], ("AP", "LAT-L"), CONFIG)


def row(method: str, psnr: float) -> Row:
    return Row("ct", "AP", method, 10.0, psnr, 0.5, 0.6)


def test_every_view_has_the_model_and_the_three_floors(report: ExtractionReport) -> None:
    assert [(r.view, r.method) for r in report.rows] == [
        (view, method) for view in ("AP", "LAT-L") for method in ("model", *FLOORS)
    ]
    for one in report.rows:
        assert 0 <= one.rmse <= 255
        assert one.psnr > 0
        assert one.ssim <= 1
        assert 0 <= one.ms_ssim <= 1


def test_the_table_shows_each_row_the_means_and_the_gain(report: ExtractionReport) -> None:
    lines = str(report).splitlines()
    assert lines[0].startswith("small 0.1")
    assert sum("limb.nrrd" in line for line in lines) == 8
    means = [line for line in lines if line.startswith("mean")]
    for method in ("model", *FLOORS):
        assert sum(line[32:].startswith(f"{method}  ") for line in means) == 1
    assert any(f"best floor ({report.best_floor})" in line for line in lines)
    assert "not comparable" in lines[-1]


def test_the_json_report_holds_means_bars_and_rows(
    report: ExtractionReport, tmp_path: Path
) -> None:
    path = write_report(report, tmp_path / "report.json")
    read = json.loads(path.read_text())
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]
    assert set(read["mean"]) == {"model", *FLOORS}
    for method, means in read["mean"].items():
        assert set(means) == set(METRICS)
        for metric, value in means.items():
            values = [r[metric] for r in read["rows"] if r["method"] == method]
            assert value == pytest.approx(np.mean(values))
    best = read["mean"][read["best_floor"]]["psnr"]
    assert best == max(read["mean"][m]["psnr"] for m in FLOORS)
    assert read["psnr_above_best_floor"] == pytest.approx(read["mean"]["model"]["psnr"] - best)
    assert len(read["rows"]) == 8


def test_the_gain_is_counted_from_the_best_floor_only() -> None:
    rows = tuple(row(m, p) for m, p in zip(("model", *FLOORS), (25, 10, 21, 17), strict=True))
    report = ExtractionReport("m", rows)
    assert report.best_floor == "scaled input"
    assert report.to_dict()["psnr_above_best_floor"] == pytest.approx(4.0)
    assert "(scaled input): +4.00 dB" in str(report)


def test_the_floors_get_closer_the_more_they_may_fit(limb: Volume) -> None:
    drr = simulate(limb, CONFIG)
    answers = floors(drr)
    assert tuple(answers) == FLOORS
    errors = [np.square(answers[name] - drr.bone).mean() for name in FLOORS]
    assert errors[0] > errors[1] >= errors[2]
    assert answers["linear regression"].min() >= 0
    nudged = [np.square(s * answers["scaled input"] - drr.bone).mean() for s in (0.98, 1.02)]
    assert errors[1] < min(nudged), "no other scale fits better"


def test_what_cannot_be_evaluated_is_refused(model: Path, limb_file: Path) -> None:
    with pytest.raises(ValueError, match="data: got none"):
        evaluate_extract(str(model), [])
    with pytest.raises(ValueError, match="view: got 'UP'"):
        evaluate_extract(str(model), [limb_file], ("UP",), CONFIG)
    with pytest.raises(Cancelled):
        evaluate_extract(str(model), [limb_file], ("AP",), CONFIG, is_cancelled=lambda: True)


def test_progress_names_ct_and_view(model: Path, limb_file: Path) -> None:
    told: list[tuple[float, str]] = []
    evaluate_extract(
        str(model), [limb_file], ("PA",), CONFIG, progress=lambda f, m: told.append((f, m))
    )
    assert told == [(0.0, "limb.nrrd PA")]


# -- patients, anatomy ----------------------------------------------------------------------------
def several(patients: str, gains: tuple[float, ...], anatomy: str = "leg") -> ExtractionReport:
    """One image a letter; the model above floors of 10, 15 and 20 dB by the gains."""
    rows = [
        dataclasses.replace(row(m, p), data=f"ct{n}", patient=patient, anatomy=anatomy)
        for n, (patient, gain) in enumerate(zip(patients, gains, strict=True))
        for m, p in zip(("model", *FLOORS), (20 + gain, 10, 15, 20), strict=True)
    ]
    return ExtractionReport("m", tuple(rows))


def test_one_patient_has_no_interval_and_the_tables_say_so(report: ExtractionReport) -> None:
    assert report.patients == 1
    assert report.gain_interval() is None
    assert "(no interval: one patient)" in str(report)
    assert "One patient: there are no intervals" in as_markdown(report)
    assert all(
        v is None for group in report.to_dict()["groups"] for v in group["interval"].values()
    )


def test_several_patients_have_an_interval_around_the_gain() -> None:
    report = several("abcde", (1.0, 2.0, 3.0, 4.0, 5.0))
    low, high = report.gain_interval()
    assert report.gain == pytest.approx(3.0)
    assert 1 < low < 3 < high < 5
    assert f"(95 % interval {low:+.2f} to {high:+.2f} over 5 patients)" in str(report)
    assert "With so few they are too narrow." in as_markdown(report)
    assert several("aaaaa", (1.0, 2.0, 3.0, 4.0, 5.0)).gain_interval() is None


def test_a_steady_gain_is_sure_even_where_the_images_differ() -> None:
    rows = several("abcd", (4.0,) * 4).rows
    shifted = [dataclasses.replace(r, psnr=r.psnr + 5 * int(r.data[2:])) for r in rows]
    report = ExtractionReport("m", tuple(shifted))
    assert report.gain_interval() == pytest.approx((4.0, 4.0))
    spread = next(report.groups()).interval["psnr"]
    assert spread[1] - spread[0] > 5


def test_means_are_given_by_view_and_by_anatomy() -> None:
    rows = [*several("ab", (1.0, 2.0), "leg").rows, *several("cd", (5.0, 6.0), "chest").rows]
    rows += [dataclasses.replace(r, view="PA", psnr=r.psnr + 1) for r in rows]
    report = ExtractionReport("m", tuple(rows))
    of_model = {(g.anatomy, g.view): g.mean["psnr"] for g in report.groups() if g.method == "model"}
    assert of_model[("leg", "AP")] == 21.5
    assert of_model[("chest", "PA")] == 26.5
    assert of_model[("chest", "all")] == 26.0
    assert of_model[("all", "AP")] == 23.5
    assert of_model[("all", "all")] == report.mean("model", "psnr") == 24.0
    assert len(of_model) == 9
    for words in ("of leg", "of chest", "of all                   AP"):
        assert words in str(report)


def test_data_are_words_with_an_anatomy_or_a_list(tmp_path: Path) -> None:
    (tmp_path / "odd:name").mkdir()
    table = tmp_path / "list.toml"
    table.write_text(
        '[[ct]]\npath = "a/ct.nrrd"\nanatomy = "knee"\npatient = "p1"\n[[ct]]\npath = "b/ct.nrrd"\n'
    )
    words = ["leg.nrrd:lower leg", f"{tmp_path}/odd:name", r"C:\cts\x.nrrd", str(table)]
    leg, odd, windows, listed, plain = evaluation_cts(words)
    assert leg == EvaluationCt("leg.nrrd", "lower leg", "leg.nrrd", "leg.nrrd")
    assert (odd.path, odd.anatomy) == (f"{tmp_path}/odd:name", "unknown")
    assert (windows.path, windows.anatomy) == (r"C:\cts\x.nrrd", "unknown")
    assert listed == EvaluationCt(str(tmp_path / "a/ct.nrrd"), "knee", "p1", "a/ct.nrrd")
    assert plain.patient == plain.name == "b/ct.nrrd", "files of one name stay apart"
    table.write_text("[[ct]]\nfile = 1\n")
    with pytest.raises(ValueError, match=re.escape("list.toml: ct[0]: unknown 'file'")):
        evaluation_cts([table])


# -- the harder pairing ---------------------------------------------------------------------------
def shot_of(limb: Volume, pairing: Pairing, view: str = "AP"):
    config = dataclasses.replace(CONFIG, view=view)
    return shoot(limb, config, pairing, prepare_ct(limb, config.bone_config()), f"limb {view}")


def test_without_movement_the_localizers_bones_are_the_target(limb: Volume) -> None:
    shot = shot_of(limb, Pairing("localizer"))
    assert shot.exact is None
    assert (shot.target <= shot.radiograph.pixels + 1e-5).all()
    localizer = simulate(limb, dataclasses.replace(CONFIG, beam="localizer"))
    assert shot.target.sum() == pytest.approx(localizer.bone.sum(), rel=1e-5), "nothing cropped off"


def test_a_localizer_is_cropped_to_the_ct_unless_the_whole_detector_is_wanted(
    limb: Volume,
) -> None:
    config = dataclasses.replace(CONFIG, size=(400, 420), pixel=1.0)
    prepared = prepare_ct(limb, config.bone_config())
    cropped, whole = (
        shoot(limb, config, Pairing("localizer", whole=w), prepared, "limb") for w in (False, True)
    )
    assert whole.target.shape == (400, 420)
    extent = limb.corners_ras.max(axis=0) - limb.corners_ras.min(axis=0)
    assert cropped.target.shape[0] == pytest.approx(max(extent[2], 176), abs=3)
    assert cropped.target.shape[1] < 420
    assert cropped.target.sum() == pytest.approx(whole.target.sum(), rel=1e-5)


def test_a_moved_patient_is_seen_moved_by_as_much(limb: Volume) -> None:
    still, moved = (shot_of(limb, Pairing("localizer", mm)) for mm in (0.0, 8.0))
    assert np.hypot(*moved.moved_mm) == pytest.approx(8.0)
    np.testing.assert_allclose(moved.target, still.target, atol=1e-5)
    down, right = (
        (np.average(np.indices(moved.exact.shape)[axis], weights=moved.exact)
         - np.average(np.indices(moved.target.shape)[axis], weights=moved.target)) * 1.4
        for axis in (0, 1)
    )  # fmt: skip
    # A localizer magnifies across the table (here 1.2 times) and not along it; along it a part
    # of the limb moves out of the crop.
    assert right == pytest.approx(1.2 * moved.moved_mm[1], abs=0.3)
    assert np.sign(down) == np.sign(moved.moved_mm[0])


def test_movement_makes_the_task_harder_and_the_report_says_what_is_attainable(
    model: Path, limb_file: Path
) -> None:
    reports = [
        evaluate_extract(str(model), [limb_file], ("AP",), CONFIG, pairing=Pairing("localizer", mm))
        for mm in (0.0, 6.0)
    ]
    assert EXACT not in reports[0].methods
    assert reports[1].mean(EXACT, "psnr") < 60
    assert reports[1].mean("model", "psnr") < reports[0].mean("model", "psnr")
    assert reports[1].best_floor in FLOORS
    assert "6 mm misregistration" in str(reports[1])
    assert "easier images" in str(reports[1]).splitlines()[-1]
    (where,) = {r.moved_mm for r in reports[1].rows}
    assert np.hypot(*where) == pytest.approx(6.0)


def test_an_impossible_pairing_is_refused() -> None:
    for arguments, message in (
        (("xray",), "pairing: got 'xray'"),
        (("localizer", -1.0), "misregistration: got -1.0"),
        (("drr", 5.0), "expected 0 mm with the pairing 'drr'"),
        (("drr", 0.0, 1, True), "whole: got True; expected False with the pairing 'drr'"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            Pairing(*arguments)


# -- page and contact sheet -----------------------------------------------------------------------
def test_a_folder_gets_figures_page_and_contact_sheet(
    model: Path, limb_file: Path, tmp_path: Path
) -> None:
    data = [f"{limb_file}:leg"]
    report, files = evaluate_into(tmp_path / "out", str(model), data, ("AP", "PA"), CONFIG)
    assert {p.name for p in (tmp_path / "out").iterdir()} == set(files)
    assert json.loads(files["evaluation.json"].read_text()) == json.loads(
        json.dumps(report.to_dict())
    )
    page = files["evaluation.md"].read_text()
    assert "(contact-sheet.png)" in page
    cells = [line.split("|") for line in page.splitlines() if line.startswith("|")]
    assert {c[5].strip() for c in cells} >= {"model", *FLOORS}
    with Image.open(files["contact-sheet.png"]) as sheet:
        assert sheet.mode == "RGB"
        assert sheet.height > 2 * 320
        assert sheet.width > 3 * 320


def test_best_median_and_worst_are_found_and_none_is_shown_twice() -> None:
    assert ranked([20.0, 25.0, 22.0, 18.0, 30.0]) == {"best": 4, "median": 2, "worst": 3}
    assert ranked([20.0, 25.0]) == {"best": 1, "worst": 0}
    assert ranked([20.0]) == {"best": 0}


def test_the_error_is_white_where_there_is_none_red_for_too_much_and_blue_for_too_little() -> None:
    (none, much, little) = diverging(np.array([[0.0, 1.0, -1.0]]))[0]
    assert none.tolist() == [255, 255, 255]
    assert much[0] > 2 * much[2]
    assert little[2] > 2 * little[0]


def test_no_cell_can_break_a_table() -> None:
    lines = markdown_table(["a", "b"], [["x|y", "two\nlines"]])
    assert len(lines) == 3
    assert len({len(line) for line in lines}) == 1
    assert lines[2].replace("\\|", "").count("|") == 3
