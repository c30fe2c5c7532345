"""How good a model is: beside three answers without learning, as a table and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from small_model import write_small_model

from BoneXrayLib.drr import DrrConfig, simulate
from BoneXrayLib.progress import Cancelled
from BoneXrayLib.volume import Volume
from BoneXrayTrainingLib.evaluation import (
    FLOORS,
    METRICS,
    ExtractionReport,
    Row,
    evaluate_extract,
    floors,
    write_report,
)

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
