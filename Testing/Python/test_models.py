"""Model folders: found by dropping them in, refused by name when they are not what they say."""

import dataclasses
import hashlib
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from BoneXrayLib.models import (
    ModelCard,
    find_model,
    list_models,
    read_model_file,
    refused_models,
    trained_folder,
    verify_model,
    write_card,
)


def a_card(**changes: object) -> ModelCard:
    fields = {
        "schema": 1,
        "name": "plain",
        "task": "extract",
        "version": "1.2.0",
        "description": "For tests.",
        "input": {
            "domain": ["optical density", "display"],
            "pixel_mm": [0.1, 3.0],
            "size_multiple": 8,
            "channels": ["image", "scale"],
            "polarity": "bone bright",
            "working_size": 512,
        },
        "outputs": [{"name": "bone", "colour": [241, 214, 145]}],
        "trained_on": {"sources": [{"name": "phantom", "licence": "MIT"}], "cts": 0},
        "evaluation": [{"data": "phantom", "metric": "PSNR", "value": 20.0, "baseline": 16.0}],
        "intended_use": "Tests.",
        "limits": "All else.",
    }
    return ModelCard(**{**fields, **changes})


def safetensors_bytes(header: bytes = b"{}") -> bytes:
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header


def a_folder(parent: Path, name: str = "plain") -> Path:
    folder = parent / name
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"\x08\x08 not a graph, but nothing here runs it")
    (folder / "weights.safetensors").write_bytes(safetensors_bytes())
    write_card(folder, a_card(name=name))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return a_folder(tmp_path)


@pytest.fixture(autouse=True)
def _no_models_of_the_user(tmp_path_factory: pytest.TempPathFactory, monkeypatch) -> None:
    monkeypatch.setenv("BONEXRAY_MODELS", str(tmp_path_factory.mktemp("user")))


def change_card(folder: Path, change: Callable[[dict], object]) -> None:
    path = folder / "card.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def add_listed(folder: Path, name: str, data: bytes) -> None:
    """Add a file that the card lists with its right hash."""
    (folder / name).write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    change_card(folder, lambda card: card["sha256"].update({name: digest}))


def test_dropping_a_folder_in_is_enough_to_list_it(tmp_path, monkeypatch):
    monkeypatch.setenv("BONEXRAY_MODELS", str(tmp_path))
    before = [model.card.name for model in list_models()]
    a_folder(tmp_path, "mine")
    assert [model.card.name for model in list_models()] == ["mine", *before]
    assert find_model("mine", "extract").folder == tmp_path / "mine"


def test_a_card_survives_writing_and_reading(folder):
    card = verify_model(folder).card
    assert card == dataclasses.replace(a_card(), sha256=card.sha256)
    assert set(card.sha256) == {"model.onnx", "weights.safetensors"}


def test_a_model_is_found_by_name_by_folder_and_in_a_folder_of_folders(folder):
    assert find_model(folder).folder == folder
    assert find_model(str(folder), "extract").folder == folder
    assert find_model("plain", folders=[folder]).folder == folder
    assert find_model("plain", folders=[folder.parent]).folder == folder


def test_a_broken_folder_is_listed_with_its_reason_and_spoils_nothing(tmp_path):
    good, bad = a_folder(tmp_path, "good"), a_folder(tmp_path, "bad")
    (tmp_path / "empty").mkdir()
    (bad / "model.onnx").write_bytes(b"changed")
    assert [m.folder for m in list_models([tmp_path])][:1] == [good]
    reasons = {r.folder.name: r.reason for r in refused_models([tmp_path])}
    assert "model.onnx differs from its card" in reasons["bad"]
    assert "card.json is missing" in reasons["empty"]
    with pytest.raises(ValueError, match=r"bad: model.onnx differs"):
        find_model("bad", folders=[tmp_path])


@pytest.mark.parametrize(
    ("key", "value"), [("recipe", []), ("recipe", {}), ("pixel_mm", [0.1, 10**400])]
)
def test_an_odd_card_is_refused_and_the_others_stay(tmp_path, key, value):
    good, odd = a_folder(tmp_path, "good"), a_folder(tmp_path, "odd")
    card = json.loads((odd / "card.json").read_text())
    card["input"][key] = value
    card["task"] = "separate" if key == "recipe" else card["task"]
    (odd / "card.json").write_text(json.dumps(card))
    assert [m.folder for m in list_models([tmp_path])][:1] == [good]
    assert [r.folder for r in refused_models([tmp_path])] == [odd]


