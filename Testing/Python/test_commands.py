"""The command line: what it prints, writes, and how it ends."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_model import write_small_model

from BoneXrayLib.drr import DrrConfig, read_geometry
from BoneXrayLib.files import existing_path
from BoneXrayLib.progress import Cancelled, raise_if_cancelled
from BoneXrayLib.radiograph import read_radiograph
from BoneXrayTrainingLib.__main__ import main
from BoneXrayTrainingLib.commands import COMMANDS, ModelsList
from BoneXrayTrainingLib.console import Reporter, check_output_file, ends_on_interrupt

Capture = pytest.CaptureFixture[str]
SMALL = ["--size", "48", "40", "--pixel", "6"]


@pytest.fixture(scope="module")
def drr_folder(limb_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `drr` wrote of the limb."""
    folder = tmp_path_factory.mktemp("drr") / "limb"
    assert main(["drr", str(limb_file), "-o", str(folder), "--view", "PA", *SMALL]) == 0
    return folder


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small model, found by its name."""
    folder = write_small_model(tmp_path / "models" / "small")
    monkeypatch.setenv("BONEXRAY_MODELS", str(folder.parent))
    return folder


def test_drr_writes_images_whose_parts_add_up_and_a_record(drr_folder: Path) -> None:
    names = {path.name for path in drr_folder.iterdir()}
    assert names == {"full.nrrd", "full.png", "bone.nrrd", "bone.png", "drr.json"}
    full = read_radiograph(drr_folder / "full.nrrd")
    bone = read_radiograph(drr_folder / "bone.nrrd")
    assert full.domain == "optical density"
    assert full.pixels.shape == (48, 40)
    assert 0 < bone.pixels.max() < full.pixels.max()
    assert (bone.pixels <= full.pixels + 1e-6).all()
    assert read_geometry(drr_folder / "drr.json").size == (48, 40)
    record = json.loads((drr_folder / "drr.json").read_text())
    assert record["config"]["view"] == "PA"


def test_drr_with_an_exposure_writes_what_a_detector_shows_too(
    limb_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    words = ["drr", str(limb_file), "-o", str(tmp_path), *SMALL, "--exposure", "extremity"]
    assert main([*words, "--mas", "9"]) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert {"exposed.nrrd", "exposed.png", "exposed-bone.nrrd", "full.nrrd", "drr.json"} <= names
    exposed = read_radiograph(tmp_path / "exposed.nrrd")
    assert exposed.domain == "display"
    full = read_radiograph(tmp_path / "full.nrrd").pixels
    assert np.corrcoef(exposed.pixels[10:-10].ravel(), full[10:-10].ravel())[0, 1] > 0.9
    record = json.loads((tmp_path / "exposure.json").read_text())["config"]
    assert (record["kvp"], record["mas"]) == (55.0, 9.0)
    for wrong in (["--exposure", "dental"], ["--kvp", "70"]):
        assert main([*words[:4], *SMALL, *wrong]) == 2
    said = capsys.readouterr().err
    assert "exposure: got 'dental'; expected one of" in said
    assert "kvp: got 70.0; expected --exposure with it" in said
    assert main([*words[:4], *SMALL, "--view", "LAT-L"]) == 0
    assert not {path.name for path in tmp_path.iterdir() if path.name.startswith("expos")}


def test_drr_with_labels_writes_one_layer_a_label_and_their_sum_is_the_radiograph(
    limb_file: Path, tmp_path: Path
) -> None:
    from BoneXrayLib.volume import read_volume
    from BoneXrayLib.volume_files import write_image_file

    limb = read_volume(limb_file)
    labels = (limb.hu > 200).astype(np.uint8)
    labels[: len(labels) // 2] *= 2
    write_image_file(tmp_path / "seg.nrrd", labels, limb.ijk_to_ras)
    (tmp_path / "names.json").write_text('{"1": "upper", "2": "lower"}')
    words = ["--labels", str(tmp_path / "seg.nrrd"), "--label-names", str(tmp_path / "names.json")]
    assert main(["drr", str(limb_file), "-o", str(tmp_path / "out"), *words, *SMALL]) == 0
    image = {path.stem: read_radiograph(path).pixels for path in (tmp_path / "out").glob("*.nrrd")}
    assert set(image) == {"full", "bone", "rest", "upper", "lower"}
    total = image["rest"] + image["upper"] + image["lower"]
    np.testing.assert_allclose(total, image["full"], atol=1e-5)
    np.testing.assert_allclose(image["upper"] + image["lower"], image["bone"], atol=1e-5)


def test_long_leg_writes_a_stitched_picture_and_says_what_its_lengths_mean(
    limb_file: Path, tmp_path: Path, capsys: Capture
) -> None:
    words = ["--shots", "2", "--method", "translate", "--pixel", "4"]
    assert main(["long-leg", str(limb_file), "-o", str(tmp_path / "out"), *words]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"full.nrrd", "full.png", "bone.nrrd", "bone.png", "long-leg.json"}
    record = json.loads((tmp_path / "out" / "long-leg.json").read_text())
    assert len(record["shots"]) == 2
    assert record["statement"] in capsys.readouterr().out


def test_run_extract_writes_bone_and_enhanced_in_the_inputs_own_units(
    drr_folder: Path, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ["run", "extract", str(drr_folder / "full.nrrd"), "-o", str(out), "--model", "small"]
    assert main([*words, "--enhance", "0.5"]) == 0
    images = {"input.png", "bone.png", "enhanced.png", "bone.nrrd", "enhanced.nrrd"}
    assert {path.name for path in out.iterdir()} == images | {"extract.json"}
    full = read_radiograph(drr_folder / "full.nrrd")
    bone = read_radiograph(out / "bone.nrrd")
    enhanced = read_radiograph(out / "enhanced.nrrd")
    assert bone.domain == enhanced.domain == "optical density"
    assert bone.pixel_mm == full.pixel_mm
    np.testing.assert_allclose(enhanced.pixels, full.pixels + 0.5 * bone.pixels, atol=1e-5)
    record = json.loads((out / "extract.json").read_text())
    assert record["config"]["enhance"] == 0.5
    assert record["model"]["name"] == "small"


def test_run_extract_maps_the_uncertainty_and_warns_on_stderr_of_what_looks_inverted(
    drr_folder: Path, model: Path, tmp_path: Path, capsys: Capture
) -> None:
    full = read_radiograph(drr_folder / "full.nrrd").pixels
    grey = np.repeat(np.repeat(255 * (1 - full / full.max()), 4, axis=0), 4, axis=1)
    Image.fromarray(grey.astype(np.uint8)).save(tmp_path / "a.png")
    words = ["run", "extract", str(tmp_path / "a.png"), "--model", "small"]
    assert main([*words, "-o", str(tmp_path / "out"), "--uncertainty"]) == 0
    said = capsys.readouterr()
    assert said.err.startswith("warning: looks inverted")
    assert len(said.err.splitlines()) == 1
    assert "inverted" not in said.out
    sigma = read_radiograph(tmp_path / "out" / "uncertainty.nrrd").pixels
    assert sigma.shape == grey.shape
    assert sigma.min() >= 0
    assert (tmp_path / "out" / "uncertainty.png").exists()
    record = json.loads((tmp_path / "out" / "extract.json").read_text())
    assert "inverted" in record["warnings"][0]
    assert main([*words, "-o", str(tmp_path / "json"), "--json-progress"]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["warnings"] == record["warnings"]
    assert not (tmp_path / "json" / "uncertainty.nrrd").exists()


def test_files_that_are_there_already_stay_unless_they_are_results(
    limb_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "drr.json").write_text("old")
    assert main(["drr", str(limb_file), "-o", str(tmp_path), *SMALL]) == 0
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert json.loads((tmp_path / "drr.json").read_text())["config"]


def test_progress_for_programs_is_one_json_object_a_line_and_the_result_comes_last(
    limb_file: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "out"
    assert main(["drr", str(limb_file), "-o", str(out), "--json-progress", *SMALL]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    fractions = [record["fraction"] for record in records]
    assert {record["stage"] for record in records[:-1]} == {"drr"}
    assert fractions == sorted(fractions)
    assert records[-1]["stage"] == "result"
    assert fractions[-1] == 1.0
    assert {Path(p) for p in records[-1]["paths"].values()} == set(out.iterdir())


def test_a_stages_warning_becomes_a_note_of_the_result_once() -> None:
    out, err = io.StringIO(), io.StringIO()
    report = Reporter("drr", as_json=True, out=out, err=err)
    with report.listening():
        logging.getLogger("BoneXrayLib.volume").warning("limb: uneven slices")
        logging.getLogger("BoneXrayLib.body").warning("limb: no couch")
        report.result("done", notes=["uneven slices"])
    assert json.loads(out.getvalue())["notes"] == ["uneven slices", "limb: no couch"]
    assert err.getvalue() == ""


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar_that_leaves_nothing_behind() -> None:
    out, err = io.StringIO(), Terminal()
    report = Reporter("drr", as_json=False, out=out, err=err)
    report.progress(0.5, "projecting")
    assert "50% projecting" in err.getvalue()
    report.result("done", {"image": Path("a.nrrd")})
    assert err.getvalue().endswith("\r")
    assert out.getvalue() == "done\n  a.nrrd\n"


def test_nothing_is_drawn_where_nobody_watches() -> None:
    out, err = io.StringIO(), io.StringIO()
    Reporter("drr", as_json=False, out=out, err=err).progress(0.5, "projecting")
    assert err.getvalue() == ""


def test_models_are_listed_shown_and_verified(model: Path, capsys: Capture) -> None:
    assert main(["models", "list"]) == 0
    assert "small" in capsys.readouterr().out
    assert main(["models", "show", "small"]) == 0
    assert "bright is bone" in capsys.readouterr().out
    for which in (str(model), "small"):
        assert main(["models", "verify", which]) == 0
        assert "right" in capsys.readouterr().out


def test_a_refused_folder_is_listed_with_its_reason(model: Path, capsys: Capture) -> None:
    (model / "weights.pkl").write_bytes(b"\x80\x04.")
    assert main(["models", "list"]) == 0
    out = capsys.readouterr().out
    assert "refused" in out
    assert "weights.pkl" in out


def test_samples_are_listed_with_their_licences_and_the_limb_is_made_offline(
    tmp_path: Path, capsys: Capture
) -> None:
    assert main(["samples"]) == 0
    assert "CC BY 3.0" in capsys.readouterr().out
    assert main(["samples", "limb", "-o", str(tmp_path)]) == 0
    assert (tmp_path / "limb.nrrd").is_file()


@pytest.mark.parametrize("words", [[], *[name.split() for name in COMMANDS]], ids=" ".join)
def test_help_says_what_a_command_does(words: list[str], capsys: Capture) -> None:
    assert main([*words, "--help"]) == 0
    said = capsys.readouterr().out
    first = (COMMANDS[" ".join(words)].__doc__ or "").split("\n")[0] if words else "COMMAND --help"
    assert first in said


def test_help_of_drr_has_every_field_and_its_unit(capsys: Capture) -> None:
    assert main(["drr", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for field in dataclasses.fields(DrrConfig):
        assert f"--{field.name.replace('_', '-')}" in said
    for unit in ("[mm]", "[HU]", "pixels"):
        assert unit in said


def test_the_version_is_the_packages_own(capsys: Capture) -> None:
    import BoneXrayLib

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"bone-xray {BoneXrayLib.__version__}\n"


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """Run a few lines in an interpreter of their own."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_help_and_the_list_of_models_import_nothing_heavy() -> None:
    code = (
        "import sys\nfrom BoneXrayTrainingLib.__main__ import main\n"
        "main(['drr', '--help']); main(['models', 'list'])\n"
        "heavy = {'torch', 'numba', 'monai', 'onnxruntime', 'SimpleITK', 'pydicom'}\n"
        "print('LOADED', sorted(heavy & set(sys.modules)))"
    )
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_ctrl_c_ends_with_130_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def interrupted(self: ModelsList, report: Reporter) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ModelsList, "run", interrupted)
    assert main(["models", "list"]) == 130
    assert capsys.readouterr().err == "bone-xray: error: interrupted\n"


