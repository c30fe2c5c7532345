"""What the user chose in the panel: a typed view of the module's parameter node.

Defaults are those of `DrrConfig` and the like; only ranges of widgets are of this file.
"""

import math
from typing import Annotated, Any

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.parameterNodeWrapper import (
    Choice,
    Decimals,
    Default,
    FloatRange,
    RangeBounds,
    SingleStep,
    WithinRange,
    parameterNodeWrapper,
)

from ..bone_presets import PRESETS
from ..drr import DrrConfig
from ..extraction import ENHANCE_RANGE, ExtractConfig
from ..geometry import BEAMS, VIEWS
from ..joints.joint_space_config import JointConfig
from ..layers import SeparateConfig
from ..long_leg_config import METHODS, LongLegConfig
from ..projection import DEVICES
from ..radiograph import POLARITIES
from ..segmentation import SegmentConfig
from ..segments.mirror_images import MIRRORS
from ..segments.turned_images import TURNS
from ..thinning import LARGEST_PIXEL_MM, SMALLEST_SIDE
from .slicer_exposure_parameters import ExposureChoices
from .slicer_leg_parameters import LegChoices

HU_LIMITS = (-1024.0, 3071.0)
"""Ends of the HU slider; the upper one means that there is no upper bound."""
MASKS_FROM = ("nothing", "segments", "segment model")
"""Where the masks of bones to be pulled apart come from."""
OVERLAP_AS_NEEDED = -0.1
"""Stands for no overlap being asked for [mm]; 0 is one that can be asked for."""

_DRR = DrrConfig()
_LONG_LEG = LongLegConfig()
_EXTRACT = ExtractConfig()
_SEGMENT = SegmentConfig()
_SEPARATE = SeparateConfig()
_JOINT = JointConfig()


def _slider_range(window: tuple[float, float]) -> FloatRange:
    """A bone window [HU] as the slider shows it."""
    low, high = HU_LIMITS
    return FloatRange(min(max(window[0], low), high), min(max(window[1], low), high))