def test_an_unknown_name_ends_in_one_line_that_names_those_there(folder):
    with pytest.raises(ValueError, match="'nothing' is neither a model nor a folder") as error:
        find_model("nothing", "extract", [folder])
    assert "plain" in str(error.value)


def test_a_model_of_another_task_is_refused(folder):
    with pytest.raises(ValueError, match="is for 'extract'; expected one for 'segment'"):
        find_model("plain", "segment", [folder])
    assert folder not in [m.folder for m in list_models([folder], "segment")]


WRONG_CARDS: dict[str, tuple[Callable[[dict], object], str]] = {
    "unknown schema": (lambda c: c.update(schema=2), "schema is 2; expected 1"),
    "schema as a float": (lambda c: c.update(schema=1.0), r"schema is 1.0; expected 1"),
    "unknown task": (lambda c: c.update(task="guess"), "task is 'guess'; expected one of extract"),
    "missing field": (lambda c: c.pop("limits"), "limits is missing"),
    "missing hashes": (lambda c: c.pop("sha256"), "sha256 is missing"),
    "unknown field": (lambda c: c.update(code="x"), "unknown field 'code'"),
    "name that is a path": (lambda c: c.update(name="../x"), "name is '../x'"),
    "empty text": (lambda c: c.update(version=" "), "version is ' '"),
    "input no object": (lambda c: c.update(input=[]), "input is"),
    "input field missing": (lambda c: c["input"].pop("domain"), "input.domain is missing"),
    "unknown domain": (lambda c: c["input"].update(domain="x"), "input.domain is 'x'"),
    "pixel range": (lambda c: c["input"].update(pixel_mm=[3, 1]), "input.pixel_mm"),
    "multiple": (lambda c: c["input"].update(size_multiple=0), "input.size_multiple is 0"),
    "working size": (lambda c: c["input"].update(working_size=1e9), "input.working_size"),
    "closer": (lambda c: c["input"].update(closer=["nose"]), "input.closer is .'nose'"),
    "finest pixel": (lambda c: c["input"].update(finest_mm=0), "input.finest_mm is 0"),
    "channels": (lambda c: c["input"].update(channels=3), "input.channels is 3"),
    "polarity": (lambda c: c["input"].update(polarity="dark"), "input.polarity"),
    "outputs": (lambda c: c.update(outputs=[]), "outputs is"),
    "licence": (lambda c: c["trained_on"]["sources"][0].pop("licence"), "trained_on.sources"),
    "evaluation": (lambda c: c["evaluation"][0].pop("baseline"), "evaluation is"),
    "path traversal": (
        lambda c: c["sha256"].update({"../card.json": "0" * 64}),
        "sha256 is '../card.json'",
    ),
    "absolute path": (lambda c: c["sha256"].update({"/etc/passwd": "0" * 64}), "plain file names"),
    "no hash": (lambda c: c["sha256"].update({"model.onnx": "1"}), "64 hexadecimal digits"),
    "listed but not there": (lambda c: c["sha256"].update({"a.txt": "0" * 64}), "a.txt is missing"),
}


@pytest.mark.parametrize("case", WRONG_CARDS)
def test_a_wrong_card_is_refused_by_name_in_one_line(folder, case):
    change, said = WRONG_CARDS[case]
    change_card(folder, change)
    with pytest.raises(ValueError, match=said) as error:
        verify_model(folder)
    assert str(error.value).startswith(f"model {folder}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not valid JSON"),
        (b"{'a': 1}", "not valid JSON"),
        (b"\xff\xfe\x00", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[1]", "expected a JSON object"),
        (b" " * (2**20 + 1), "at most 1048576"),
    ],
)
def test_a_card_that_is_no_card_is_refused(folder, content, said):
    (folder / "card.json").write_bytes(content)
    with pytest.raises(ValueError, match=said):
        verify_model(folder)


def test_files_missing_changed_or_not_listed_are_refused(folder):
    onnx = folder / "model.onnx"
    data = onnx.read_bytes()
    onnx.unlink()
    with pytest.raises(ValueError, match=r"model.onnx is missing"):
        verify_model(folder)
    onnx.write_bytes(data + b"1")
    with pytest.raises(ValueError, match=r"model.onnx differs from its card"):
        verify_model(folder)
    onnx.write_bytes(data)
    verify_model(folder)
    (folder / "readme.txt").write_text("hello")
    with pytest.raises(ValueError, match=r"holds 'readme.txt', which its card does not list"):
        verify_model(folder)


