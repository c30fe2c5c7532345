"""The part of the module's logic that pulls bones apart; nodes in, nodes out."""

from __future__ import annotations

from typing import Any


class LayerLogic:
    """Console calls of the panel's group "Bones apart".

    >>> apart = logic.separate(radiographNode, segmentationNode=named.segments)
    >>> logic.setShares(apart.faded, {"radius": 0.0})
    >>> logic.measureJointSpace(apart.faded, ("radius", "lunate")).figures
    """

    def separate(self, radiographNode: Any, config: Any = None, segmentationNode: Any = None):
        """Pull bones apart; see `BoneXrayLib.layers.SeparateConfig` for what can be chosen.

        The visible segments of `segmentationNode`, where one is given, are the bones. Returns nodes
        (faded, layers by name, masks, overlap), placed beneath the radiograph.
        """
        from ..layers import SeparateConfig
        from .slicer_layers import layer_nodes

        work = self.separation(radiographNode, config or SeparateConfig(), segmentationNode)
        return layer_nodes(work(None, None), radiographNode)

    def setShares(self, fadedNode: Any, shares: dict[str, float]) -> None:
        """Show each named layer this much: 0 leaves the bone out, 1 is as it is, up to 2."""
        from .slicer_layers import set_shares

        set_shares(fadedNode, shares)

    def colourLayers(self, fadedNode: Any) -> Any:
        """The faded radiograph with each bone in its colour, as a colour volume node."""
        from .slicer_layer_looks import colour_layers

        return colour_layers(fadedNode)

    def measureJointSpace(
        self, fadedNode: Any, bones: Any = None, secondNode: Any = None, config: Any = None,
        pixelMm: float | None = None,
    ) -> Any:  # fmt: skip
        """Width between two bones, (upper, lower) by name, and its narrowing until a second visit.

        See `BoneXrayLib.joints.joint_space_config.JointConfig` for what can be chosen; `pixelMm` is
        for radiographs that do not say it. Returns nodes (figures, profiles: tables; chart), placed
        beneath the radiograph.
        """
        from .slicer_joint_space import joint_nodes

        found = self.jointSpace(fadedNode, bones, secondNode, config, pixelMm)(None, None)
        return joint_nodes(found, fadedNode, secondNode)

    def separateModels(self) -> list[Any]:
        """Trained models that pull bones apart, shipped ones and those in the user's folder."""
        from ..models import list_models

        return list_models(task="separate")

    def separation(self, radiographNode: Any, config: Any, segmentationNode: Any = None) -> Any:
        """Pulling apart as a function of arrays, work(progress, is_cancelled), for a thread."""
        from .slicer_layers import separation_work

        return separation_work(radiographNode, config, segmentationNode)

    def jointSpace(
        self, fadedNode: Any, bones: Any = None, secondNode: Any = None, config: Any = None,
        pixelMm: float | None = None,
    ) -> Any:  # fmt: skip
        """Measuring as a function of arrays, work(progress, is_cancelled), for a thread."""
        from .slicer_joint_space import joint_work

        return joint_work(fadedNode, bones, secondNode, config, pixelMm)
