"""Wrong input ends in one line that says what is wrong, exit code 2, and nothing half-written."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dicom_writing import CR_CLASS, image_dataset, save, write_ct
from PIL import Image
from small_model import write_small_model

from BoneXrayLib.volume_files import write_image_file
from BoneXrayTrainingLib.__main__ import main

Words = list[str]
KINDS: dict[str, tuple[Callable[[Path], Words], str]] = {}
SPACING = np.diag([1.0, 1.0, 1.0, 1.0])
CT_SHAPE = (12, 20, 20)


def kind(expected: str) -> Callable[[Callable[[Path], Words]], Callable[[Path], Words]]:
    """Register a way to go wrong: it writes files and gives the command; `expected` is answered."""

    def register(make: Callable[[Path], Words]) -> Callable[[Path], Words]:
        KINDS[make.__name__] = (make, expected)
        return make

    return register


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Every file with its content and every folder."""
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None
        for p in folder.rglob("*")
    }


def body(shape: tuple[int, int, int] = CT_SHAPE) -> np.ndarray:
    """A block of tissue with a bone in it, HU (k, j, i) int16."""
    hu = np.full(shape, -1000, np.int16)
    hu[:, 3:-3, 3:-3] = 40
    hu[:, 8:12, 8:12] = 800
    return hu


def good_ct(folder: Path) -> str:
    """A CT that can be read."""
    write_image_file(folder / "good.nrrd", body(), SPACING)
    return str(folder / "good.nrrd")


def drr(ct: object, *words: str) -> Words:
    """The drr command on a CT."""
    return ["drr", str(ct), "-o", "out", "--size", "16", "16", "--pixel", "4", *words]


def series(folder: Path, heights: list[float], **fields: object) -> list[Path]:
    """A small DICOM series of a block."""
    return write_ct(folder, lambda at: np.where(at[..., 0] > 0, 40.0, -1000.0), heights, **fields)


def nifti(path: Path, values: np.ndarray, spacing: tuple[float, ...] = (1.0, 1.0, 1.0)) -> Path:
    """A NIfTI-1 file by hand: with values and spacings no writer would agree to."""
    header = np.zeros(
        1,
        [("sizeof", "<i4"), ("_a", "V36"), ("dim", "<i2", 8), ("_b", "V14"), ("datatype", "<i2"),
         ("bitpix", "<i2"), ("_c", "V2"), ("pixdim", "<f4", 8), ("vox_offset", "<f4"),
         ("slope", "<f4"), ("_d", "V136"), ("sform", "<i2"), ("_e", "V26"), ("srow", "<f4", 12),
         ("_f", "V16"), ("magic", "S4")],
    )  # fmt: skip
    header["sizeof"], header["vox_offset"], header["magic"] = 348, 352, b"n+1"
    header["dim"][0, : values.ndim + 1] = [values.ndim, *values.shape[::-1]]
    header["pixdim"][0, : len(spacing) + 1] = [1, *spacing]
    code = {"float32": 16, "int16": 4}[values.dtype.name]
    header["datatype"], header["bitpix"] = code, values.dtype.itemsize * 8
    header["slope"], header["sform"] = 1, 1
    header["srow"] = np.eye(3, 4).ravel() * np.repeat(spacing[:3], 4)
    path.write_bytes(gzip.compress(header.tobytes() + b"\0" * 4 + values.tobytes()))
    return path


@kind("ct: nowhere does not exist")
def missing_ct(folder: Path) -> Words:
    return drr("nowhere")


@kind("ct")
def empty_folder(folder: Path) -> Words:
    (folder / "empty").mkdir()
    return drr("empty")


@kind("ct")
def truncated_dicom_series(folder: Path) -> Words:
    for path in series(folder / "ct", [0, 2, 4, 6]):
        path.write_bytes(path.read_bytes()[:-700])
    return drr("ct")


