"""Peak memory of one contestant of `projection.py`: set up and one view, in a process of its own.

`python Testing/benchmarks/peer_memory.py NAME VOLUME.npz` prints by how many MB the process grew
beyond the CT it had read; of plastimatch, a program of its own, how large that was.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

OURS = "ours"
UNITS_A_MB = 1 << 20 if sys.platform == "darwin" else 1 << 10


def peak_memory(names: list[str], hu: np.ndarray, ijk_to_ras: np.ndarray) -> dict[str, int]:
    """Megabytes each contestant takes to project `hu` (k, j, i) once, besides `hu` itself."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "volume.npz"
        np.savez(path, hu=hu, ijk_to_ras=ijk_to_ras)
        for name in names:
            command = [sys.executable, __file__, name, str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[name] = int(done.stdout.split()[-1])
    return found


def main(name: str, path: str) -> None:
    """Measure this process."""
    from peers import PEERS, geometry_of
    from slower_peers import Plastimatch

    from BoneXrayLib.bone import Parts
    from BoneXrayLib.projection import prepare, project_prepared

    with np.load(path) as read:
        hu, matrix = read["hu"], read["ijk_to_ras"]
    before = _own_peak()
    if name == OURS:
        prepared = prepare(Parts(hu, matrix, np.zeros((1, 1, 1), np.uint8), None, ("rest",)))
        project_prepared(prepared, geometry_of("AP"))
    else:
        adapter = PEERS[name](hu, matrix)
        run = adapter.projector(geometry_of("AP"))
        if isinstance(adapter, Plastimatch):
            print(_peak_of_program(run.command, adapter.folder.name))
            return
        run()
    print(_own_peak() - before)


def _own_peak() -> int:
    """Peak memory [MB] of this process."""
    status = Path("/proc/self/status")
    if status.is_file():
        # Not getrusage's: on Linux that starts with what the parent took.
        return int(status.read_text().split("VmHWM:")[1].split()[0]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // UNITS_A_MB


def _peak_of_program(command: list[str], folder: str) -> int:
    """Peak memory [MB] of a program, started by a process that is small itself."""
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    starter = [sys.executable, "-S", "-c", code, *command]
    done = subprocess.run(starter, cwd=folder, capture_output=True, text=True, check=True)
    return int(done.stdout) // UNITS_A_MB


if __name__ == "__main__":
    main(*sys.argv[1:])
