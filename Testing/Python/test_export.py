"""A run becomes a model folder that verifies, stays small and answers the same everywhere."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file, save_file
from small_run import NETWORK, small_config

from BoneXrayLib.inference import run_network
from BoneXrayLib.models import verify_model, write_card
from BoneXrayLib.running.networks import build_network
from BoneXrayLib.running.packed_weights import packed, unpacked
from BoneXrayTrainingLib.exporting.export import export, make_card
from BoneXrayTrainingLib.exporting.export_onnx import (
    share_weights,
    store_weights_small,
    write_network,
)
from BoneXrayTrainingLib.learning.beginnings import sources_of
from BoneXrayTrainingLib.learning.configuration import read_config
from BoneXrayTrainingLib.learning.trainer import train
from BoneXrayTrainingLib.mesh_ct import MeshConfig
from BoneXrayTrainingLib.mesh_ct.meshes import Towards
from BoneXrayTrainingLib.sampling.dataset import CtSource


@pytest.fixture(scope="module")
def run(limb_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "run"
    train(small_config(limb_file, folder, steps=3, average=0.5))
    return folder


@pytest.fixture(scope="module")
def folder(run: Path) -> Path:
    return export(run, run.parent / "model", version="0.9", working_size=64)


def test_the_model_folder_verifies_and_says_what_it_is(folder: Path) -> None:
    model = verify_model(folder)
    files = {"card.json", "model.onnx", "weights.safetensors"}
    assert {path.name for path in folder.iterdir()} == files
    assert (model.card.name, model.card.version, model.card.task) == ("tiny", "0.9", "extract")
    assert model.card.input["working_size"] == 64
    assert model.card.input["size_multiple"] == 16
    assert model.card.trained_on["sources"] == [{"name": "limb", "licence": "MIT"}]
    assert model.card.trained_on["steps"] == 3


def test_a_mean_of_two_runs_lies_between_them_and_the_card_says_so(
    run: Path, limb_file: Path, tmp_path: Path
) -> None:
    train(small_config(limb_file, tmp_path / "other", steps=2, average=0.5, seed=9))
    other_run = str(tmp_path / "other")
    choices = ({}, {"mean_with": other_run, "mean_share": 1.0},
               {"mean_with": other_run, "mean_share": 0.25})  # fmt: skip
    made = [export(run, tmp_path / f"m{n}", working_size=64, **c) for n, c in enumerate(choices)]
    own, other, mean = (load_file(folder / "weights.safetensors") for folder in made)
    for name, value in own.items():
        between = 0.75 * value.float() + 0.25 * other[name].float()
        assert torch.allclose(mean[name].float(), between, atol=2e-3), name
    assert any(not torch.equal(value, other[name]) for name, value in own.items())
    card = verify_model(tmp_path / "m2").card
    assert card.trained_on["mean_with"] == {"name": "tiny", "steps": 2, "share": 0.25}
    assert card.trained_on["sources"] == [{"name": "limb", "licence": "MIT"}]
    assert "mean_with" not in verify_model(tmp_path / "m0").card.trained_on


def test_a_mean_is_taken_of_one_network_only(run: Path, tmp_path: Path) -> None:
    for choice, said in (
        ({"mean_with": "extract-general"}, "mean_with: extract-general has the network"),
        ({"mean_with": str(tmp_path)}, "model"),
        ({"mean_with": str(run), "mean_share": 1.5}, "mean_share: got 1.5; expected 0 to 1"),
    ):
        with pytest.raises(ValueError, match=said):
            export(run, tmp_path / "model", **choice)
        assert not (tmp_path / "model").exists()


def test_images_are_shown_as_large_as_patients_were_in_training(run: Path, tmp_path: Path) -> None:
    model = verify_model(export(run, tmp_path / "model"))
    config = read_config(run / "config.json")
    low, high = (
        config.pairs.size / field / scale
        for field, scale in zip(
            config.pairs.field_of_view[::-1], config.augmentation.scale[::-1], strict=True
        )
    )
    assert low - 8 < model.card.input["working_size"] < high + 8
    assert model.card.framing == "content"
    with pytest.raises(ValueError, match="framing: got 'half'; expected one of whole, content"):
        export(run, tmp_path / "other", framing="half")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("sides", [(64, 64), (48, 80), (37, 53)])
def test_onnx_runtime_and_torch_agree_at_any_size(
    folder: Path, sides: tuple[int, int], rng: np.random.Generator
) -> None:
    model = verify_model(folder)
    image = rng.random((3, *sides), dtype=np.float32)
    onnx_answer = run_network(model, image)
    torch_answer = run_network(model, image, runtime="torch")
    assert onnx_answer.shape == (1, *sides)
    assert np.abs(onnx_answer - torch_answer).max() < 1e-4
    assert onnx_answer.std() > 0


def test_the_averaged_weights_are_exported_at_half_the_size(run: Path, folder: Path) -> None:
    average = load_file(next(run.glob("checkpoint-*")) / "average.safetensors")
    written = load_file(folder / "weights.safetensors")
    for name, value in written.items():
        assert value.dtype == torch.float16
        assert torch.equal(value, average[name].half()), name
    parameters = sum(value.numel() for value in average.values())
    assert (folder / "weights.safetensors").stat().st_size < 2 * parameters + 60_000
    kinds = {
        weight.data_type
        for weight in onnx.load(folder / "model.onnx").graph.initializer
        if np.prod(weight.dims) > 64
    }
    assert kinds == {onnx.TensorProto.FLOAT16}


@pytest.mark.parametrize("bits", [16, 8, 6, 4])
def test_weights_lie_once_in_the_folder_and_onnx_finds_them(
    run: Path, tmp_path: Path, rng: np.random.Generator, bits: int
) -> None:
    model = verify_model(export(run, tmp_path / "model", working_size=64, bits=bits))
    assert len({path.stat().st_mode for path in model.folder.iterdir()}) == 1, "read by the same"
    image = rng.random((3, 48, 64), dtype=np.float32)
    alone = onnxruntime.InferenceSession(model.folder / "model.onnx")
    answer = alone.run(None, {"image": image[None]})[0][0]
    assert np.array_equal(answer, run_network(model, image))
    graph = onnx.load(model.folder / "model.onnx", load_external_data=False).graph
    inside = sum(np.prod(w.dims) for w in graph.initializer if not w.external_data)
    assert inside < 0.1 * sum(np.prod(w.dims) for w in graph.initializer)


def test_an_onnx_file_names_its_weights_and_ends_and_numbers_the_rest(folder: Path) -> None:
    graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
    names = {w.name.removesuffix(".half").removesuffix(".scale") for w in graph.initializer}
    assert load_file(folder / "weights.safetensors").keys() & names == names
    assert len(names) > 100
    ends = {end.name for end in (*graph.input, *graph.output)}
    assert ends == {"image", "share"}
    handed_on = {name for node in graph.node for name in node.output} - ends
    assert all(name.isdigit() for name in handed_on)
    assert not any(node.name for node in graph.node)
    assert {"Pad", "Shape"}.isdisjoint(node.op_type for node in graph.node), "sides are even"


def test_what_a_run_has_not_got_cannot_be_exported(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"best: .* has none; expected a run with patients in"):
        export(run, tmp_path / "model", best=True)
    with pytest.raises(ValueError, match=r"working_size: got 3; expected 16 or more"):
        export(run, tmp_path / "model", working_size=3)
    with pytest.raises(ValueError, match=r"finest_mm: got 1.0 for 'extract'; expected none but"):
        export(run, tmp_path / "model", finest_mm=1.0)
    with pytest.raises(ValueError, match=r"closer: got bones for 'extract'; expected none but to"):
        export(run, tmp_path / "model", closer=["lunate"])
    assert not (tmp_path / "model").exists()


def test_weights_of_another_network_are_not_left_to(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "other")
    stored = load_file(folder / "weights.safetensors")
    name = next(name for name, value in stored.items() if value.ndim > 1)
    onnx.save(onnx.load(folder / "model.onnx"), tmp_path / "other" / "model.onnx")
    save_file({**stored, name: stored[name] + 1}, tmp_path / "other" / "weights.safetensors")
    with pytest.raises(ValueError, match="differs from that in ONNX"):
        share_weights(tmp_path / "other" / "model.onnx", tmp_path / "other" / "weights.safetensors")
    save_file({"lost": stored[name]}, tmp_path / "other" / "weights.safetensors")
    with pytest.raises(ValueError, match=r"model\.onnx: has no lost\.half"):
        share_weights(tmp_path / "other" / "model.onnx", tmp_path / "other" / "weights.safetensors")


def test_weights_in_eight_bits_halve_the_files_and_hardly_change_the_answer(
    run: Path, folder: Path, tmp_path: Path, rng: np.random.Generator
) -> None:
    small = verify_model(export(run, tmp_path / "small", working_size=64, bits=8))
    image = rng.random((3, 48, 64), dtype=np.float32)
    answer = run_network(small, image)
    assert np.abs(answer - run_network(small, image, runtime="torch")).max() < 1e-4
    assert 0 < np.abs(answer - run_network(verify_model(folder), image)).max() < 0.02
    average = load_file(next(run.glob("checkpoint-*")) / "average.safetensors")
    written = load_file(small.folder / "weights.safetensors")
    for name, value in unpacked(written).items():
        most = average[name].abs().max()
        assert torch.allclose(value, average[name].float(), atol=float(most) / 200), name
    many = sum(v.numel() for v in average.values() if v.ndim > 1)
    stored = sum(v.numel() * v.element_size() for v in written.values())
    assert many < stored < 1.3 * many
    kinds = {w.data_type for w in onnx.load(small.folder / "model.onnx").graph.initializer
             if np.prod(w.dims) > 64}  # fmt: skip
    assert onnx.TensorProto.FLOAT not in kinds
    with pytest.raises(ValueError, match="bits: got 5; expected 16, 8, 6 or 4"):
        export(run, tmp_path / "other", bits=5)


def test_weights_in_four_bits_are_the_same_for_torch_and_onnx(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    wide = {**NETWORK, "channels": [16, 32, 32, 32, 64, 16], "local": [5]}
    torch.manual_seed(3)
    network = build_network(wide)
    folders = []
    for bits in (8, 4):
        folder = tmp_path / str(bits)
        folder.mkdir()
        stored = packed(network.state_dict(), bits)
        small = build_network(wide)
        small.load_state_dict(unpacked(stored))
        write_network(small, wide, stored, folder)
        config = small_config(tmp_path / "limb.nrrd", tmp_path, network=wide)
        card = make_card(config, "1", {"working_size": 64, "framing": "content"}, 1, [])
        write_card(folder, card)
        folders.append(verify_model(folder))
    image = rng.random((3, 64, 64), dtype=np.float32)
    eight, four = (run_network(model, image) for model in folders)
    assert 0 < np.abs(four - eight).max() < 0.1
    assert np.abs(four - run_network(folders[1], image, runtime="torch")).max() < 1e-4
    alone = onnxruntime.InferenceSession(folders[1].folder / "model.onnx")
    assert np.array_equal(four, alone.run(None, {"image": image[None]})[0][0])
    sizes = [(m.folder / "weights.safetensors").stat().st_size for m in folders]
    assert sizes[1] < 0.9 * sizes[0], "its small layers are in eight"


def test_six_bits_round_only_the_largest_layers_to_four() -> None:
    torch.manual_seed(4)
    weights = {"large": torch.randn(64, 128, 3, 3), "small": torch.randn(32, 64, 3, 3)}
    stored = packed(weights, bits=6)
    assert (stored["large"].dtype, stored["small"].dtype) == (torch.uint8, torch.int8)
    assert {packed(weights, bits=4)[name].dtype for name in weights} == {torch.uint8}
    found = unpacked(stored)
    errors = {n: float((found[n] - w).square().mean()) for n, w in weights.items()}
    assert errors["small"] < 0.02 * errors["large"]


@pytest.mark.parametrize(("bits", "block"), [(4, 64), (6, 32)])
def test_a_weight_in_four_bits_errs_by_less_than_half_a_step(bits: int, block: int) -> None:
    torch.manual_seed(4)
    value = torch.randn(64, 128, 3, 3) * torch.logspace(-3, 0, 64)[:, None, None, None]
    value[5] = 0.0
    stored = packed({"w": value}, bits)
    assert len(stored["w.scale"]) == value.numel() / block
    found = unpacked(stored)["w"]
    most = value.reshape(-1, block).abs().amax(1, keepdim=True)
    error = (found - value).reshape(-1, block).abs()
    assert found.shape == value.shape
    assert not found[5].any()
    assert (error <= 0.35 * most + 1e-6).all(), "the largest may be clipped"
    assert error.square().mean() < 0.01 * value.square().mean(), "by 20 dB"


def test_the_exported_torch_weights_are_the_networks(folder: Path) -> None:
    network = build_network(NETWORK).eval()
    weights = load_file(folder / "weights.safetensors")
    network.load_state_dict({name: value.float() for name, value in weights.items()})
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        wanted = network(image)[0].numpy()
    assert np.abs(run_network(verify_model(folder), image[0].numpy()) - wanted).max() < 1e-4


def test_only_weights_that_half_precision_holds_are_stored_so(tmp_path: Path) -> None:
    exact = np.arange(32, dtype=np.float32).reshape(32, 1)
    fine = np.linspace(0.1, 1.0 + 1e-6, 32, dtype=np.float32)[None] ** 2
    values = [onnx.numpy_helper.from_array(a, n) for n, a in (("exact", exact), ("fine", fine))]
    info = onnx.helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, [32, 32])
    node = onnx.helper.make_node("MatMul", ["exact", "fine"], ["out"])
    graph = onnx.helper.make_graph([node], "graph", [], [info], values)
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "m.onnx")
    store_weights_small(tmp_path / "m.onnx")
    stored = {w.name: w.data_type for w in onnx.load(tmp_path / "m.onnx").graph.initializer}
    kinds = onnx.TensorProto
    assert stored == {"fine": kinds.FLOAT, "exact.half": kinds.FLOAT16}


def test_the_card_counts_scans_label_maps_and_no_patient_kept_out(
    limb_file: Path, tmp_path: Path
) -> None:
    ct = tuple(
        CtSource(f"{name}.nrrd", name, "MIT", bones=bones)
        for name, bones in (("scan", ()), ("labels", (1, 2)), ("kept out", ()))
    )
    config = small_config(limb_file, tmp_path, ct=ct, validation=("kept out",))
    card = make_card(config, "1", {"working_size": 64}, 7, [])
    assert (card.trained_on["cts"], card.trained_on["label_maps"]) == (1, 1)
    assert [source["name"] for source in card.trained_on["sources"]] == ["scan", "labels"]
    assert "1 CT and 1 label map only" in card.limits


def test_a_card_tells_the_presets_that_were_trained_on_and_whom_meshes_were_drawn_towards(
    limb_file: Path, tmp_path: Path
) -> None:
    towards = Towards("other.npz", "other hand", "CC0", (0.0, 1.0))
    ct = (
        CtSource("scan.nrrd", "scan", "MIT", preset="400-800"),
        CtSource("hand.npz", "hand", "MIT", mesh=MeshConfig(towards=towards)),
    )
    config = small_config(limb_file, tmp_path / "run", ct=ct)
    card = make_card(config, "1", {"working_size": 64}, 7, [])
    assert card.trained_on["bone"].startswith("Preset 400-800: Only voxels from 400 to 800 HU")
    names = ["scan", "hand", "other hand"]
    assert [source["name"] for source in card.trained_on["sources"]] == names
    written = json.loads(json.dumps(dataclasses.asdict(config)))
    assert [source["name"] for source in sources_of(tmp_path, written)] == names


def test_a_run_that_is_damaged_or_none_is_refused_and_nothing_is_written(
    run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    with pytest.raises(ValueError, match="holds no checkpoint"):
        export(tmp_path / "none", out)
    damaged = tmp_path / "damaged"
    shutil.copytree(run, damaged)
    config = json.loads((damaged / "config.json").read_text())
    (damaged / "config.json").write_text(json.dumps({**config, "flavour": 1}))
    with pytest.raises(ValueError, match="config: unknown 'flavour'"):
        export(damaged, out)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="expected a folder, this is a file"):
        export(run, tmp_path / "file")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["damaged", "file"]