@kind("1 slice")
def one_slice(folder: Path) -> Words:
    series(folder / "ct", [0])
    return drr("ct")


@kind("series")
def several_series_in_one_folder(folder: Path) -> Words:
    series(folder / "ct", [0, 2, 4], series="1.2.3")
    series(folder / "ct", [0, 2, 4], series="1.2.4")
    return drr("ct")


@kind("MR")
def an_mr_as_ct(folder: Path) -> Words:
    series(folder / "mr", [0, 2, 4], Modality="MR", SOPClassUID="1.2.840.10008.5.1.4.1.1.4")
    return drr("mr")


@kind("bad.dcm")
def a_text_file_named_dcm(folder: Path) -> Words:
    (folder / "bad.dcm").write_text("These are not the pixels you are looking for.\n" * 20)
    return drr("bad.dcm")


@kind("NaN")
def nifti_with_nan(folder: Path) -> Words:
    values = body().astype(np.float32)
    values[3, 4, 5] = np.nan
    return drr(nifti(folder / "nan.nii.gz", values))


@kind("zero.nii.gz")
def zero_spacing(folder: Path) -> Words:
    return drr(nifti(folder / "zero.nii.gz", body(), (1.0, 0.0, 1.0)))


@kind("broken.nii.gz")
def truncated_nifti(folder: Path) -> Words:
    noise = np.random.default_rng(3).integers(-20, 20, CT_SHAPE).astype(np.int16)
    path = nifti(folder / "broken.nii.gz", body() + noise)
    path.write_bytes(path.read_bytes()[:-900])
    return drr(path)


@kind("series.nii.gz")
def a_time_series(folder: Path) -> Words:
    return drr(nifti(folder / "series.nii.gz", np.stack([body()] * 3), (1.0, 1.0, 1.0, 1.0)))


@kind("rgb.nrrd")
def a_colour_volume_as_ct(folder: Path) -> Words:
    import SimpleITK as sitk

    colours = np.repeat(body().astype(np.uint8)[..., None], 3, axis=-1)
    sitk.WriteImage(sitk.GetImageFromArray(colours, isVector=True), str(folder / "rgb.nrrd"))
    return drr("rgb.nrrd")


@kind("complex")
def complex_values_as_ct(folder: Path) -> Words:
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(body().astype(np.complex64))
    sitk.WriteImage(image, str(folder / "complex.nrrd"))
    return drr("complex.nrrd")


@kind("flat.nrrd")
def a_ct_without_contrast(folder: Path) -> Words:
    write_image_file(folder / "flat.nrrd", np.full(CT_SHAPE, 7, np.int16), SPACING)
    return drr("flat.nrrd")


@kind("pixel: got -1.0; expected a positive length in mm")
def negative_pixel(folder: Path) -> Words:
    return drr(good_ct(folder), "--pixel", "-1")


@kind("pixel: got 12.0; expected 0.001 to 10 mm")
def a_pixel_that_no_radiograph_has(folder: Path) -> Words:
    return drr(good_ct(folder), "--pixel", "12")


@kind("size: got (0, 64)")
def no_rows(folder: Path) -> Words:
    return drr(good_ct(folder), "--size", "0", "64")


@kind("size: got (20000, 20000)")
def a_huge_detector(folder: Path) -> Words:
    return drr(good_ct(folder), "--size", "20000", "20000")


@kind("--size")
def a_size_that_is_no_number(folder: Path) -> Words:
    return drr(good_ct(folder), "--size", "large", "64")


@kind("hu")
def a_reversed_hu_window(folder: Path) -> Words:
    return drr(good_ct(folder), "--hu", "800", "400")


@kind("preset")
def an_unknown_preset(folder: Path) -> Words:
    return drr(good_ct(folder), "--preset", "titanium")


@kind("view: got 'UP'; expected one of AP, PA,")
def an_unknown_view(folder: Path) -> Words:
    return drr(good_ct(folder), "--view", "UP")


