"""Running a model: padding, refusals, cancelling, and that runtimes agree."""

import itertools
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from BoneXrayLib import inference
from BoneXrayLib.inference import forget_networks, run_network
from BoneXrayLib.models import Model, ModelCard, verify_model, write_card
from BoneXrayLib.progress import Cancelled

onnx = pytest.importorskip("onnx")


def card(name: str, multiple: int = 8, outputs: int = 1, network: dict | None = None) -> ModelCard:
    return ModelCard(
        schema=1,
        name=name,
        task="extract",
        version="1",
        description="For tests.",
        input={
            "domain": "display",
            "pixel_mm": [0.1, 3.0],
            "size_multiple": multiple,
            "channels": ["image", "scale"],
            "polarity": "bone bright",
            "working_size": 64,
        },
        outputs=[{"name": f"out {n}"} for n in range(outputs)],
        trained_on={"sources": [], "cts": 0},
        evaluation=[],
        intended_use="Tests.",
        limits="All else.",
        network=network or {},
    )


def write_graph(path: Path, nodes: list, constants: dict[str, np.ndarray]) -> None:
    helper = onnx.helper
    info = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["b", n, "r", "c"])
        for name, n in (("image", 2), ("share", 1))
    ]
    values = [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "graph", info[:1], info[1:], values)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, str(path))


def a_model(folder: Path, nodes: list, constants: dict | None = None, **card_fields) -> Model:
    folder.mkdir()
    write_graph(folder / "model.onnx", nodes, constants or {})
    write_card(folder, card(folder.name, **card_fields))
    return verify_model(folder)


@pytest.fixture
def box_sum(tmp_path: Path) -> Model:
    """Sums the first channel over 3 x 3 pixels, zero outside, and adds the second one."""
    kernel = np.zeros((1, 2, 3, 3), dtype=np.float32)
    kernel[0, 0] = 1
    kernel[0, 1, 1, 1] = 1
    node = onnx.helper.make_node("Conv", ["image", "k"], ["share"], pads=[1, 1, 1, 1])
    return a_model(tmp_path / "box", [node], {"k": kernel})


@pytest.fixture
def endless(tmp_path: Path) -> Model:
    """Many convolutions: seconds of work on a large image."""
    kernel = np.full((2, 2, 9, 9), 1 / 162, dtype=np.float32)
    names = ["image", *(f"h{n}" for n in range(300))]
    make = onnx.helper.make_node
    nodes = [make("Conv", [a, "k"], [b], pads=[4] * 4) for a, b in itertools.pairwise(names)]
    nodes.append(make("ReduceMax", [names[-1]], ["share"], axes=[1], keepdims=1))
    return a_model(tmp_path / "endless", nodes, {"k": kernel})


def test_the_answer_has_the_size_of_the_image_whatever_the_multiple(box_sum, rng):
    image = rng.random((2, 21, 30), dtype=np.float32)
    answer = run_network(box_sum, image)
    assert answer.shape == (1, 21, 30)
    assert answer.dtype == np.float32
    expected = sum(image[0, 1 + r : 20 + r, 1 + c : 29 + c] for r in (-1, 0, 1) for c in (-1, 0, 1))
    np.testing.assert_allclose(answer[0, 1:20, 1:29], expected + image[1, 1:20, 1:29], rtol=1e-5)


def test_the_border_is_padded_with_the_image_mirrored_not_with_black(box_sum):
    answer = run_network(box_sum, np.ones((2, 20, 20), dtype=np.float32))
    np.testing.assert_allclose(answer, 10.0)
    assert run_network(box_sum, np.ones((2, 1, 5), dtype=np.float32)).shape == (1, 1, 5)


def test_a_network_is_loaded_once_and_again_when_it_changed(box_sum, monkeypatch):
    forget_networks()
    loads = []
    load = inference.LOADERS["onnxruntime"]
    monkeypatch.setitem(inference.LOADERS, "onnxruntime", lambda m: loads.append(m) or load(m))
    image = np.ones((2, 16, 16), dtype=np.float32)
    first = run_network(box_sum, image)
    run_network(box_sum, image)
    assert len(loads) == 1
    node = onnx.helper.make_node("Conv", ["image", "k"], ["share"])
    kernel = np.ones((1, 2, 1, 1), dtype=np.float32)
    write_graph(box_sum.folder / "model.onnx", [node], {"k": kernel})
    write_card(box_sum.folder, box_sum.card)
    second = run_network(verify_model(box_sum.folder), image)
    assert len(loads) == 2
    assert first[0, 8, 8] == 10.0
    assert second[0, 8, 8] == 2.0


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.zeros((3, 16, 16)), r"shape \(3, 16, 16\); box expects \(2, rows, columns\)"),
        (np.zeros((16, 16)), "box expects"),
        (np.zeros((2, 0, 16)), "box expects"),
        (np.full((2, 16, 16), np.nan), "NaN or infinity"),
        (np.broadcast_to(np.float32(0), (2, 20000, 20000)), "20000 x 20000 pixels; expected at"),
    ],
)
def test_images_that_do_not_fit_end_in_one_line(box_sum, image, said, monkeypatch):
    monkeypatch.setattr(np, "asarray", lambda a, dtype=None: a)  # no copy of the huge one
    with pytest.raises(ValueError, match=said):
        run_network(box_sum, image)


