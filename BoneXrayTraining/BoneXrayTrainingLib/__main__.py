"""`bone-xray`: find the command, parse its arguments, run it, turn errors into one line."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .console import Failed, Reporter, table

if TYPE_CHECKING:
    from .commands import Command

PROGRAM = "bone-xray"
FAILED, USAGE, INTERRUPTED = 1, 2, 130
DISCLAIMER = "For research; not a medical device. Images stay on this computer."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 only when it succeeded, 2 for bad input, 130 for Ctrl-C.

    1 is for work that was done and written, but came to nothing that is to be believed.

    Args:
        argv: the words after the program's name; those of this process when None.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words)
    except (ValueError, OSError) as error:
        return _fail(_message(error))
    except Failed as failed:
        return _fail(str(failed), FAILED)
    except ImportError as error:
        if error.name is None or error.name.startswith("BoneXray"):
            raise
        return _fail(f"this command needs the package {error.name}; install bone-xray[train]")
    except KeyboardInterrupt as stop:
        return _fail(" ".join(["interrupted", *([f"({stop})"] if str(stop) else [])]), INTERRUPTED)


def _dispatch(words: list[str]) -> int:
    from .commands import COMMANDS

    if words in (["--version"], ["-V"]):
        from BoneXrayLib import __version__

        print(f"{PROGRAM} {__version__}")
        return 0
    for count in (2, 1):
        name = " ".join(words[:count])
        if len(words) >= count and name in COMMANDS:
            return _run(COMMANDS[name], name, words[count:])
    group = words[0] if words and any(n.startswith(f"{words[0]} ") for n in COMMANDS) else ""
    rest = words[1:] if group else words
    if rest and rest[0] in ("-h", "--help"):
        print(_overview(COMMANDS, group))
        return 0
    known = sorted({n.removeprefix(group).split()[0] for n in COMMANDS if n.startswith(group)})
    got = repr(rest[0]) if rest else "none"
    where = f"{group} command" if group else "command"
    raise ValueError(f"{where}: got {got}; expected one of {', '.join(known)}, or --help")


def _run(kind: type[Command], name: str, words: list[str]) -> int:
    command = _parse(kind, name, words)
    if command is None:
        return 0
    report = Reporter(name, command.json_progress)
    with report.listening():
        command.run(report)
    return 0


def _parse(kind: type[Command], name: str, words: list[str]) -> Command | None:
    """The command with its arguments; None where only help was asked for.

    tyro answers bad arguments with a box of several lines; it is read and said in one.
    """
    import tyro

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(kind, prog=f"{PROGRAM} {name}", args=words)
    except SystemExit as end:
        if not end.code:
            return None
        raise ValueError(f"{_unboxed(said.getvalue())} (see {PROGRAM} {name} --help)") from None


def _unboxed(text: str) -> str:
    """The sentences of a boxed message on one line, without its rules and its advice on help."""
    inner = [line.strip("│ ") for line in text.splitlines() if line.startswith("│")]
    parts = re.split(r"\n─+\n", "\n".join(inner) or text.strip())
    kept = [p for p in parts if not p.startswith(("For full helptext", "Argument helptext"))]
    return re.sub(r"\[/?\w+\]|\s+", " ", "; ".join(kept)).strip()


def _overview(commands: dict[str, type[Command]], group: str) -> str:
    """All commands, or those of a group, a line each."""
    rows = [
        (name, (kind.__doc__ or "").split("\n\n")[0].strip())
        for name, kind in commands.items()
        if name.startswith(group)
    ]
    usage = f"usage: {PROGRAM} {group or 'COMMAND'} … ; {PROGRAM} COMMAND --help says more"
    what = "Radiographs of a CT's bones, and the bones of a radiograph."
    return "\n".join([usage, "", what, "", *table(rows), "", DISCLAIMER])


def _message(error: ValueError | OSError) -> str:
    """The error in one line; the system's own errors name their file."""
    if isinstance(error, OSError) and error.strerror:
        named = f": {error.filename}" if error.filename else ""
        return f"{error.strerror}{named}"
    return str(error)


def _fail(message: str, code: int = USAGE) -> int:
    print(f"{PROGRAM}: error: {' '.join(message.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
