"""A network's answer to an image: ONNX Runtime on the CPU, torch or OpenVINO where asked for.

An image comes at the working size of its model and is run at once; only models of a large working
size need tiles, which take the memory of one and answer as the whole would (`tiles.py`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np

from .cards.model_files import ONNX_FILE, WEIGHTS_FILE
from .files import one_line
from .models import Model
from .progress import Cancelled, IsCancelled, Progress, raise_if_cancelled
from .running.runtimes import LOADERS, Runner, Stop
from .running.tiles import tiles

RUNTIMES = ("auto", *LOADERS)
MAX_PIXELS = 4096 * 4096
"""Beyond it the image and its answer alone take hundreds of MB."""
MAX_PIXELS_AT_ONCE = 1024 * 1024
"""Beyond it in tiles: the shipped U-Net takes 0.7 kB a pixel."""
KEPT_NETWORKS = 4
POLL_SECONDS = 0.05

_networks: OrderedDict[tuple[str, str, str], Runner] = OrderedDict()
_lock = threading.Lock()


def run_network(
    model: Model,
    channels: np.ndarray,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
    runtime: str = "auto",
) -> np.ndarray:
    """The network's answer, (outputs, rows, columns) float32.

    Args:
        model: a verified model.
        channels: (channels, rows, columns) float32, as the card's `input.channels` say.
        progress: told 0 before and 1 after, and in between after each tile.
        is_cancelled: asked before, during and after the run, always in the calling thread.
        runtime: onnxruntime, torch (the safetensors weights, on the GPU where there is one),
            openvino; auto takes ONNX Runtime.

    Raises:
        ValueError: channels that do not fit the card, an image too large, a model that cannot be
            run, a runtime that is not installed.
        Cancelled: `is_cancelled()` became true.
    """
    image = _checked(model, channels)
    if runtime not in RUNTIMES:
        raise ValueError(f"runtime: {runtime!r}; expected one of {', '.join(RUNTIMES)}")
    runtime = "onnxruntime" if runtime == "auto" else runtime
    raise_if_cancelled(is_cancelled)
    tell = progress or (lambda fraction, message: None)
    tell(0.0, f"loading {model.card.name}")
    network = _network(model, runtime)
    padded, inner = _padded(image, int(model.card.input["size_multiple"]))
    raise_if_cancelled(is_cancelled)
    tell(0.05, f"running {model.card.name}")
    if padded[0].size <= MAX_PIXELS_AT_ONCE:
        answer = _run(model, network, padded, is_cancelled)
    else:
        answer = _by_tiles(model, network, padded, tell, is_cancelled)
    tell(1.0, f"{model.card.name} done")
    return np.ascontiguousarray(answer[inner], dtype=np.float32)


def forget_networks() -> None:
    """Drop the loaded networks and their memory."""
    with _lock:
        _networks.clear()


def _checked(model: Model, channels: np.ndarray) -> np.ndarray:
    image = np.asarray(channels, dtype=np.float32)
    wanted = len(model.card.input["channels"])
    if image.ndim != 3 or image.shape[0] != wanted or 0 in image.shape:
        raise ValueError(
            f"channels: shape {image.shape}; {model.card.name} expects ({wanted}, rows, columns)"
        )
    rows, columns = image.shape[1:]
    if rows * columns > MAX_PIXELS:
        raise ValueError(
            f"image: {rows} x {columns} pixels; expected at most {MAX_PIXELS} for a network"
        )
    if not np.isfinite(image).all():
        raise ValueError("channels: hold NaN or infinity; expected finite numbers")
    return image


def _padded(image: np.ndarray, multiple: int) -> tuple[np.ndarray, tuple[slice, ...]]:
    """The image mirrored outwards to sides that are multiples, and where it lies in there."""
    pads, inner = [(0, 0)], [slice(None)]
    if not any(n % multiple for n in image.shape[1:]):
        return image, (slice(None),) * 3
    for n in image.shape[1:]:
        missing = -n % multiple
        pads.append((missing // 2, missing - missing // 2))
        inner.append(slice(missing // 2, missing // 2 + n))
    mode = "reflect" if min(image.shape[1:]) > 1 else "edge"
    return np.pad(image, pads, mode=mode), tuple(inner)


def _by_tiles(
    model: Model,
    network: Runner,
    image: np.ndarray,
    tell: Progress,
    is_cancelled: IsCancelled | None,
) -> np.ndarray:
    """The answer to an image whose sides are multiples, (outputs, rows, columns) float32."""
    answer = np.empty((len(model.card.outputs), *image.shape[1:]), np.float32)
    places = tiles(*image.shape[1:], int(model.card.input["size_multiple"]))
    for done, tile in enumerate(places, 1):
        seen = np.ascontiguousarray(image[:, *tile.seen])
        answer[:, *tile.kept] = _run(model, network, seen, is_cancelled)[:, *tile.inside]
        tell(0.05 + 0.9 * done / len(places), f"running {model.card.name}")
    return answer


def _run(
    model: Model, network: Runner, image: np.ndarray, is_cancelled: IsCancelled | None
) -> np.ndarray:
    """The answer, (outputs, rows, columns), checked for its shape and numbers."""
    answer = _run_stoppably(model, network, image[np.newaxis], is_cancelled)
    raise_if_cancelled(is_cancelled)
    expected = (1, len(model.card.outputs), *image.shape[1:])
    if answer.shape != expected or not np.isfinite(answer).all():
        raise ValueError(
            f"model {model.folder}: answered with shape {answer.shape} or values that are not "
            f"finite; expected finite {expected}"
        )
    return answer[0]


def _run_stoppably(
    model: Model, network: Runner, image: np.ndarray, is_cancelled: IsCancelled | None
) -> np.ndarray:
    """Run in a thread of its own, so that the caller can ask whether to stop."""
    stop, results, errors = Stop(), [], []

    def work() -> None:
        try:
            results.append(network(image, stop))
        except Exception as error:  # whatever a runtime throws is reported below
            errors.append(error)

    if is_cancelled is None:
        work()
    else:
        thread = threading.Thread(target=work, name="network", daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                if not stop.asked and is_cancelled():
                    stop.ask()
                thread.join(POLL_SECONDS)
        except BaseException:
            stop.ask()
            raise
    if stop.asked:
        raise Cancelled("stopped by the user")
    if errors:
        raise ValueError(f"model {model.folder}: cannot be run: {one_line(errors[0])}") from errors[
            0
        ]
    return results[0]


def _network(model: Model, runtime: str) -> Runner:
    """The loaded network, kept for the next image; a changed model is loaded anew."""
    file = WEIGHTS_FILE if runtime == "torch" else ONNX_FILE
    key = (str(model.folder.resolve()), model.card.sha256.get(file, ""), runtime)
    with _lock:
        if key not in _networks:
            try:
                _networks[key] = LOADERS[runtime](model)
            except ImportError as error:
                raise ValueError(
                    f"runtime: {runtime!r} needs the package {error.name}, which is not installed"
                ) from None
            while len(_networks) > KEPT_NETWORKS:
                _networks.popitem(last=False)
        _networks.move_to_end(key)
        return _networks[key]