@parameterNodeWrapper
class BoneXrayParameterNode(ExposureChoices, LegChoices):
    """CT, bone window, geometry; radiograph, model; reading. Lengths in mm, angles in °."""

    ct: vtkMRMLScalarVolumeNode
    labels: vtkMRMLSegmentationNode
    preset: Annotated[str, Choice(list(PRESETS))] = _DRR.preset
    hu: Annotated[
        FloatRange, RangeBounds(*HU_LIMITS), Default(_slider_range(PRESETS[_DRR.preset].hu))
    ]
    remove_couch: bool = _DRR.remove_couch
    remove_contrast: bool = _DRR.remove_contrast
    view: Annotated[str, Choice(list(VIEWS))] = _DRR.view
    pose: str = _DRR.pose or ""
    device: Annotated[str, Choice(list(DEVICES))] = DEVICES[0]
    beam: Annotated[str, Choice(list(BEAMS))] = _DRR.beam
    orbital: Annotated[float, WithinRange(-180, 180), SingleStep(1), Decimals(1)] = _DRR.rotate[0]
    tilt: Annotated[float, WithinRange(-90, 90), SingleStep(1), Decimals(1)] = _DRR.rotate[1]
    source_detector: Annotated[float, WithinRange(50, 10000), SingleStep(10), Decimals(1)] = (
        _DRR.source_detector
    )
    source_object: Annotated[float, WithinRange(10, 10000), SingleStep(10), Decimals(1)] = (
        _DRR.source_object
    )
    pixel: Annotated[float, WithinRange(0.01, LARGEST_PIXEL_MM), SingleStep(0.1), Decimals(3)] = (
        _DRR.pixel
    )
    rows: Annotated[int, WithinRange(SMALLEST_SIDE, 4096)] = _DRR.size[0]
    columns: Annotated[int, WithinRange(SMALLEST_SIDE, 4096)] = _DRR.size[1]
    shift_down: Annotated[float, WithinRange(-1000, 1000), Decimals(1)] = _DRR.shift[0]
    shift_right: Annotated[float, WithinRange(-1000, 1000), Decimals(1)] = _DRR.shift[1]
    method: Annotated[str, Choice(list(METHODS))] = _LONG_LEG.method
    shots: Annotated[int, WithinRange(1, 20)] = _LONG_LEG.shots
    overlap: Annotated[float, WithinRange(OVERLAP_AS_NEEDED, 5000), SingleStep(10), Decimals(1)] = (
        OVERLAP_AS_NEEDED if _LONG_LEG.overlap is None else _LONG_LEG.overlap
    )
    length: Annotated[float, WithinRange(0, 10000), SingleStep(10), Decimals(1)] = (
        _LONG_LEG.length or 0.0
    )
    width: Annotated[float, WithinRange(0, 10000), SingleStep(10), Decimals(1)] = (
        _LONG_LEG.width or 0.0
    )
    preview: bool = True
    show_scene: bool = False
    show_outlines: bool = False
    show_ray: bool = False
    radiograph: vtkMRMLScalarVolumeNode
    pixel_mm: Annotated[float, WithinRange(0, 10), SingleStep(0.01), Decimals(3)] = 0.0
    polarity: Annotated[str, Choice(list(POLARITIES))] = _EXTRACT.polarity
    model: str = _EXTRACT.model
    enhance: Annotated[float, WithinRange(*ENHANCE_RANGE), SingleStep(0.05), Decimals(2)] = (
        _EXTRACT.enhance
    )
    uncertainty: bool = _EXTRACT.uncertainty
    enhanced: vtkMRMLScalarVolumeNode
    segment_model: str = _SEGMENT.model
    threshold: Annotated[float, WithinRange(0.01, 0.99), SingleStep(0.05), Decimals(2)] = (
        _SEGMENT.threshold
    )
    clean: bool = _SEGMENT.clean
    mirror: Annotated[str, Choice(list(MIRRORS))] = _SEGMENT.mirror
    turn: Annotated[str, Choice(list(TURNS))] = _SEGMENT.turn
    segments: vtkMRMLSegmentationNode
    segment_fill: bool = True
    segment_outline: bool = True
    separate_model: str = _SEPARATE.model
    masks_from: Annotated[str, Choice(list(MASKS_FROM))] = MASKS_FROM[0]
    masks: vtkMRMLSegmentationNode
    faded: vtkMRMLScalarVolumeNode
    layer_colours: bool = False
    overlap_outline: bool = True
    upper_bone: str = ""
    lower_bone: str = ""
    second_visit: vtkMRMLScalarVolumeNode
    share: Annotated[float, WithinRange(0.1, 1), SingleStep(0.05), Decimals(2)] = _JOINT.share
    smooth_along: Annotated[float, WithinRange(0, 20), SingleStep(0.5), Decimals(1)] = (
        _JOINT.smooth_along
    )
    most_degrees: Annotated[float, WithinRange(0, 45), SingleStep(1), Decimals(1)] = (
        _JOINT.most_degrees
    )
    study: str = ""
    reader: str = ""

    def use_preset(self) -> None:
        """Put the bone window of the chosen preset on the slider."""
        self.hu = _slider_range(PRESETS[self.preset].hu)

    def hu_window(self) -> tuple[float, float] | None:
        """The user's own window [HU], or None while the slider stands on the preset's."""
        shown, of_preset = self.hu, _slider_range(PRESETS[self.preset].hu)
        if (shown.minimum, shown.maximum) == (of_preset.minimum, of_preset.maximum):
            return None
        return shown.minimum, math.inf if shown.maximum >= HU_LIMITS[1] else shown.maximum

    def drr_config(self) -> DrrConfig:
        """The choices for a radiograph of the CT; ValueError when they contradict each other."""
        return DrrConfig(
            beam=self.beam,
            size=(self.rows, self.columns),
            shift=(self.shift_down, self.shift_right),
            pose=self.pose or None,
            **self._of_any_view(),
        )

    def long_leg_config(self) -> LongLegConfig:
        """The choices for a long-leg view; ValueError when they contradict each other."""
        if self.pose:
            raise ValueError(f"pose: got {self.pose!r}; expected none for a long-leg view")
        if self.beam != "cone":
            raise ValueError(f"beam: got {self.beam!r}; expected 'cone' for a long-leg view")
        return LongLegConfig(
            method=self.method,
            shots=self.shots,
            overlap=None if self.overlap < 0 else self.overlap,
            length=self.length or None,
            width=self.width or None,
            **self._of_any_view(),
        )

    def _of_any_view(self) -> dict[str, Any]:
        """What a radiograph of the CT and a long-leg view have in common."""
        return {
            "view": self.view,
            "rotate": (self.orbital, self.tilt),
            "source_detector": self.source_detector,
            "source_object": self.source_object,
            "pixel": self.pixel,
            "preset": self.preset,
            "hu": self.hu_window(),
            "remove_couch": self.remove_couch,
            "remove_contrast": self.remove_contrast,
        }

    def extract_config(self) -> ExtractConfig:
        """The choices for extraction."""
        return ExtractConfig(
            model=self.model,
            enhance=self.enhance,
            pixel=self.pixel_mm or None,
            polarity=self.polarity,
            uncertainty=self.uncertainty,
        )

    def segment_config(self) -> SegmentConfig:
        """The choices for naming bones."""
        return SegmentConfig(
            model=self.segment_model,
            pixel=self.pixel_mm or None,
            polarity=self.polarity,
            threshold=self.threshold,
            clean=self.clean,
            mirror=self.mirror,
            turn=self.turn,
        )

    def separate_config(self) -> SeparateConfig:
        """The choices for pulling bones apart; masks of segments are given beside them."""
        return SeparateConfig(
            model=self.separate_model,
            pixel=self.pixel_mm or None,
            polarity=self.polarity,
            segment=self.segment_model if self.masks_from == "segment model" else "",
        )

    def joint_config(self) -> JointConfig:
        """The choices for joint spaces."""
        return JointConfig(self.share, self.smooth_along, self.most_degrees)


def is_same(one: BoneXrayParameterNode | None, other: BoneXrayParameterNode | None) -> bool:
    """Whether both show the same node of the scene."""
    return one is not None and other is not None and one.parameterNode is other.parameterNode
