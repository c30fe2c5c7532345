"""The part of the module's logic that simulates radiographs of a CT; nodes in, nodes out."""

from __future__ import annotations

from typing import Any


class CtLogic:
    """Console calls of the panel's first section.

    >>> made = logic.makeRadiographs(ctNode)
    >>> made.full, made.bone
    """

    _cache: Any = None
    """What is kept of the last CT."""

    def makeRadiographs(
        self, ctNode: Any, config: Any = None, segmentationNode: Any = None, device: str = "auto"
    ) -> Any:
        """Simulate a radiograph of the CT; see `BoneXrayLib.drr.DrrConfig` for what can be chosen.

        Projects on `device`: auto, cpu or cuda. Returns nodes (full, bone, layers by name), placed
        beneath the CT.
        """
        from .slicer_results import drr_nodes

        drr, _ = self.simulation(ctNode, config, segmentationNode, device)(None, None)
        return drr_nodes(drr, ctNode)

    def expose(
        self,
        ctNode: Any,
        exposure: Any = "chest",
        config: Any = None,
        segmentationNode: Any = None,
        device: str = "auto",
    ) -> Any:
        """Simulate what a detector shows of the CT, with noise, scatter and blur.

        `exposure` is a name (chest, extremity, pelvis, localizer, c-arm) or a
        `BoneXrayLib.exposure.ExposureConfig`. Returns nodes (full, bone), placed beneath the CT.
        """
        from ..exposure import named_exposure
        from .slicer_results import exposed_nodes

        settings = named_exposure(exposure) if isinstance(exposure, str) else exposure
        work = self.simulation(ctNode, config, segmentationNode, device, settings)
        drr, exposed = work(None, None)
        return exposed_nodes(exposed, drr, ctNode)

    def makeLongLeg(self, ctNode: Any, config: Any = None, segmentationNode: Any = None) -> Any:
        """Simulate a long-leg view of the CT: several shots along the patient, stitched.

        See `BoneXrayLib.long_leg_config.LongLegConfig` for what can be chosen. Returns nodes (full,
        bone, layers by name), placed beneath the CT.
        """
        from ..long_leg_config import LongLegConfig
        from .slicer_long_leg import long_leg_work
        from .slicer_results import long_leg_nodes

        work = long_leg_work(ctNode, config or LongLegConfig(), segmentationNode)
        return long_leg_nodes(work(None, None), ctNode)

    def forgetInputs(self) -> None:
        """Free what is kept of the last CT to answer a moved slider sooner."""
        self._cache = None

    def simulation(
        self,
        ctNode: Any,
        config: Any = None,
        segmentationNode: Any = None,
        device: str = "auto",
        exposure: Any = None,
    ) -> Any:
        """The simulation as a function of arrays, work(progress, is_cancelled), for a thread.

        The work gives line integrals, and what a detector shows of them or None.
        """
        from ..drr import DrrConfig

        config = config or DrrConfig()
        return self._inputs().work(ctNode, config, segmentationNode, device, exposure)

    def liveCt(self, ctNode: Any, segmentationNode: Any = None, device: str = "auto") -> Any:
        """The CT kept ready for many radiographs of it; see `BoneXrayLib.live.LiveCt`."""
        return self._inputs().live(ctNode, segmentationNode, device)

    def _inputs(self) -> Any:
        from .slicer_inputs import SimulationInputs

        if self._cache is None:
            self._cache = SimulationInputs()
        return self._cache