def test_an_unknown_or_absent_runtime_ends_in_one_line(box_sum):
    image = np.zeros((2, 16, 16), dtype=np.float32)
    with pytest.raises(ValueError, match="runtime: 'tpu'; expected one of auto, onnxruntime"):
        run_network(box_sum, image, runtime="tpu")
    try:
        import openvino  # noqa: F401
    except ImportError:
        with pytest.raises(ValueError, match="needs the package openvino, which is not installed"):
            run_network(box_sum, image, runtime="openvino")


def test_openvino_agrees_where_it_is_installed(box_sum, rng):
    pytest.importorskip("openvino")
    image = rng.random((2, 30, 41), dtype=np.float32)
    by_openvino = run_network(box_sum, image, runtime="openvino")
    np.testing.assert_allclose(by_openvino, run_network(box_sum, image), rtol=1e-5)


def test_a_file_that_is_no_network_ends_in_one_line(tmp_path):
    folder = tmp_path / "junk"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"\x08\x07 this is no network")
    write_card(folder, card("junk"))
    with pytest.raises(ValueError, match=r"junk: model.onnx cannot be loaded") as error:
        run_network(verify_model(folder), np.zeros((2, 16, 16), dtype=np.float32))
    assert "\n" not in str(error.value)


def test_a_network_that_answers_otherwise_than_its_card_is_refused(tmp_path):
    node = onnx.helper.make_node("Identity", ["image"], ["share"])
    model = a_model(tmp_path / "two", [node])
    with pytest.raises(ValueError, match="answered with shape"):
        run_network(model, np.zeros((2, 16, 16), dtype=np.float32))


def test_a_network_that_divides_by_zero_is_refused(tmp_path):
    make = onnx.helper.make_node
    nodes = [
        make("ReduceMax", ["image"], ["m"], axes=[1], keepdims=1),
        make("Reciprocal", ["m"], ["share"]),
    ]
    model = a_model(tmp_path / "inverse", nodes)
    with pytest.raises(ValueError, match="not finite"):
        run_network(model, np.zeros((2, 16, 16), dtype=np.float32))


def test_progress_runs_from_nothing_to_all(box_sum):
    told: list[float] = []
    run_network(
        box_sum,
        np.zeros((2, 16, 16), dtype=np.float32),
        progress=lambda fraction, message: told.append(fraction),
        is_cancelled=lambda: False,
    )
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.0, 1.0)


def test_a_cancelled_job_stops_in_the_middle_of_the_run(endless):
    image = np.zeros((2, 768, 768), dtype=np.float32)
    asked = threading.Event()
    threading.Timer(0.4, asked.set).start()
    asking_threads = set()

    def is_cancelled() -> bool:
        asking_threads.add(threading.current_thread())
        return asked.is_set()

    run_network(endless, image[:, :16, :16])  # loading is not what is timed
    start = time.monotonic()
    with pytest.raises(Cancelled):
        run_network(endless, image, is_cancelled=is_cancelled)
    assert time.monotonic() - start < 4.0
    assert asking_threads == {threading.current_thread()}


def test_a_job_cancelled_before_it_starts_loads_nothing(box_sum):
    (box_sum.folder / "model.onnx").unlink()
    with pytest.raises(Cancelled):
        run_network(box_sum, np.zeros((2, 8, 8), dtype=np.float32), is_cancelled=lambda: True)


# Exporting traces the network and is said to be deprecated: warnings of three kinds.
@pytest.mark.filterwarnings("ignore")
def test_torch_and_onnx_runtime_agree(tmp_path, rng):
    torch = pytest.importorskip("torch")
    pytest.importorskip("monai")
    from safetensors.torch import save_file

    from BoneXrayLib.running.networks import build_network, size_multiple

    description = {
        "name": "unet",
        "in_channels": 2,
        "out_channels": 1,
        "channels": [4, 8, 8, 12, 16, 4],
    }
    torch.manual_seed(0)
    network = build_network(description).eval()
    folder = tmp_path / "unet"
    folder.mkdir()
    save_file(network.state_dict(), folder / "weights.safetensors")
    export_module = pytest.importorskip("BoneXrayTrainingLib.exporting.export_onnx")
    export_module.write_onnx(network, description, folder / "model.onnx")
    made = card("unet", multiple=size_multiple(description), network=description)
    write_card(folder, made)
    model = verify_model(folder)
    image = rng.random((2, 50, 70), dtype=np.float32)
    by_onnx = run_network(model, image)
    by_torch = run_network(model, image, runtime="torch")
    np.testing.assert_allclose(by_onnx, by_torch, atol=2e-5)
    assert np.ptp(by_onnx) > 1e-4
