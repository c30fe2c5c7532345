"""What CMake lists is what lies in the folders: a file that is not listed is not installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
MODULES = ("BoneXray", "BoneXrayTraining")
NOT_SHIPPED = {"CMakeLists.txt"}


def listed(module: str, variable: str) -> list[str]:
    """Entries of a list in a module's CMakeLists.txt."""
    text = (REPOSITORY / module / "CMakeLists.txt").read_text()
    block = re.search(rf"set\({variable}\n(.*?)\n\s*\)", text, re.DOTALL)
    assert block, f"{module}/CMakeLists.txt sets no {variable}"
    return block.group(1).split()


def present(module: str) -> set[str]:
    """Files git knows or would add, relative to the module's folder."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."]
    folder = REPOSITORY / module
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    return {n for n in done.stdout.splitlines() if (folder / n).is_file()} - NOT_SHIPPED


@pytest.mark.parametrize("module", MODULES)
def test_every_file_is_listed_and_every_listed_file_exists(module: str) -> None:
    scripts = listed(module, "MODULE_PYTHON_SCRIPTS")
    resources = listed(module, "MODULE_PYTHON_RESOURCES")
    files = present(module)
    assert set(scripts) == {f for f in files if f.endswith(".py")}
    assert set(resources) == {f for f in files if not f.endswith(".py")}


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_listed_twice(module: str) -> None:
    entries = listed(module, "MODULE_PYTHON_SCRIPTS") + listed(module, "MODULE_PYTHON_RESOURCES")
    assert len(entries) == len(set(entries))


def test_the_modules_share_no_path_as_they_install_into_one_folder() -> None:
    first, second = (present(module) for module in MODULES)
    assert first.isdisjoint(second)


def test_pip_ships_every_package() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text()
    packages = {
        ".".join(path.parent.relative_to(REPOSITORY / module).parts)
        for module in MODULES
        for path in (REPOSITORY / module).rglob("__init__.py")
    }
    assert packages == set(re.findall(r'"(BoneXray\w*Lib[.\w]*)"', text.split("package-dir")[0]))


def test_the_index_entry_has_the_extensions_name_and_category() -> None:
    cmake = (REPOSITORY / "CMakeLists.txt").read_text()
    name = re.search(r"project\((\w+)\)", cmake)
    category = re.search(r'EXTENSION_CATEGORY "(.+)"', cmake)
    assert name
    assert category
    entry = json.loads((REPOSITORY / f"{name.group(1)}.json").read_text())
    assert entry["category"] == category.group(1)
    assert entry["scm_url"].endswith("/Slicer" + name.group(1) + ".git")


def test_icon_and_screenshots_are_pictures_that_the_index_takes() -> None:
    cmake = (REPOSITORY / "CMakeLists.txt").read_text()
    urls = re.findall(r'EXTENSION_(?:ICON|SCREENSHOT)URLS? *"(.+)"', cmake)
    assert len(urls) == 2
    for url in " ".join(urls).split():
        kept = REPOSITORY / url.split("/SlicerBoneXray/main/")[1]
        assert kept.read_bytes()[:4] in (b"\x89PNG", b"\xff\xd8\xff\xe0"), "no PNG, no JPEG"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one flat folder that Slicer would install both modules into."""
    if not (shutil.which("cmake") and shutil.which("c++")):
        pytest.skip("needs cmake and a compiler, which project() looks for")
    build = tmp_path_factory.mktemp("build")
    stand_in = REPOSITORY / "Testing" / "standin" / "cmake"
    command = ["cmake", "-S", REPOSITORY, "-B", build, f"-DSlicer_DIR={stand_in}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return build / "lib" / "qt-scripted-modules"


def test_cmake_configures_and_lays_out_both_modules(installed: Path) -> None:
    for module in MODULES:
        assert (installed / f"{module}.py").is_file()
        assert (installed / "Resources" / "Icons" / f"{module}.png").is_file()


def test_the_installed_copy_imports_and_finds_its_data(installed: Path) -> None:
    code = (
        "import BoneXrayLib, BoneXrayTrainingLib.commands, importlib.resources as r\n"
        "print(BoneXrayLib.__file__)\n"
        "print(r.files(BoneXrayLib).joinpath('requirements.txt').read_text())"
    )
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(installed))
    assert "numpy" in done.stdout
