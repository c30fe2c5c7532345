"""Tables read from TOML or JSON as dataclasses: known names and types only."""

from __future__ import annotations

import dataclasses
import json
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def read_toml(path: str | Path) -> Any:
    """What a TOML file holds, or, by its name, a JSON file such as a run's record.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is neither.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"config: {path} not found; expected a TOML file")
    kind = "JSON" if path.suffix.lower() == ".json" else "TOML"
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if kind == "JSON" else tomllib.loads(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"config: {path} is no {kind} file ({error})") from None


def from_mapping(kind: type[T], data: object, where: str) -> T:
    """Build dataclass `kind` from a mapping, nested ones too; refuses what it does not know."""
    if not isinstance(data, Mapping):
        raise ValueError(f"{where}: got {data!r}; expected a table")
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(typing.cast("Any", kind))}
    unknown = sorted(set(data) - set(fields))
    if unknown:
        raise ValueError(f"{where}: unknown {unknown[0]!r}; expected one of {', '.join(fields)}")
    missing = [
        name
        for name, field in fields.items()
        if name not in data
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ValueError(f"{where}: misses {', '.join(missing)}")
    return kind(**{n: _convert(hints[n], v, f"{where}.{n}") for n, v in data.items()})


def _convert(hint: Any, value: object, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return from_mapping(typing.cast("type[Any]", hint), value, where)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType and inner[1:] == (type(None),):
        return None if value is None else _convert(inner[0], value, where)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{where}: got {value!r}; expected a list")
        kinds = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        if len(kinds) != len(value):
            raise ValueError(f"{where}: got {len(value)} values; expected {len(kinds)}")
        return tuple(
            _convert(k, v, f"{where}[{n}]")
            for n, (k, v) in enumerate(zip(kinds, value, strict=True))
        )
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ValueError(f"{where}: got {value!r}; expected a table")
        return {k: _convert(inner[1], v, f"{where}.{k}") for k, v in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and not _is_a(value, hint):
        raise ValueError(f"{where}: got {value!r}; expected {hint.__name__}")
    return value


def _is_a(value: object, hint: type) -> bool:
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))


def says_the_same(before: Any, now: Any) -> bool:
    """Whether two are equal, but for entries that what an earlier version wrote had not."""
    if isinstance(before, dict) and isinstance(now, dict):
        return all(name in now and says_the_same(before[name], now[name]) for name in before)
    if isinstance(before, list) and isinstance(now, list):
        return len(before) == len(now) and all(map(says_the_same, before, now))
    return before == now