def test_what_file_managers_leave_behind_does_no_harm(folder):
    (folder / ".DS_Store").write_bytes(b"x")
    verify_model(folder)


def test_folders_and_links_inside_are_refused(folder, tmp_path):
    (folder / "more").mkdir()
    with pytest.raises(ValueError, match="'more', which is a folder or a link"):
        verify_model(folder)
    (folder / "more").rmdir()
    (tmp_path / "elsewhere.txt").write_text("x")
    try:
        (folder / "link.txt").symlink_to(tmp_path / "elsewhere.txt")
    except OSError:
        pytest.skip("no links on this system")
    with pytest.raises(ValueError, match=r"'link.txt', which is a folder or a link"):
        verify_model(folder)


@pytest.mark.parametrize("name", ["a.pkl", "a.pt", "a.PTH", "a.pickle", "a.bin", "a.ckpt", "a.npy"])
def test_a_pickle_is_refused_by_its_suffix_though_listed(folder, name):
    add_listed(folder, name, b"harmless")
    with pytest.raises(ValueError, match=f"holds '{name}', a pickle"):
        verify_model(folder)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", ["notes.txt", "weights.onnx"])
def test_a_pickle_is_refused_by_its_first_bytes_whatever_it_is_called(folder, name, protocol):
    add_listed(folder, name, pickle.dumps({"a": 1}, protocol=protocol))
    with pytest.raises(ValueError, match=f"holds '{name}', which is a pickle or an archive"):
        verify_model(folder)


def test_what_torch_and_numpy_save_is_refused_under_any_name(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "t", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps([1]))
    add_listed(folder, "notes.md", (tmp_path / "t").read_bytes())
    with pytest.raises(ValueError, match=r"'notes.md', which is a pickle or an archive"):
        verify_model(folder)
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    add_listed(folder, "notes.md", (tmp_path / "a.npy").read_bytes())
    with pytest.raises(ValueError, match=r"'notes.md', which is a pickle or an archive"):
        verify_model(folder)


def test_weights_must_be_safetensors_inside(folder):
    add_listed(folder, "weights.safetensors", pickle.dumps([1] * 1000))
    with pytest.raises(ValueError, match="is not a safetensors file"):
        verify_model(folder)


def test_weights_whose_length_looks_like_a_pickle_are_taken(folder):
    data = safetensors_bytes(b'{"__metadata__":{"a":"' + b"x" * (0x280 - 27) + b'"}}')
    assert data.startswith(b"\x80\x02")
    add_listed(folder, "weights.safetensors", data)
    verify_model(folder)


def test_strange_files_are_refused_though_listed(folder):
    add_listed(folder, "plugin.py", b"print()")
    with pytest.raises(ValueError, match=r"holds 'plugin.py'; expected only .onnx"):
        verify_model(folder)


def test_a_huge_file_is_refused_before_it_is_read(folder, monkeypatch):
    monkeypatch.setattr("BoneXrayLib.cards.model_files.MAX_FILE_BYTES", 20)
    with pytest.raises(ValueError, match="bytes; expected at most 20"):
        verify_model(folder)


def test_a_card_is_not_written_over_a_pickle(folder):
    before = (folder / "card.json").read_bytes()
    (folder / "state.pt").write_bytes(b"x")
    with pytest.raises(ValueError, match="a pickle"):
        write_card(folder, a_card(version="2"))
    assert (folder / "card.json").read_bytes() == before
    assert sorted(p.name for p in folder.iterdir())[0] == "card.json"


def test_a_file_exchanged_after_the_check_is_noticed_as_it_is_read(folder):
    model = verify_model(folder)
    assert read_model_file(model, "model.onnx").startswith(b"\x08")
    (folder / "model.onnx").write_bytes(b"other")
    with pytest.raises(ValueError, match="differs from its card"):
        read_model_file(model, "model.onnx")
    with pytest.raises(ValueError, match=r"has no other.onnx"):
        read_model_file(model, "other.onnx")


def test_every_shipped_model_is_right():
    assert refused_models() == []
    for folder in trained_folder().glob("*/card.json"):
        verify_model(folder.parent)
