"""What the user chose of leg bones in 3D: a part of the panel's parameter node.

Defaults are those of `LegConfig`; nothing is repeated here but the ranges of the widgets.
"""

import dataclasses
from typing import Annotated

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLTableNode
from slicer.parameterNodeWrapper import Choice, Decimals, SingleStep, WithinRange

from ..fitting.reconstruction_config import ReconstructionConfig
from ..geometry_config import VIEWS
from ..legs.leg_config import LegConfig
from ..shape_model import BONES, SIDES

BOTH = " and ".join(BONES)
AS_STORED = "as stored"
"""The view of a radiograph as its geometry, its DICOM header or the network says."""
_LEG = LegConfig()
_FIT = tuple(field.name for field in dataclasses.fields(ReconstructionConfig))


class LegChoices:
    """Radiographs, bones, models, and how the radiographs were taken."""

    leg_second: vtkMRMLScalarVolumeNode
    leg_bones: Annotated[str, Choice([BOTH, *BONES])] = " and ".join(_LEG.bones)
    leg_side: Annotated[str, Choice(["auto", *SIDES])] = _LEG.side
    leg_view: Annotated[str, Choice([AS_STORED, *VIEWS])] = AS_STORED
    leg_second_view: Annotated[str, Choice([AS_STORED, *VIEWS])] = AS_STORED
    leg_source_detector: Annotated[float, WithinRange(0, 10000), SingleStep(10), Decimals(1)] = (
        _LEG.source_detector or 0.0
    )
    leg_source_object: Annotated[float, WithinRange(0, 10000), SingleStep(10), Decimals(1)] = (
        _LEG.source_object or 0.0
    )
    leg_view_angle: Annotated[float, WithinRange(0, 30), SingleStep(1), Decimals(1)] = (
        _LEG.view_angle
    )
    leg_view_shift: Annotated[float, WithinRange(0, 1000), SingleStep(1), Decimals(1)] = (
        _LEG.view_shift
    )
    leg_knows_size: bool = _LEG.knows_size
    leg_depth: Annotated[float, WithinRange(0.1, 1000), SingleStep(5), Decimals(1)] = _LEG.depth
    leg_turn: Annotated[float, WithinRange(0.1, 180), SingleStep(5), Decimals(1)] = _LEG.turn
    leg_edge_search: Annotated[float, WithinRange(0, 20), SingleStep(0.5), Decimals(2)] = (
        _LEG.edge_search
    )
    leg_outline_error: Annotated[float, WithinRange(0.01, 20), SingleStep(0.1), Decimals(2)] = (
        _LEG.outline_error
    )
    leg_outline_length: Annotated[float, WithinRange(0.1, 500), SingleStep(5), Decimals(1)] = (
        _LEG.outline_length
    )
    leg_landmark_error: Annotated[float, WithinRange(0.01, 50), SingleStep(0.5), Decimals(2)] = (
        _LEG.landmark_error
    )
    leg_ellipse_error: Annotated[float, WithinRange(0.01, 50), SingleStep(0.5), Decimals(2)] = (
        _LEG.ellipse_error
    )
    leg_finder: str = _LEG.finder
    leg_femur_model: str = _LEG.model[0]
    leg_tibia_model: str = _LEG.model[1]
    leg: vtkMRMLTableNode
    leg_in_scene: bool = True

    def leg_radiographs(self):
        """The radiographs that are chosen: none, one or two."""
        chosen = [self.radiograph, self.leg_second]
        return [node for node in chosen if node is not None] if chosen[0] is not None else []

    def leg_views(self) -> list[str]:
        """The view that is chosen for each radiograph, empty where it is as stored."""
        views = [self.leg_view, self.leg_second_view][: len(self.leg_radiographs())]
        return ["" if view == AS_STORED else view for view in views]

    def leg_config(self) -> LegConfig:
        """The choices for leg bones in 3D, without views; ValueError when they contradict."""
        bones = tuple(self.leg_bones.split(" and "))
        models = {"femur": self.leg_femur_model, "tibia": self.leg_tibia_model}
        return LegConfig(
            **{name: getattr(self, f"leg_{name}") for name in _FIT},
            bones=bones,
            model=tuple(models[bone] for bone in bones),
            finder=self.leg_finder,
            side=self.leg_side,
            pixel=self.pixel_mm or None,
            polarity=self.polarity,
            source_detector=self.leg_source_detector or None,
            source_object=self.leg_source_object or None,
        )
