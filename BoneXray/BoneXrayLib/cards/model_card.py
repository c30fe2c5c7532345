"""What a model says of itself: the schema of `card.json`."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from typing import Any

from ..framing import FRAMINGS
from .card_checks import (
    are_texts,
    check_hashes,
    check_outputs,
    check_provenance,
    is_number,
    wrong,
)

SCHEMA_VERSION = 1
TASKS = ("extract", "segment", "separate", "features", "reconstruct")
DOMAINS = ("optical density", "display")
MAX_SIDE, MOST_FINEST_MM = 8192, 10.0
SEPARATE_OUTPUTS = ("bones", "this", "mask this", "mask others")
"""What a model for "separate" answers, in this order."""
SEPARATE_MASKS = 2
"""Its last channels: masks of the bone asked about and of the others, 0 where none are given."""
BLS_GAN = "bls-gan"
SEPARATE_RECIPES = {
    "": (3, SEPARATE_OUTPUTS),
    BLS_GAN: (1, ("upper bone alone", "lower bone alone")),
}
"""How many channels come before the masks, and the answers, by `input.recipe`. BLS-GAN's masks are
of the upper and the lower bone and have to be given (`layer_alone`)."""
SHAPE_FRAME = {"side": "right", "frame": "RAS mm"}
"""What shapes of a model for "reconstruct" are of: bones of this side, standing upright."""
MIRRORS = ("mean", "surer", "told", "none")
"""The mean of the answers to an image and its mirror image; of a network that knows right hands,
the surer of both or the one that its last output says is the right way round; or the answer to
the image alone."""


@dataclass(frozen=True)
class ModelCard:
    """The card of a model.

    Attributes:
        schema: version of this layout.
        name: letters, digits, dot, dash, underscore.
        task: extract, segment, separate, features or reconstruct.
        version: of the model.
        description: for people, a sentence or two.
        input: domain (one or a list of "optical density", "display"), pixel_mm [low, high],
            size_multiple, channels (what each holds), polarity ("bone bright"), working_size
            [pixels along the longer side]; finest_mm, none unless given: an image whose pixel size
            is known is shown to a "segment" network with pixels no smaller than that, as parts of
            a patient are else shown larger than in training; closer, none unless given: outputs of
            a "segment" network, around which it is shown an image once more where they are small
            in it; framing, "whole" unless given:
            `framing.FRAMINGS`; mirror, "mean" unless given: what answers are made of, one of
            `MIRRORS`; masks, for "separate": how many of the channels are masks, `SEPARATE_MASKS`;
            recipe, none unless given: one of `SEPARATE_RECIPES`. For "reconstruct", a shape
            model and no network: bone, and what `SHAPE_FRAME` says.
        outputs: for each output channel its name, colour, and terminology code where there is one.
        trained_on: sources [{name, licence}], cts (their number).
        evaluation: [{data, metric, value, baseline}].
        intended_use: what it is for.
        limits: what it is not for.
        network: description for `build_network`, for the torch weights; empty = ONNX only.
        sha256: of each file beside the card.

    Raises:
        ValueError: a field that is missing or wrong, in one line.
    """

    schema: int
    name: str
    task: str
    version: str
    description: str
    input: dict[str, Any]
    outputs: list[dict[str, Any]]
    trained_on: dict[str, Any]
    evaluation: list[dict[str, Any]]
    intended_use: str
    limits: str
    network: dict[str, Any] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)

    @property
    def framing(self) -> str:
        """What of an image the network is shown."""
        return self.input.get("framing", FRAMINGS[0])

    @property
    def mirror(self) -> str:
        """What of the answers to an image and its mirror image counts."""
        return self.input.get("mirror", MIRRORS[0])

    @property
    def closer(self) -> tuple[str, ...]:
        """Bones that are looked at closer."""
        return tuple(self.input.get("closer", ()))

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"

    def __post_init__(self) -> None:
        if type(self.schema) is not int or self.schema != SCHEMA_VERSION:
            raise wrong("schema", self.schema, str(SCHEMA_VERSION))
        if not (
            isinstance(self.name, str)
            and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", self.name)
        ):
            raise wrong("name", self.name, "letters, digits, dot, dash and underscore")
        if self.task not in TASKS:
            raise wrong("task", self.task, f"one of {', '.join(TASKS)}")
        for key in ("version", "description", "intended_use", "limits"):
            if not isinstance(getattr(self, key), str) or not getattr(self, key).strip():
                raise wrong(key, getattr(self, key), "some text")
        if self.task == "reconstruct":
            _check_shape(self.input)
        else:
            _check_input(self.input)
        check_outputs(self.outputs)
        _check_closer(self.input.get("closer", []), self.outputs)
        if self.task == "separate":
            _check_separate(self.input, self.outputs)
        check_provenance(self.trained_on, self.evaluation)
        if not isinstance(self.network, dict):
            raise wrong("network", self.network, "an object")
        check_hashes(self.sha256)


def card_from_json(data: bytes) -> ModelCard:
    """The card in the bytes of `card.json`.

    Raises:
        ValueError: no JSON, no object, missing or unknown fields, or wrong ones.
    """
    try:
        values = json.loads(data.decode("utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"card.json is not valid JSON ({error})") from None
    if not isinstance(values, dict):
        raise wrong("content", values, "a JSON object")
    if values.get("schema") != SCHEMA_VERSION:
        # First of all: a later schema may well have other fields.
        raise wrong("schema", values.get("schema"), str(SCHEMA_VERSION))
    fields = {f.name: f for f in dataclasses.fields(ModelCard)}
    for key, f in fields.items():
        if key not in values and (f.default_factory is dataclasses.MISSING or key == "sha256"):
            raise ValueError(f"card.json: {key} is missing")
    unknown = [key for key in values if key not in fields]
    if unknown:
        raise ValueError(f"card.json: unknown field {unknown[0]!r}")
    return ModelCard(**values)


def _check_input(values: object) -> None:
    if not isinstance(values, dict):
        raise wrong("input", values, "an object")
    needed = ("domain", "pixel_mm", "size_multiple", "channels", "polarity", "working_size")
    for key in needed:
        if key not in values:
            raise ValueError(f"card.json: input.{key} is missing")
    domain = values["domain"]
    domains = domain if isinstance(domain, list) else [domain]
    if not domains or any(each not in DOMAINS for each in domains):
        raise wrong("input.domain", domain, " or ".join(DOMAINS))
    pixel = values["pixel_mm"]
    if not (isinstance(pixel, list | tuple) and len(pixel) == 2 and all(map(is_number, pixel))
            and 0 < pixel[0] <= pixel[1]):  # fmt: skip
        raise wrong("input.pixel_mm", pixel, "[low, high] in mm")
    for key, highest in (("size_multiple", 1024), ("working_size", MAX_SIDE)):
        if type(values[key]) is not int or not 1 <= values[key] <= highest:
            raise wrong(f"input.{key}", values[key], f"a whole number, 1 to {highest}")
    finest = values.get("finest_mm", 1.0)
    if not is_number(finest) or not 0 < finest <= MOST_FINEST_MM:
        raise wrong("input.finest_mm", finest, f"above 0 to {MOST_FINEST_MM:g} mm")
    channels = values["channels"]
    if not are_texts(channels) or not 1 <= len(channels) <= 64:
        raise wrong("input.channels", channels, "a list of 1 to 64 texts")
    if values.get("framing", FRAMINGS[0]) not in FRAMINGS:
        raise wrong("input.framing", values["framing"], " or ".join(FRAMINGS))
    if values.get("mirror", MIRRORS[0]) not in MIRRORS:
        raise wrong("input.mirror", values["mirror"], " or ".join(MIRRORS))
    if values["polarity"] != "bone bright":
        raise wrong("input.polarity", values["polarity"], "'bone bright'")


def _check_closer(names: Any, outputs: list[dict[str, Any]]) -> None:
    known = [output["name"] for output in outputs]
    if not (are_texts(names) and all(name in known for name in names)):
        raise wrong("input.closer", names, f"a list of outputs, such as {', '.join(known[:3])}")


def _check_shape(values: object) -> None:
    """A shape model sees no image: it says which bone it is of, and in which frame."""
    if not isinstance(values, dict):
        raise wrong("input", values, "an object")
    if not (isinstance(values.get("bone"), str) and values["bone"].strip()):
        raise wrong("input.bone", values.get("bone"), "the name of a bone")
    for key, expected in SHAPE_FRAME.items():
        if values.get(key) != expected:
            raise wrong(f"input.{key}", values.get(key), repr(expected))


def _check_separate(values: dict[str, Any], outputs: list[dict[str, Any]]) -> None:
    """What a separator sees and answers is fixed: its answers are no names of a user's bones."""
    recipe = values.get("recipe", "")
    if not isinstance(recipe, str) or recipe not in SEPARATE_RECIPES:
        raise wrong("input.recipe", recipe, " or ".join(filter(None, SEPARATE_RECIPES)))
    shown, answers = SEPARATE_RECIPES[recipe]
    if values.get("masks") != SEPARATE_MASKS:
        raise wrong("input.masks", values.get("masks"), f"{SEPARATE_MASKS} for 'separate'")
    count = shown + SEPARATE_MASKS
    if len(values["channels"]) != count:
        raise wrong("input.channels", values["channels"], f"{count} for 'separate'")
    if values.get("mirror") == "told":
        raise wrong("input.mirror", "told", "another for 'separate': no answer tells")
    names = [output["name"] for output in outputs]
    if names != list(answers):
        raise wrong("outputs", names, f"{', '.join(answers)} for 'separate'")
