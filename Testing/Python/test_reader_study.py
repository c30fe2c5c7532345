"""Reader studies: blinded, in each reader's own order, resumed, reported with their decoys."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from studies import write_images

from BoneXrayLib.radiograph import radiograph_from_array, write_float_nrrd
from BoneXrayLib.reading import Reading, Showing, read_answers, readers_of
from BoneXrayLib.reading_study import Study, read_study
from BoneXrayTrainingLib.__main__ import main
from BoneXrayTrainingLib.readers.reader_images import grey_of, images_of, spoilt
from BoneXrayTrainingLib.readers.reader_report import reader_report
from BoneXrayTrainingLib.readers.reader_study import StudyConfig, key_of, make_study
from BoneXrayTrainingLib.readers.reader_tables import as_markdown, write_reader_report

CASES = 6


def make(folder: Path, scale: str = "rating", **decoys: int) -> Study:
    """Six cases of two conditions, "mild" and "strong", with the input beside."""
    sources = {name: write_images(folder / name, CASES, seed)
               for seed, name in enumerate(("mild", "strong", "input"))}  # fmt: skip
    conditions = [f"{name}={sources[name]}" for name in ("mild", "strong")]
    made, _ = make_study(folder / "study", conditions, str(sources["input"]),
                         StudyConfig(scale, **decoys))  # fmt: skip
    return read_study(made)


def key(study: Study) -> dict[str, dict]:
    return json.loads(key_of(study.folder).read_text())["cases"]


def read_all(study: Study, reader: str, judge: Callable[[Showing, dict], int]) -> None:
    """Answer every case as `judge(showing, its entry in the key)` says."""
    reading, cases = Reading(study, reader), key(study)
    while (showing := reading.current) is not None:
        reading.answer(judge(showing, cases[showing.case]), 2.0)


def condition(entry: dict) -> str:
    return next(iter(entry["shows"].values()))["condition"]


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


# -- making ---------------------------------------------------------------------------------------
def test_a_study_shows_every_image_once_and_its_decoys_again(tmp_path: Path) -> None:
    study = make(tmp_path, same=2, bad=3)
    kinds = [entry["kind"] for entry in key(study).values()]
    assert {kind: kinds.count(kind) for kind in kinds} == {"case": 12, "same": 2, "bad": 3}
    asked = {(e["name"], condition(e)) for e in key(study).values() if e["kind"] == "case"}
    assert asked == {(f"case{n}", c) for n in range(CASES) for c in ("mild", "strong")}
    for case in study.cases:
        entry = key(study)[case.id]
        source = tmp_path / condition(entry) / f"{entry['name']}.png"
        is_source = np.array_equal(pixels(study.folder / case.images[0]), pixels(source))
        assert is_source == (entry["kind"] != "bad")
        beside = tmp_path / "input" / source.name
        np.testing.assert_array_equal(pixels(study.folder / case.beside), pixels(beside))


def test_what_readers_get_does_not_tell_conditions_cases_or_decoys(tmp_path: Path) -> None:
    study = make(tmp_path, "preference")
    assert key_of(study.folder).parent == tmp_path
    text = "".join(p.name for p in study.folder.iterdir())
    text += (study.folder / "study.json").read_text()
    for word in ("mild", "strong", "case0", "same", "bad", "spoilt"):
        assert word not in text
    for path in study.folder.glob("*.png"):
        assert re.fullmatch(r"[0-9a-f]{6}-[012]\.png", path.name)
        with Image.open(path) as image:
            assert image.info == {}
    first = [key(study)[c.id]["shows"][c.images[0]]["condition"] for c in study.cases
             if key(study)[c.id]["kind"] == "case"]  # fmt: skip
    assert set(first) == {"mild", "strong"}, "the first image is not always of one condition"


def test_the_same_seed_makes_the_same_study_and_another_seed_another(tmp_path: Path) -> None:
    studies = [make(tmp_path / str(n), seed=seed) for n, seed in enumerate((1, 1, 2))]
    assert studies[0].cases == studies[1].cases
    assert {c.id for c in studies[0].cases}.isdisjoint(c.id for c in studies[2].cases)


def test_a_pattern_names_the_case_by_what_its_star_stands_for(tmp_path: Path) -> None:
    for name in ("hip", "knee"):
        write_images(tmp_path / "results" / name, 2)
    found = images_of(f"{tmp_path}/results/*/case1.png", "conditions")
    assert {name: path.parent.name for name, path in found.items()} == {
        "hip": "hip", "knee": "knee",
    }  # fmt: skip
    assert set(images_of(f"{tmp_path}/results/hip/*.png", "conditions")) == {"case0", "case1"}


def test_pictures_are_shown_as_they_are_and_float_images_in_a_window(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 48 * 40).reshape(48, 40)
    Image.fromarray(ramp.astype(np.uint16)).save(tmp_path / "deep.png")
    np.testing.assert_allclose(grey_of(tmp_path / "deep.png"), ramp / 257, atol=1)
    image = radiograph_from_array((ramp / 20000).astype(np.float32), "optical density", 1.0, "r")
    write_float_nrrd(tmp_path / "float.nrrd", image)
    shown = grey_of(tmp_path / "float.nrrd")
    assert (shown.min(), shown.max()) == (0, 255)


def test_a_spoilt_image_keeps_nothing_of_its_detail(tmp_path: Path) -> None:
    path = write_images(tmp_path / "x", 1) / "case0.png"
    bad = spoilt(pixels(path), np.random.default_rng(1))
    assert bad.shape == pixels(path).shape
    assert abs(np.corrcoef(bad.ravel(), pixels(path).ravel())[0, 1]) < 0.2


def test_what_makes_no_study_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    one, two = write_images(tmp_path / "one", 3), write_images(tmp_path / "two", 2)
    wrong: list[tuple[list[str], StudyConfig, str]] = [
        ([f"a={one}", f"b={two}"], StudyConfig(), "b: has no image of 'case2'"),
        ([f"a={one}"], StudyConfig("preference"), "conditions: got 1; expected two"),
        ([str(one)], StudyConfig(), "expected NAME=FOLDER"),
        ([f"a={tmp_path / 'none'}"], StudyConfig(), "holds no image"),
        ([f"a={one}"], StudyConfig(bad=4), "got 4 decoys; expected 3 at most"),
    ]
    for conditions, config, message in wrong:
        with pytest.raises(ValueError, match=re.escape(message)):
            make_study(tmp_path / "study", conditions, None, config)
    with pytest.raises(ValueError, match="not empty"):
        make_study(one, [f"a={two}"])
    with pytest.raises(ValueError, match="scale: got 'stars'"):
        StudyConfig("stars")
    assert {path.name for path in tmp_path.iterdir()} == {"one", "two"}


# -- reading --------------------------------------------------------------------------------------
def test_each_reader_has_an_order_of_their_own_and_always_the_same(tmp_path: Path) -> None:
    study = make(tmp_path, "preference")

    def orders(reader: str) -> tuple[list[str], list[bool]]:
        seen: list[Showing] = []
        read_all(study, reader, lambda showing, _: seen.append(showing) or 1)
        (study.folder / "answers" / f"{reader}.jsonl").unlink()
        return [s.case for s in seen], [s.images[0].name.endswith("-2.png") for s in seen]

    (first, turned), again, (other, _) = orders("anna"), orders("anna"), orders("bert")
    assert again == (first, turned)
    assert first != other
    assert sorted(first) == sorted(other) == sorted(case.id for case in study.cases)
    assert set(turned) == {True, False}, "sides change"


def test_reading_goes_on_after_a_stop_at_any_moment(tmp_path: Path) -> None:
    study = make(tmp_path)
    reading = Reading(study, "anna")
    reading.answer(3, 1.0)
    reading.answer(4, 1.0)
    path = study.folder / "answers" / "anna.jsonl"
    whole = path.read_bytes()
    for length in range(whole.rindex(b"{") + 1, len(whole)):  # the last line, cut short
        path.write_bytes(whole[:length])
        resumed = Reading(study, "anna")
        assert resumed.done == 1 + (length == len(whole) - 1)
        resumed.answer(0, 1.0)
        assert len(read_answers(study, "anna")) == resumed.done
    assert readers_of(study) == ["anna"]


def test_a_new_answer_after_back_replaces_the_old_one(tmp_path: Path) -> None:
    study = make(tmp_path)
    reading = Reading(study, "anna")
    first = reading.current
    reading.answer(0, 1.0)
    reading.back()
    assert reading.current == first
    reading.answer(4, 1.0)
    assert [a.value for a in Reading(study, "anna").answers.values()] == [5]


def test_answers_of_another_study_and_damaged_ones_are_refused_by_name(tmp_path: Path) -> None:
    study, other = make(tmp_path / "a"), make(tmp_path / "b", seed=2)
    Reading(study, "anna").answer(0, 1.0)
    path = study.folder / "answers" / "anna.jsonl"
    (other.folder / "answers").mkdir()
    (other.folder / "answers" / "anna.jsonl").write_bytes(path.read_bytes())
    with pytest.raises(ValueError, match=r"anna\.jsonl answers another study"):
        Reading(other, "anna")
    path.write_text(path.read_text().replace('"value": 1', '"value": 9'))
    with pytest.raises(ValueError, match=r"anna\.jsonl: line 2 is no answer"):
        Reading(study, "anna")
    with pytest.raises(ValueError, match=r"reader: got '\.\./x'"):
        Reading(study, "../x")
    with pytest.raises(FileNotFoundError, match="study: "):
        read_study(tmp_path / "none")
    manifest = study.folder / "study.json"
    manifest.write_text(manifest.read_text().replace(study.cases[0].images[0], "../secret.png"))
    with pytest.raises(ValueError, match="no PNG of this folder"):
        read_study(study.folder)


# -- reporting ------------------------------------------------------------------------------------
def test_ratings_are_reported_by_condition_with_favourable_share_and_agreement(
    tmp_path: Path,
) -> None:
    study = make(tmp_path, same=2, bad=2)

    def judge(high: int) -> Callable[[Showing, dict], int]:
        return lambda _, entry: 0 if entry["kind"] == "bad" else (
            high if condition(entry) == "strong" else 1
        )  # fmt: skip

    read_all(study, "anna", judge(4))
    read_all(study, "bert", judge(3))
    report = reader_report(study.folder)
    rows = {row["condition"]: row for row in report["conditions"]}
    assert rows["strong"]["mean"] == 4.5
    assert rows["mild"]["mean"] == 2.0
    assert rows["strong"]["favourable"]["count"] == rows["strong"]["readings"] == 2 * CASES
    assert rows["strong"]["favourable"]["interval"] == pytest.approx((0.757, 1.0), abs=1e-3)
    assert rows["mild"]["favourable"]["share"] == 0
    assert rows["strong"]["favourable_by_most"]["of"] == CASES
    assert 0.7 < report["agreement"]["alpha"] < 1
    assert report["agreement"]["level"] == "ordinal"
    assert report["agreement"]["images"] == 2 * CASES, "decoys do not count"
    assert report["decoys"]["same"]["share"] == report["decoys"]["bad"]["share"] == 1
    assert report["seconds"]["median"] == 2.0
    assert [r["answered"] for r in report["readers"]] == [16, 16]


def test_a_reader_who_does_not_look_fails_the_decoys(tmp_path: Path) -> None:
    study = make(tmp_path, "preference", same=4, bad=4)
    read_all(study, "lefty", lambda *_: 0)
    report = reader_report(study.folder)
    assert report["decoys"]["same"]["share"] == 0, "never 'none' of two equal images"
    assert report["decoys"]["bad"]["share"] < 1
    assert report["left"]["share"] == 1
    assert report["agreement"]["alpha"] is None, "one reader agrees with nobody"


def test_a_preference_is_counted_by_condition_whatever_the_side(tmp_path: Path) -> None:
    study = make(tmp_path, "preference", same=1, bad=2)

    def for_strong(showing: Showing, entry: dict) -> int:
        shows = [entry["shows"][path.name] for path in showing.images]
        if entry["kind"] == "same":
            return 1
        if entry["kind"] == "bad":
            return 0 if shows[1]["spoilt"] else 2
        return 0 if shows[0]["condition"] == "strong" else 2

    read_all(study, "anna", for_strong)
    read_all(study, "bert", for_strong)
    report = reader_report(study.folder)
    shares = {row["condition"]: row["preferred"]["share"] for row in report["conditions"]}
    assert shares == {"mild": 0, "strong": 1, "none": 0}
    assert 0 < report["left"]["share"] < 1
    assert report["decoys"]["same"]["share"] == report["decoys"]["bad"]["share"] == 1
    assert "| strong" in as_markdown(report)


def test_an_unfinished_reading_is_counted_as_far_as_it_went_and_named(tmp_path: Path) -> None:
    study = make(tmp_path)
    read_all(study, "anna", lambda *_: 3)
    Reading(study, "bert").answer(3, 1.0)
    files = write_reader_report(reader_report(study.folder), tmp_path / "report")
    page = files["reader-study.md"].read_text()
    assert "Not finished: bert" in page
    figures = json.loads(files["reader-study.json"].read_text())
    assert sum(row["readings"] for row in figures["conditions"]) in (12, 13)


def test_a_report_needs_answers_and_the_studys_own_key(tmp_path: Path) -> None:
    study, other = make(tmp_path / "a"), make(tmp_path / "b", seed=2)
    with pytest.raises(ValueError, match="holds no answers"):
        reader_report(study.folder)
    with pytest.raises(ValueError, match="belongs to another study"):
        reader_report(study.folder, key_of(other.folder))
    key_of(study.folder).unlink()
    with pytest.raises(FileNotFoundError, match="key: "):
        reader_report(study.folder)


# -- in the shell ---------------------------------------------------------------------------------
def test_make_read_and_report_work_in_the_shell_with_answers_from_a_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "good", 2)
    words = "reader-study make --conditions model=good -o study --same 1 --bad 1"
    assert main(words.split()) == 0
    read = ["reader-study", "read", "study", "--reader", "anna"]
    for lines, said in (("4\nwhat\n6\n5\nq\n", "2 of 4"), ("b\n2\nfair\n3\n", "4 of 4")):
        monkeypatch.setattr("sys.stdin", io.StringIO(lines))
        assert main(read) == 0
        told = capsys.readouterr().out
        assert "1 = very poor, 2 = poor, 3 = fair" in told
        assert f"{said} answered by anna" in told
    answers = read_answers(read_study(tmp_path / "study"), "anna")
    assert [a.value for a in answers.values()] == [4, 2, 3, 3]
    assert main(["reader-study", "report", "study", "-o", "report"]) == 0
    assert "# Reader study study" in capsys.readouterr().out
    assert {p.name for p in (tmp_path / "report").iterdir()} == {
        "reader-study.json", "reader-study.md",
    }  # fmt: skip
    assert main(["reader-study", "report", "good"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("bone-xray: error: study: good holds no study.json")
    assert error.count("\n") == 1
