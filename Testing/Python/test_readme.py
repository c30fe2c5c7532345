"""README and docs hold: snippets run, files exist, defaults and messages are the code's."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import shlex
from pathlib import Path

import pytest

from BoneXrayLib import __version__
from BoneXrayLib.drr import DrrConfig, simulate
from BoneXrayLib.extraction import ExtractConfig
from BoneXrayLib.joints.joint_space_config import JointConfig
from BoneXrayLib.long_leg_config import LongLegConfig
from BoneXrayLib.segmentation import SegmentConfig
from BoneXrayTrainingLib.__main__ import main
from BoneXrayTrainingLib.commands import COMMANDS

REPOSITORY = Path(__file__).parents[2]
DOCS = sorted(f"docs/{path.name}" for path in (REPOSITORY / "docs").glob("*.md"))
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", *DOCS)
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
MANUAL = "\n".join((REPOSITORY / page).read_text("utf-8") for page in ("README.md", *DOCS))
TESTED = re.compile(r"<!-- run by a test -->\n```(\w+)\n(.*?)```", re.DOTALL)


def snippets(language: str) -> list[str]:
    """Code blocks that the README says are run by a test."""
    return [code for found, code in TESTED.findall(README) if found == language]


def test_the_shell_snippets_run_word_for_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [line for code in snippets("sh") for line in code.splitlines() if line]
    assert lines
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "bone-xray"
        assert main(words) == 0, line
    assert (tmp_path / "limb-bones" / "enhanced.nrrd").is_file()
    assert (tmp_path / "limb-named" / "segments.seg.nrrd").is_file()


def test_the_python_snippets_run_word_for_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    assert snippets("python")
    for code in snippets("python"):
        exec(compile(code, "README.md", "exec"), names)
    assert names["without_bones"].shape == names["bone_only"].shape  # type: ignore[attr-defined]


def test_the_table_of_options_has_the_defaults_of_the_code() -> None:
    rows = re.findall(r"^\| [^|]+ \| `--([\w-]+)` \| (.+?) \|$", README, re.MULTILINE)
    fields = {f.name: f.default for kind in (ExtractConfig, LongLegConfig, DrrConfig, JointConfig)
              for f in dataclasses.fields(kind)}  # fmt: skip
    words = ("threshold", "clean", "mirror", "turn")
    fields |= {name: getattr(SegmentConfig(), name) for name in words}
    fields["device"] = inspect.signature(simulate).parameters["device"].default
    shown = {option.replace("-", "_"): default for option, default in rows}
    for kind in (DrrConfig, LongLegConfig, JointConfig):
        assert {f.name for f in dataclasses.fields(kind)} <= set(shown)
    for name, default in shown.items():
        value = fields[name]
        values = value if isinstance(value, tuple) else (value,)
        assert default == " ".join(f"{v:g}" if type(v) is float else str(v) for v in values), name


@pytest.mark.parametrize("page", PAGES)
def test_every_file_a_page_points_to_exists(page: str) -> None:
    file = REPOSITORY / page
    for target, place in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", file.read_text(encoding="utf-8")):
        if target.startswith("http"):
            continue
        found = file.parent / target if target else file
        assert found.exists(), target
        if place:
            assert place in anchors(found.read_text(encoding="utf-8")), f"{target}#{place}"


def anchors(text: str) -> set[str]:
    """What GitHub calls the headings of a page in links."""
    plain = (
        re.sub(r"[^\w\- ]", "", h.lower()) for h in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    )
    return {heading.replace(" ", "-") for heading in plain}


def test_the_front_page_points_to_every_page_of_the_manual() -> None:
    assert [page for page in DOCS if f"({page}" not in README] == []


def test_every_quoted_message_is_one_of_the_code() -> None:
    section = README.split("## When something goes wrong")[1].split("\n## ")[0]
    quoted = re.findall(r"^\* `([^`]+)`:", section, re.MULTILINE)
    assert len(quoted) >= 5
    sources = [p for lib in ("BoneXray/BoneXrayLib", "BoneXrayTraining/BoneXrayTrainingLib")
               for p in (REPOSITORY / lib).rglob("*.py")]  # fmt: skip
    # Messages are written over several literals: join them before looking.
    code = "".join(re.sub(r'"\s*\n\s*f?"', "", p.read_text(encoding="utf-8")) for p in sources)
    for message in quoted:
        assert message in code, message


def test_every_command_in_the_text_exists() -> None:
    options = {f"--{n}" for n in ("help", "version")}
    for found in re.findall(r"(?:`|^    )bone-xray ([^`\n]+)", MANUAL, re.MULTILINE):
        words = found.split()
        known = any(" ".join(words[:n]) in COMMANDS for n in (1, 2))
        assert known or words[0] in options, found


def test_the_logics_methods_in_the_text_exist() -> None:
    methods = set()
    module = REPOSITORY / "BoneXray"
    for file in (module / "BoneXray.py", *module.glob("BoneXrayLib/*/slicer_*_logic.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        logic = next(n for n in tree.body if getattr(n, "name", "").endswith("Logic"))
        methods |= {n.name for n in ast.walk(logic) if isinstance(n, ast.FunctionDef)}
    assert set(re.findall(r"logic\.(\w+)\(", MANUAL)) <= methods


def test_what_is_cited_is_this_version() -> None:
    cited = (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.+)$", cited, re.MULTILINE) == [__version__]


@pytest.mark.parametrize("page", PAGES)
def test_no_page_claims_more_than_research_use(page: str) -> None:
    text = (REPOSITORY / page).read_text(encoding="utf-8").lower()
    for word in ("revolutionary", "state-of-the-art", "cutting-edge", "seamless", "powerful"):
        assert word not in text
    if page == "README.md":
        assert "not a medical device" in text