@kind("beam: got 'laser'; expected one of cone, parallel, localizer")
def an_unknown_beam(folder: Path) -> Words:
    return drr(good_ct(folder), "--beam", "laser")


@kind("source_object: got 1900.0; expected less than source_detector")
def the_object_behind_the_detector(folder: Path) -> Words:
    return drr(good_ct(folder), "--source-object", "1900")


@kind("pose: nowhere.json does not exist")
def a_missing_pose(folder: Path) -> Words:
    return drr(good_ct(folder), "--pose", "nowhere.json")


@kind("pose: good.nrrd: ")
def a_ct_as_pose(folder: Path) -> Words:
    return drr(good_ct(folder), "--pose", "good.nrrd")


@kind("pose: matrix.txt: line 2 holds 3 numbers; expected 4")
def a_matrix_that_misses_a_number(folder: Path) -> Words:
    (folder / "matrix.txt").write_text("1 0 0 0\n0 1 0\n0 0 1 0\n")
    return drr(good_ct(folder), "--pose", "matrix.txt")


@kind("pose: matrix.txt: projection: has no source")
def a_matrix_of_a_parallel_beam(folder: Path) -> Words:
    (folder / "matrix.txt").write_text("1 0 0 0\n0 1 0 0\n0 0 0 1\n")
    return drr(good_ct(folder), "--pose", "matrix.txt")


@kind("pose: chest.dcm misses PositionerPrimaryAngle (0018,1510)")
def a_radiograph_without_a_c_arm_as_pose(folder: Path) -> Words:
    pixels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    save(image_dataset(pixels, CR_CLASS, "CR"), folder / "chest.dcm")
    return drr(good_ct(folder), "--pose", "chest.dcm")


def long_leg(folder: Path, *words: str) -> Words:
    """The long-leg command on a CT that can be read."""
    return ["long-leg", good_ct(folder), "-o", "out", "--pixel", "2", *words]


@kind("method: got 'slide'; expected one of translate, tilt")
def an_unknown_way_to_stitch(folder: Path) -> Words:
    return long_leg(folder, "--method", "slide")


@kind("overlap: got 90; expected less than the length, 50 mm")
def shots_that_overlap_wholly(folder: Path) -> Words:
    return long_leg(folder, "--length", "50", "--overlap", "90")


@kind("length: 60000 mm would be 30000 pixels; expected at most 8192")
def a_leg_of_60_metres(folder: Path) -> Words:
    return long_leg(folder, "--length", "60000")


@kind("source_object: got 4; the tube would stand within the CT")
def a_tube_within_the_leg(folder: Path) -> Words:
    return long_leg(folder, "--source-object", "4")


@kind("labels")
def labels_that_lie_elsewhere(folder: Path) -> Words:
    far = SPACING.copy()
    far[:3, 3] = 5000
    write_image_file(folder / "far.nrrd", np.ones((4, 5, 6), np.uint8), far)
    return drr(good_ct(folder), "--labels", "far.nrrd")


@kind("label_names")
def names_without_labels(folder: Path) -> Words:
    (folder / "names.json").write_text("{}")
    return drr(good_ct(folder), "--label-names", "names.json")


@kind("--colour")
def an_unknown_option(folder: Path) -> Words:
    return drr(good_ct(folder), "--colour", "red")


@kind("--output")
def no_output(folder: Path) -> Words:
    return ["drr", good_ct(folder)]


@kind("command: got 'drrr'; expected one of drr, evaluate")
def an_unknown_command(folder: Path) -> Words:
    return ["drrr"]


@kind("run command: got 'fracture'; expected one of extract, reconstruct, segment, separate")
def a_task_that_is_not_there(folder: Path) -> Words:
    return ["run", "fracture", "image.png", "-o", "out"]


@kind("is a file; expected a folder")
def the_output_is_a_file(folder: Path) -> Words:
    (folder / "out").write_text("mine")
    return drr(good_ct(folder))


