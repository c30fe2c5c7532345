"""What the panel tests share: Slicer's stand-in with the real modules, a CT, a picture."""

from __future__ import annotations

import html
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from BoneXrayLib.progress import Cancelled

REPOSITORY = Path(__file__).parents[2]
FRAME_S = 0.016
sys.path.append(str(REPOSITORY / "Testing"))


def start_slicer() -> Any:
    """The stand-in, installed once a process; returns the module `standin`."""
    import standin

    standin.install()
    return standin


def load_module(name: str) -> Any:
    """The real module file, loaded as Slicer does; once a process."""
    from standin import application

    if name not in sys.modules:
        application.load_module(REPOSITORY / name)
    return sys.modules[name]


def opened_panel() -> Iterator[Any]:
    """The panel on an empty scene, for a fixture; no exception may be lost in a slot."""
    module = load_module("BoneXray")
    import slicer
    import standin
    from standin import application

    slicer.mrmlScene.Clear(False)
    standin.clear_errors()
    application.messages.clear()
    slicer.app.layoutManager().setLayout(3)
    opened = application.open_panel(module)
    yield opened
    opened.cleanup()
    slicer.mrmlScene.Clear(False)
    assert standin.errors() == []


def load_picture(panel: Any, path: Path) -> Any:
    """The node of a PNG that is written there and loaded by the panel's button."""
    import qt
    import slicer.util

    qt.QFileDialog.answers.append(str(write_png(path)))
    panel.ui.loadButton.click()
    return slicer.util.getNode(path.stem)


def waiting_work(started: threading.Event) -> Callable[..., Any]:
    """Work that only ends when it is cancelled."""

    def work(progress: Callable[..., None], is_cancelled: Callable[[], bool]) -> None:
        started.set()
        progress(0.5, "halfway")
        while not is_cancelled():
            time.sleep(0.005)
        raise Cancelled("stopped by the user")

    return work


def wait(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Let the window live until `condition`; TimeoutError when it does not come."""
    import slicer

    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError(f"still not after {seconds:g} s")
        slicer.app.processEvents()
        time.sleep(0.002)


def drag(move: Callable[[float], None], positions: list[float], seen: Callable[[], Any]) -> tuple:
    """Move a widget through positions, a frame each; what was seen after each, the longest hold.

    A hold is a stretch in which the event loop did nothing else: a move with all it set off, or
    one round of events.
    """
    import slicer

    images, longest = [], 0.0
    for position in positions:
        began = time.perf_counter()
        move(position)
        ends = began + FRAME_S
        while True:
            longest = max(longest, time.perf_counter() - began)
            if time.perf_counter() > ends:
                break
            time.sleep(0.001)  # the window is idle: other threads run
            began = time.perf_counter()
            slicer.app.processEvents()
        images.append(seen())
    return images, 1e3 * longest


def tip(widget: Any) -> str:
    """A widget's tooltip as plain text; Slicer makes rich text of what it was given."""
    return html.unescape(widget.toolTip.removeprefix("<p>").removesuffix("</p>"))


def add_ct(name: str = "Limb") -> Any:
    """A small CT in the scene: water with a bone rod along S, nearer to the patient's left side."""
    import slicer.util

    k, j, i = np.mgrid[:24, :40, :48]
    hu = np.full(k.shape, -1000, np.int16)
    hu[((i - 24) / 20.0) ** 2 + ((j - 20) / 15.0) ** 2 < 1] = 0
    hu[(i - 34) ** 2 + (j - 20) ** 2 < 20] = 1000
    to_ras = np.diag([-4.0, -4.0, 6.0, 1.0])
    to_ras[:3, 3] = [94, 78, -69]
    return slicer.util.addVolumeFromArray(hu, ijkToRAS=to_ras, name=name)


def write_png(path: Path, rows: int = 60, columns: int = 40) -> Path:
    """An 8-bit radiograph: a bright bar on the left, a bright spot on top right."""
    from PIL import Image

    pixels = np.full((rows, columns), 60, np.uint8)
    pixels[:, 8:14] = 200
    pixels[4:10, -10:-4] = 250
    pixels += np.arange(rows, dtype=np.uint8)[:, None] // 4
    Image.fromarray(pixels).save(path)
    return path
