"""Which test file runs where first: while one process compiles kernels, the others need none.

In a clean clone nothing is compiled. Two processes that begin with files that project would both
compile every kernel; one after the other, the second one loads what the first has kept.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

COMPILING = tuple(
    f"test_{name}.py"
    for name in ("projection_bins", "contrast", "projection_from_ct", "live", "projection")
)
"""Files that between them need most of the kernels."""
WITHOUT_KERNELS = frozenset(
    f"test_{name}.py"
    for name in (
        "comparison", "compressed_pixels", "dicom_series", "inference", "joint_space", "layers",
        "panel_labelled", "panel_layers", "panel_leg", "panel_model", "panel_reader",
        "panel_segment", "radiograph", "reader_study", "reconstruction", "samples",
    )
)  # fmt: skip
"""The longer ones of those that need none; one too many here costs time, nothing else."""


class KernelsOnce(LoadFileScheduling):
    """A file at a time, as `--dist loadfile`; the first process begins with `COMPILING`, the others
    with `WITHOUT_KERNELS`."""

    def _assign_work_unit(self, node: WorkerController) -> None:
        wanted = COMPILING if node is self.nodes[0] else WITHOUT_KERNELS
        for scope in self.workqueue:
            if PurePosixPath(scope).name in wanted:
                self.workqueue.move_to_end(scope, last=False)
                break
        super()._assign_work_unit(node)