@kind("output")
def the_output_lies_in_a_file(folder: Path) -> Words:
    (folder / "file").write_text("mine")
    return ["drr", good_ct(folder), "-o", "file/out"]


@kind("output")
def the_output_cannot_be_written(folder: Path) -> Words:
    blocked = Path("/proc/bone-xray")
    if not blocked.parent.is_dir():
        pytest.skip("needs a folder that not even root can write to")
    return ["drr", good_ct(folder), "-o", str(blocked), "--size", "16", "16"]


def extract(image: object, *words: str, model: str | None = None) -> Words:
    """The extraction command on an image, with a model that is there unless another is named."""
    if model is None:
        model = str(write_small_model(Path.cwd() / "models" / "small"))
    return ["run", "extract", str(image), "-o", "out", "--model", model, *words]


def picture(folder: Path, shape: tuple[int, int] = (48, 40)) -> str:
    """A grey picture that can be read."""
    ramp = np.linspace(0, 255, shape[0] * shape[1]).reshape(shape).astype(np.uint8)
    Image.fromarray(ramp).save(folder / "image.png")
    return "image.png"


@kind("image: nowhere.png does not exist")
def a_missing_image(folder: Path) -> Words:
    return extract("nowhere.png")


@kind("is a folder")
def a_folder_as_image(folder: Path) -> Words:
    (folder / "pictures").mkdir()
    return extract("pictures")


@kind("note.png")
def a_text_file_named_png(folder: Path) -> Words:
    (folder / "note.png").write_text("not a picture")
    return extract("note.png")


@kind("half.png")
def a_truncated_picture(folder: Path) -> Words:
    noise = np.random.default_rng(1).integers(0, 255, (64, 64)).astype(np.uint8)
    Image.fromarray(noise).save(folder / "half.png")
    (folder / "half.png").write_bytes((folder / "half.png").read_bytes()[:900])
    return extract("half.png")


@kind("broken.dcm")
def a_truncated_radiograph(folder: Path) -> Words:
    pixels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    path = save(image_dataset(pixels, CR_CLASS, "CR"), folder / "broken.dcm")
    path.write_bytes(path.read_bytes()[:-4000])
    return extract("broken.dcm")


@kind("1 x 1")
def an_image_of_one_pixel(folder: Path) -> Words:
    Image.new("L", (1, 1), 7).save(folder / "dot.png")
    return extract("dot.png")


@kind("20000")
def an_image_of_20000_pixels_a_side(folder: Path) -> Words:
    Image.new("1", (20000, 20000)).save(folder / "huge.png")
    return extract("huge.png")


@kind("contrast")
def a_constant_image(folder: Path) -> Words:
    Image.new("L", (64, 64), 128).save(folder / "flat.png")
    return extract("flat.png")


@kind("enhance: got 3.0; expected -1 to 2")
def enhance_out_of_range(folder: Path) -> Words:
    return extract(picture(folder), "--enhance", "3")


@kind("polarity")
def an_unknown_polarity(folder: Path) -> Words:
    return extract(picture(folder), "--polarity", "negative")


@kind("pixel: got 0.0")
def a_pixel_of_no_size(folder: Path) -> Words:
    return extract(picture(folder), "--pixel", "0")


@kind("neither a model nor a folder")
def a_missing_model(folder: Path) -> Words:
    return extract(picture(folder), model="extract-everything")


def changed_model(folder: Path, **card: object) -> str:
    """A model folder whose card says something else."""
    model = write_small_model(folder / "changed")
    values = json.loads((model / "card.json").read_text())
    (model / "card.json").write_text(json.dumps(values | card))
    return str(model)


@kind("SHA-256")
def a_model_that_was_changed(folder: Path) -> Words:
    model = changed_model(folder)
    with (Path(model) / "model.onnx").open("ab") as file:
        file.write(b"more")
    return extract(picture(folder), model=model)


