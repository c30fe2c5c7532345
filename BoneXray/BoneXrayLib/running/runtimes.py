"""What runs a network: ONNX Runtime, torch or OpenVINO, each behind one function."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..cards.model_files import ONNX_FILE, WEIGHTS_FILE
from ..files import one_line
from ..models import Model, read_model_file
from .packed_weights import is_shared, lies_beside, name_in_onnx

if TYPE_CHECKING:
    import onnxruntime

Runner = Callable[[np.ndarray, "Stop"], np.ndarray]
"""(1, C, H, W) float32 in, (1, O, H, W) out; ends early with any exception once stopped."""


class Stop:
    """Tells a running network to end: set from one thread, acted on in another."""

    def __init__(self) -> None:
        self.asked = False
        self._calls: list[Callable[[], None]] = []

    def on_ask(self, call: Callable[[], None]) -> None:
        """What to do when asked to stop; done at once where that was before."""
        self._calls.append(call)
        if self.asked:
            call()

    def ask(self) -> None:
        """Stop now."""
        self.asked = True
        for call in self._calls:
            call()


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _unusable(model: Model, file: str, error: Exception) -> ValueError:
    return ValueError(f"model {model.folder}: {file} cannot be loaded: {one_line(error)}")


def _load_onnx(model: Model) -> Runner:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _cores()
    options.log_severity_level = 4
    # Plans of the memory for each size of image cost more memory than they save time.
    options.enable_mem_pattern = False
    # From the bytes whose hashes were checked: no second read, and no other file beside them.
    data = read_model_file(model, ONNX_FILE)
    try:
        weights = _give_weights(model, options) if lies_beside(data) else []
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # each fault has a class of its own
        raise _unusable(model, ONNX_FILE, error) from None
    name = session.get_inputs()[0].name

    def run(image: np.ndarray, stop: Stop, weights: list = weights) -> np.ndarray:
        run_options = onnxruntime.RunOptions()
        run_options.log_severity_level = 4
        stop.on_ask(lambda: setattr(run_options, "terminate", True))
        return np.asarray(session.run(None, {name: image}, run_options)[0])

    return run


def _give_weights(model: Model, options: onnxruntime.SessionOptions) -> list:
    """Hand ONNX Runtime the weights that its file leaves to the one of torch.

    It reads them where they are: what is returned has to live as long as the session.
    """
    import onnxruntime
    from safetensors.numpy import load

    weights = load(read_model_file(model, WEIGHTS_FILE))
    shared = {name_in_onnx(name, w.dtype): w for name, w in weights.items() if is_shared(w.shape)}
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(weight) for weight in shared.values()]
    options.add_external_initializers(list(shared), values)
    return [weights, values]


def _load_torch(model: Model) -> Runner:
    import torch
    from safetensors.torch import load

    from .networks import build_network
    from .packed_weights import unpacked

    if not model.card.network:
        raise ValueError(f"model {model.folder}: its card describes no network for torch")
    data = read_model_file(model, WEIGHTS_FILE)
    try:
        network = build_network(model.card.network)
        network.load_state_dict(unpacked(load(data)))
    except ImportError:
        raise
    except Exception as error:
        raise _unusable(model, WEIGHTS_FILE, error) from None
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = network.eval().to(device)

    def run(image: np.ndarray, stop: Stop) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(image).to(device)).float().cpu().numpy()

    return run


def _load_openvino(model: Model) -> Runner:
    import openvino  # ty: ignore[import-not-found]  # optional

    data: bytes | str = read_model_file(model, ONNX_FILE)
    if lies_beside(data):  # which it finds by itself, of a folder whose files were checked
        read_model_file(model, WEIGHTS_FILE)
        data = str(model.folder / ONNX_FILE)
    try:
        core = openvino.Core()
        # Left to itself it takes half precision where the CPU has it, and disagrees.
        single = {"INFERENCE_PRECISION_HINT": "f32"}
        read = core.read_model(data, b"") if isinstance(data, bytes) else core.read_model(data)
        compiled = core.compile_model(read, "CPU", single)
    except Exception as error:
        raise _unusable(model, ONNX_FILE, error) from None

    def run(image: np.ndarray, stop: Stop) -> np.ndarray:
        return np.asarray(compiled(image)[0])

    return run


LOADERS: dict[str, Callable[[Model], Runner]] = {
    "onnxruntime": _load_onnx,
    "torch": _load_torch,
    "openvino": _load_openvino,
}
