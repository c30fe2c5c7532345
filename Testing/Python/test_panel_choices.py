"""What a command can be told, the panel can be told too: same names, same defaults."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from panels import opened_panel, start_slicer

standin = start_slicer()

from slicer.parameterNodeWrapper import Choice, FloatRange, WithinRange  # noqa: E402

from BoneXrayLib.drr import DrrConfig  # noqa: E402
from BoneXrayLib.extraction import ExtractConfig  # noqa: E402
from BoneXrayLib.joints.joint_space_config import JointConfig  # noqa: E402
from BoneXrayLib.layers import SeparateConfig  # noqa: E402
from BoneXrayLib.legs.leg_config import LegConfig  # noqa: E402
from BoneXrayLib.long_leg_config import LongLegConfig  # noqa: E402
from BoneXrayLib.physics.exposure_config import EXPOSURES, ExposureConfig  # noqa: E402
from BoneXrayLib.segmentation import SegmentConfig  # noqa: E402

CHOSEN: dict[type, Callable[[Any], Any]] = {
    DrrConfig: lambda chosen: chosen.drr_config(),
    LongLegConfig: lambda chosen: chosen.long_leg_config(),
    ExposureConfig: lambda chosen: chosen.exposure_config(),
    ExtractConfig: lambda chosen: chosen.extract_config(),
    SegmentConfig: lambda chosen: chosen.segment_config(),
    SeparateConfig: lambda chosen: chosen.separate_config(),
    JointConfig: lambda chosen: chosen.joint_config(),
    LegConfig: lambda chosen: chosen.leg_config(),
}
ON_ITS_OWN = {(SeparateConfig, "masks"), (LegConfig, "view")}
"""Given beside the settings: a node with masks, and a view for each radiograph."""
BY_BUTTONS = {
    "pose", "model", "enhanced", "segment_model", "segments", "separate_model", "faded",
    "upper_bone", "lower_bone", "second_visit", "leg_finder", "leg_femur_model",
    "leg_tibia_model", "leg", "study", "preset", "exposure", "view",
}  # fmt: skip
"""Kept by code that fills a list or opens a dialog; the last three have a widget besides."""


@pytest.fixture
def panel() -> Iterator[Any]:
    yield from opened_panel()


def other_values(member: Any, value: Any) -> list[Any]:
    """Values of a choice that differ from the one it has."""
    if member.is_node:
        return []
    choice, within = member.first(Choice), member.first(WithinRange)
    if choice is not None:
        return [other for other in choice.choices if other != value]
    if within is not None:
        near = value + (1 if member.type is int else 0.1) * (1 if value < within.maximum else -1)
        return [near]
    if member.type is FloatRange:
        return [FloatRange(value.minimum + 1, value.maximum - 1)]
    return [not value] if member.type is bool else ["another"]


def fields_that_change(panel: Any, chosen: Callable[[Any], Any]) -> set[str]:
    """Fields of a command's settings that some choice of the panel changes."""
    parameters, changed = panel.logic.getParameterNode(), set()
    before = dataclasses.asdict(chosen(parameters))
    for member in parameters.allParameters.values():
        value = member.read(parameters.parameterNode)
        for other in other_values(member, value):
            member.write(parameters.parameterNode, other)
            try:
                made = chosen(parameters)
            except ValueError:  # contradicts another choice
                continue
            after = dataclasses.asdict(made) if made is not None else before
            changed |= {field for field in after if after[field] != before[field]}
        if not member.is_node:
            if member.type is FloatRange:
                value = FloatRange(value.minimum, value.maximum)
            member.write(parameters.parameterNode, value)
    return changed


@pytest.mark.parametrize("settings", CHOSEN)
def test_all_that_a_command_can_be_told_can_be_chosen_in_the_panel(
    panel: Any, settings: type
) -> None:
    if settings is ExposureConfig:
        panel.logic.getParameterNode().exposure = "chest"
    wanted = {field.name for field in dataclasses.fields(settings)}
    wanted -= {name for kind, name in ON_ITS_OWN if kind is settings}
    assert wanted - fields_that_change(panel, CHOSEN[settings]) == set()


@pytest.mark.parametrize("settings", [kind for kind in CHOSEN if kind is not ExposureConfig])
def test_a_fresh_panel_has_the_commands_defaults(panel: Any, settings: type) -> None:
    assert CHOSEN[settings](panel.logic.getParameterNode()) == settings()


@pytest.mark.parametrize("name", EXPOSURES)
def test_a_named_exposure_is_the_commands(panel: Any, name: str) -> None:
    panel.logic.getParameterNode().exposure = name
    assert panel.logic.getParameterNode().exposure_config() == EXPOSURES[name]


def test_each_setting_of_an_exposure_is_an_option_of_the_command() -> None:
    from BoneXrayTrainingLib.commands.imaging import Drr

    options = {field.name: field.default for field in dataclasses.fields(Drr)}
    assert {name for name, default in options.items() if default is None} >= {
        field.name for field in dataclasses.fields(ExposureConfig)
    }


def test_every_choice_has_a_widget(panel: Any) -> None:
    bound = {w.property("SlicerParameterName") for w in vars(panel.ui).values()} - {None}
    assert set(panel.logic.getParameterNode().allParameters) - bound - BY_BUTTONS == set()