@kind("SHA-256")
def a_card_with_a_wrong_hash(folder: Path) -> Words:
    return extract(picture(folder), model=changed_model(folder, sha256={"model.onnx": "0" * 64}))


@kind("model.onnx")
def a_forged_model_of_text(folder: Path) -> Words:
    import hashlib

    text = b"print('hello')"
    digest = hashlib.sha256(text).hexdigest()
    model = changed_model(folder, sha256={"model.onnx": digest})
    (Path(model) / "model.onnx").write_bytes(text)
    return extract(picture(folder), model=model)


@kind("weights.pkl")
def a_pickle_in_the_model_folder(folder: Path) -> Words:
    model = changed_model(folder)
    (Path(model) / "weights.pkl").write_bytes(b"\x80\x04N.")
    return extract(picture(folder), model=model)


@kind("schema")
def a_card_of_an_unknown_schema(folder: Path) -> Words:
    return extract(picture(folder), model=changed_model(folder, schema=99))


@kind("expected one for 'extract'")
def a_model_for_another_task(folder: Path) -> Words:
    return extract(picture(folder), model=changed_model(folder, task="segment"))


@kind("card.json")
def a_folder_that_is_no_model(folder: Path) -> Words:
    (folder / "nothing").mkdir()
    return ["models", "verify", "nothing"]


def train(folder: Path, text: str, *words: str) -> Words:
    """The training command on a configuration."""
    (folder / "run.toml").write_text(text)
    return ["train", "run.toml", *words]


RUN = """
name = "test"
data_root = "{root}"
run = "run"
[[ct]]
path = "ct.nii.gz"
patient = "someone"
licence = "MIT"
"""


@kind("no TOML")
def a_configuration_that_is_no_toml(folder: Path) -> Words:
    return train(folder, "name = = 3")


@kind("unknown 'stepz'")
def a_configuration_with_an_unknown_key(folder: Path) -> Words:
    return train(folder, "stepz = 3\n" + RUN.format(root="."))


@kind("steps")
def a_configuration_with_a_wrong_type(folder: Path) -> Words:
    return train(folder, 'steps = "many"\n' + RUN.format(root="."))


@kind("data_root")
def a_missing_data_root(folder: Path) -> Words:
    return train(folder, RUN.format(root="nowhere"))


@kind("checkpoint")
def a_run_that_never_was_resumed(folder: Path) -> Words:
    return train(folder, RUN.format(root="."), "--resume")


@kind("run")
def an_export_of_no_run(folder: Path) -> Words:
    return ["export", "nowhere", "-o", "out"]


@kind("--data")
def an_evaluation_without_data(folder: Path) -> Words:
    return ["evaluate", "extract"]


@kind("output: . is a folder; expected a file")
def figures_into_a_folder(folder: Path) -> Words:
    return ["evaluate", "separate", "--data", "joints", "--json", "."]


@kind("ct: nowhere.nii.gz does not exist")
def an_evaluation_of_a_missing_ct(folder: Path) -> Words:
    model = str(write_small_model(folder / "models" / "small"))
    return ["evaluate", "extract", "--model", model, "--data", "nowhere.nii.gz"]


@kind("expected one of limb, chest-ct")
def an_unknown_sample(folder: Path) -> Words:
    return ["samples", "knee"]


@pytest.mark.parametrize("name", KINDS)
def test_bad_input_ends_in_one_line(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make, expected = KINDS[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BONEXRAY_MODELS", str(tmp_path / "models"))
    words = make(tmp_path)
    before = snapshot(tmp_path)
    code = main(words)
    said = capsys.readouterr()
    assert code == 2, said
    assert said.out == ""
    assert len(said.err.splitlines()) == 1, said.err
    assert said.err.startswith("bone-xray: error: ")
    assert len(said.err) < 700
    assert expected in said.err
    assert snapshot(tmp_path) == before
