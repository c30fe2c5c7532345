"""What any model card says: that it is of the right kind, in one line where it is not."""

from __future__ import annotations

import math
import re


def check_outputs(outputs: object) -> None:
    """Of each output at least a name."""
    good = isinstance(outputs, list) and 1 <= len(outputs) <= 256
    if not good or not all(isinstance(o, dict) and isinstance(o.get("name"), str) for o in outputs):
        raise wrong("outputs", outputs, "a list of 1 to 256 objects with a name")


def check_provenance(trained_on: object, evaluation: object) -> None:
    """What it was trained on, and its figures."""
    if not isinstance(trained_on, dict):
        raise wrong("trained_on", trained_on, "an object")
    sources = trained_on.get("sources")
    if not isinstance(sources, list) or not all(
        isinstance(s, dict) and are_texts([s.get("name"), s.get("licence")]) for s in sources
    ):
        raise wrong("trained_on.sources", sources, "a list of {name, licence}")
    if type(trained_on.get("cts")) is not int or trained_on["cts"] < 0:
        raise wrong("trained_on.cts", trained_on.get("cts"), "a number of CTs")
    if not isinstance(evaluation, list) or not all(
        isinstance(e, dict) and {"data", "metric", "value", "baseline"} <= e.keys()
        for e in evaluation
    ):
        raise wrong("evaluation", evaluation, "a list of {data, metric, value, baseline}")


def check_hashes(sha256: object) -> None:
    """Names of files in the model's folder, and their SHA-256."""
    if not isinstance(sha256, dict):
        raise wrong("sha256", sha256, "an object {file: hash}")
    for name, digest in sha256.items():
        # One plain name: no folder, no drive, no stream, no way out of the model's folder.
        if (
            not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,99}", name)
            or name.lower() == "card.json"
        ):
            raise wrong("sha256", name, "plain file names in the model's own folder")
        if not (isinstance(digest, str) and re.fullmatch(r"[0-9a-f]{64}", digest)):
            raise wrong(f"sha256 of {name}", digest, "64 hexadecimal digits")


def is_number(value: object) -> bool:
    """Whether it is a finite number and no bool."""
    is_plain = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        return is_plain and math.isfinite(value)
    except OverflowError:  # a whole number beyond any float
        return False


def are_texts(values: object) -> bool:
    """Whether it is a list of texts."""
    return isinstance(values, list | tuple) and all(isinstance(v, str) for v in values)


def wrong(key: str, value: object, expected: str) -> ValueError:
    """The error of a field: its value, cut short, and what is expected."""
    text = repr(value)
    text = text if len(text) <= 80 else text[:79] + "…"
    return ValueError(f"card.json: {key} is {text}; expected {expected}")