def test_an_error_of_our_own_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: ModelsList, report: Reporter) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(ModelsList, "run", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["models", "list"])


def test_a_missing_package_is_named() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from BoneXrayTrainingLib.__main__ import main; sys.exit(main(['train', 'run.toml']))"
    )
    done = run_python(code)
    assert done.returncode == 2
    assert "needs the package torch; install bone-xray[train]" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals differ")
def test_the_first_ctrl_c_asks_and_the_second_interrupts() -> None:
    with ends_on_interrupt() as is_interrupted:
        assert not is_interrupted()
        os.kill(os.getpid(), signal.SIGINT)
        assert is_interrupted()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_cancelling_is_an_exception_of_its_own() -> None:
    raise_if_cancelled(None)
    raise_if_cancelled(lambda: False)
    with pytest.raises(Cancelled):
        raise_if_cancelled(lambda: True)


def test_a_file_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"output: folder .*nowhere does not exist; expected an"):
        check_output_file(tmp_path / "nowhere" / "figures.json")
    with pytest.raises(ValueError, match="is a folder; expected a file"):
        check_output_file(tmp_path)
    assert check_output_file(tmp_path / "figures.json") == tmp_path / "figures.json"


def test_what_begins_with_a_tilde_may_be_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~scan").write_text("")
    assert existing_path("~scan") == Path("~scan")
    with pytest.raises(FileNotFoundError, match="~nobody does not exist"):
        existing_path("~nobody")
