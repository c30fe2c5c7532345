"""What runs a network: ONNX Runtime, torch or OpenVINO, each behind one function."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from .files import one_line
from .model_files import ONNX_FILE, WEIGHTS_FILE
from .models import Model, read_model_file

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
    # From the bytes whose hash was checked: no second read, and no external data beside the file.
    data = read_model_file(model, ONNX_FILE)
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # each fault has a class of its own
        raise _unusable(model, ONNX_FILE, error) from None
    name = session.get_inputs()[0].name

    def run(image: np.ndarray, stop: Stop) -> np.ndarray:
        run_options = onnxruntime.RunOptions()
        run_options.log_severity_level = 4
        stop.on_ask(lambda: setattr(run_options, "terminate", True))
        return np.asarray(session.run(None, {name: image}, run_options)[0])

    return run


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

    data = read_model_file(model, ONNX_FILE)
    try:
        core = openvino.Core()
        # Left to itself it takes half precision where the CPU has it, and disagrees.
        single = {"INFERENCE_PRECISION_HINT": "f32"}
        compiled = core.compile_model(core.read_model(data, b""), "CPU", single)
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
