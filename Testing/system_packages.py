"""What pip cannot bring: look for it, install it where that is allowed, else name it.

    python3 Testing/system_packages.py python     what makes the virtual environment
    python3 Testing/system_packages.py panel      what Qt needs, also without a screen

Runs on a bare Python: standard library only.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys

# Shared library -> the Debian and Ubuntu package that holds it.
PANEL_LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libfontconfig.so.1": "libfontconfig1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libglib-2.0.so.0": "libglib2.0-0",
}
OLDEST = (3, 11)


def missing_for_python() -> list[str]:
    """Packages without which `python3 -m venv` fails."""
    if sys.version_info < OLDEST:
        found = ".".join(map(str, sys.version_info[:3]))
        sys.exit(f"Python {found} found; 3.11 or later is needed (make PYTHON=python3.12 …)")
    if importlib.util.find_spec("ensurepip") and importlib.util.find_spec("venv"):
        return []
    return ["python3-venv"]


def missing_for_panel() -> list[str]:
    """Packages whose libraries cannot be loaded; on other systems than Linux Qt brings its own."""
    if not sys.platform.startswith("linux"):
        return []
    missing = []
    for library, package in PANEL_LIBRARIES.items():
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(package)
    return missing


def provide(packages: list[str]) -> None:
    """Install packages with apt-get where we are root, else name them and end."""
    if not packages:
        return
    names = " ".join(packages)
    if shutil.which("apt-get") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        sys.exit(
            f"missing on this system (names as in Debian): {names}\n"
            f"install them, for example: sudo apt-get install {names}"
        )
    print(f"installing {names}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages]
    for command in (["apt-get", "update", "--quiet"], install):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)} failed: {done.stderr.strip()}")


CHECKS = {"python": missing_for_python, "panel": missing_for_panel}

if __name__ == "__main__":
    for name in sys.argv[1:]:
        provide(CHECKS[name]())
