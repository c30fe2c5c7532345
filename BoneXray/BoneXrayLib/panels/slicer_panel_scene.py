"""The panel's group "In the scene": tube and detector in 3D, outlines, rays, the 3D camera."""

from __future__ import annotations

from typing import Any

import numpy as np
import qt
import slicer
import slicer.util
from slicer.i18n import tr as _

from ..drr import Drr
from ..geometry import Geometry, make_geometry
from ..outlines import layer_outlines
from ..poses import read_pose
from ..scene.slicer_messages import errors_shown
from ..scene.slicer_nodes import ijk_to_world
from ..scene.slicer_outlines import remove_outlines, segment_colours, show_outlines
from ..scene.slicer_parameters import is_same
from ..scene.slicer_ray import RayFollower
from ..scene.slicer_scene import EXPOSURE, remove_models, show_exposure, show_picture
from ..scene.slicer_views import SideBySide, camera_direction, fit_three_d, show_ct
from ..view_direction import angles_from_direction


class SceneSection:
    """Draws what the section above decides; computes no radiograph. Switched off, it does nothing.

    The tube follows the sliders at once; picture and outlines come with the image they belong to.
    """

    def __init__(self, ui: Any, views: SideBySide) -> None:
        self._ui, self._views = ui, views
        self._parameters: Any = None
        self._made: tuple[Drr, Any, Any] | None = None
        self._drawn: tuple[Any, ...] | None = None
        self._outlined: tuple[Any, ...] | None = None
        self._opened: Any = None
        self._ray = RayFollower(self._say)
        ui.cameraButton.connect("clicked(bool)", self.on_camera)

    def follow(self, parameters: Any) -> None:
        """Show and serve these choices from now on; None ends it."""
        if not is_same(parameters, self._parameters):
            self._made = self._drawn = self._outlined = None
            self._opened = None
        self._parameters = parameters
        if parameters is None:
            self._ray.follow(None)
            return
        self.update()

    def update(self) -> None:
        """The choices changed: show, move or take away."""
        parameters = self._parameters
        if parameters is None:
            return
        self._ui.outlinesBox.enabled = parameters.labels is not None
        wants_views = parameters.show_scene or parameters.show_ray
        self._views.set_in_scene(wants_views)
        self._draw_exposure()
        self._draw_outlines()
        opened = parameters.ct if wants_views else None
        if opened is not None and opened is not self._opened:
            show_ct(opened)
            qt.QTimer.singleShot(0, fit_three_d)  # the view has no size before
        self._opened = opened
        self._ray.follow(parameters.ct if parameters.show_ray else None)

    def show(self, drr: Drr, full: Any, ct: Any) -> None:
        """A radiograph came: `drr` as the volume node `full`, of the CT node `ct`."""
        self._made = (drr, full, ct)
        if self._parameters is not None:
            self._draw_picture()
            self._draw_outlines()
            self._ray.refresh()

    def on_camera(self) -> None:
        """Put the tube where the 3D view is looked at from."""
        with errors_shown(_("The view could not be taken from the 3D camera.")):
            view, orbital, tilt = angles_from_direction(camera_direction())
            parameters = self._parameters
            with slicer.util.NodeModify(parameters.parameterNode):
                parameters.view = view
                parameters.orbital, parameters.tilt = round(orbital, 1), round(tilt, 1)
            self._say(_("{view} turned by {orbital:.1f}° and tilted by {tilt:.1f}°.").format(
                view=view, orbital=orbital, tilt=tilt))  # fmt: skip

    def _draw_exposure(self) -> None:
        parameters = self._parameters
        if not parameters.show_scene or parameters.ct is None:
            if self._drawn is not None:
                remove_models(EXPOSURE)
                self._drawn = None
            return
        try:
            geometry = geometry_of(parameters)
        except (
            ValueError,
            FileNotFoundError,
        ):  # said by the section above; the last one that held stays
            return
        drawn = (parameters.ct.GetID(), repr(geometry.to_dict()))
        if drawn != self._drawn:
            is_new = self._drawn is None
            self._drawn = drawn
            show_exposure(geometry, parameters.ct)
            if is_new:
                self._draw_picture()

    def _draw_picture(self) -> None:
        _drr, full, ct = self._made or (None, None, None)
        if full is None or not self._parameters.show_scene or ct is not self._parameters.ct:
            return
        if slicer.mrmlScene.IsNodePresent(full):
            show_picture(full, ct)

    def _draw_outlines(self) -> None:
        parameters = self._parameters
        drr, _full, ct = self._made or (None, None, None)
        is_wanted = parameters.show_outlines and parameters.labels is not None
        if not is_wanted or drr is None or ct is not parameters.ct:
            if self._outlined is not None:
                remove_outlines()
                self._outlined = None
            return
        outlined = (id(drr), parameters.labels.GetID())
        if outlined != self._outlined:
            self._outlined = outlined
            colours = segment_colours(parameters.labels)
            found = layer_outlines(drr.layers)
            known = {name: pieces for name, pieces in found.items() if name in colours}
            show_outlines(known, colours, drr.geometry.image_to_ras(), ct)

    def _say(self, text: str) -> None:
        self._ui.sceneStatus.text = text


def geometry_of(parameters: Any) -> Geometry:
    """Tube and detector as they are chosen, about the middle of the CT, or as a pose file says.

    Raises:
        FileNotFoundError: the pose file is not there.
        ValueError: the choices contradict each other, it holds no pose, a transform bends the CT.
    """
    last = np.asarray(parameters.ct.GetImageData().GetDimensions()) - 1
    middle = ijk_to_world(parameters.ct, "ct") @ [*(last / 2), 1.0]
    config = parameters.drr_config()
    if config.pose is not None:
        return read_pose(config.pose, config.size, config.pixel, middle[:3])
    return make_geometry(config, middle[:3])
