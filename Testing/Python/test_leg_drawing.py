"""What is drawn of leg bones becomes features: circles, ellipses, moved points, outlines."""

from __future__ import annotations

import types
from typing import Any

import numpy as np
import pytest

from BoneXrayLib.leg_features import EllipseFeature, LegFeatures, PointFeature
from BoneXrayLib.legs import leg_finding
from BoneXrayLib.legs.leg_config import LegConfig
from BoneXrayLib.legs.leg_drawing import (
    Drawing,
    drawing_of,
    ellipse_around,
    features_of,
    items,
    most_of,
    note_of,
    places_around,
)
from BoneXrayLib.legs.leg_feature_files import PLACED_PX2


def same_curve(one: EllipseFeature, other: EllipseFeature) -> None:
    """Both have the same places; axes may have other names."""
    assert one[:2] == pytest.approx(other[:2], abs=1e-6)
    places = places_around(one, 40) - other[:2]
    cos, sin = np.cos(other.angle), np.sin(other.angle)
    along, across = places @ [sin, cos], places @ [cos, -sin]
    np.testing.assert_allclose(np.hypot(along / other.a, across / other.b), 1.0, atol=1e-6)


@pytest.mark.parametrize("angle", [0.0, 0.7, -1.3])
def test_a_drawn_ellipse_comes_back(angle: float) -> None:
    ellipse = EllipseFeature(212.0, 301.5, 61.0, 55.0, angle)
    same_curve(ellipse_around(places_around(ellipse)), ellipse)
    same_curve(ellipse_around(places_around(ellipse, 9)), ellipse)


@pytest.mark.parametrize("count", [3, 4])
def test_few_places_make_a_circle(count: int) -> None:
    turn = np.linspace(0.2, 2.5, count)
    places = np.stack([40 + 12 * np.sin(turn), 90 + 12 * np.cos(turn)], axis=1)
    assert ellipse_around(places) == pytest.approx((40, 90, 12, 12, 0))


def test_a_short_arc_drawn_by_a_shaking_hand_is_no_long_ellipse() -> None:
    rng, turn = np.random.default_rng(3), np.linspace(0, 2.2, 7)
    places = np.stack([40 + 30 * np.sin(turn), 90 + 30 * np.cos(turn)], axis=1)
    found = ellipse_around(places + rng.normal(0, 0.7, places.shape))
    assert max(found.a, found.b) < 1.5 * min(found.a, found.b)
    assert found[:2] == pytest.approx((40, 90), abs=6)


def test_places_on_a_line_are_refused() -> None:
    with pytest.raises(ValueError, match="on a line"):
        ellipse_around(np.array([[0.0, 0.0], [1.0, 1.0], [3.0, 3.0]]))


def test_features_that_nobody_moved_stay_as_sure_as_they_were_found() -> None:
    spread = np.array([[9.0, 1.0], [1.0, 2.0]])
    points = {n: PointFeature(10.0, 20.0, spread) for n in ("neck_centre", "shaft_distal")}
    head = EllipseFeature(30.0, 40.0, 9.0, 8.0, 0.3)
    found = LegFeatures("femur", "left", "AP", (1.0, 2.0, 30.0, 40.0), points, {"head": head})
    drawing = drawing_of(found)
    drawing.points["shaft_distal"] = np.array([15.0, 20.0])
    back = features_of(drawing, "femur", "left", "AP", found)
    assert back is not None
    assert back.box == found.box
    same_curve(back.ellipses["head"], head)
    assert np.array_equal(back.points["neck_centre"].covariance, spread)
    assert np.array_equal(back.points["shaft_distal"].covariance, PLACED_PX2 * np.eye(2))


def test_a_drawn_outline_counts_instead_of_the_found_one_and_is_closed() -> None:
    found = LegFeatures("tibia", "right", "AP", outline=np.eye(5))
    assert features_of(Drawing(), "tibia", "right", "AP") is None
    kept = features_of(Drawing(), "tibia", "right", "AP", found)
    assert kept is not None
    assert kept.outline_kind == "mask"
    line = np.random.default_rng(1).random((9, 2))
    drawn = features_of(Drawing(outline=line), "tibia", "right", "AP", found)
    assert drawn is not None
    assert drawn.outline_kind == "line"
    assert np.array_equal(drawn.outline, [*line, line[0]])
    few = features_of(Drawing(outline=line[:4]), "tibia", "right", "AP", found)
    assert few is not None
    assert few.outline_kind == "mask"


def test_round_parts_of_too_few_places_do_not_count() -> None:
    drawing = Drawing({"neck_centre": np.array([1.0, 2.0])}, {"neck_centre": ""},
                      {"head": np.array([[1.0, 2.0], [3.0, 5.0]])})  # fmt: skip
    features = features_of(drawing, "femur", "right", "AP")
    assert features is not None
    assert most_of("femur", [[features], []]) == 1
    assert most_of("tibia", [[features], []]) == 0


def test_round_parts_are_the_femurs_and_come_first() -> None:
    listed = items(("tibia", "femur"))
    assert listed[0] == ("femur", "ellipse", "head")
    assert {item.kind for item in listed if item.bone == "tibia"} == {"point", "outline", "box"}
    assert len(set(listed)) == len(listed)


def test_a_note_says_where_a_landmark_was() -> None:
    assert '"at": [1.0, 2.5]' in note_of(PointFeature(1.0, 2.5, np.eye(2)))


def test_frontal_images_tell_the_side_of_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that takes every lateral image for a right leg's, and knows a left one in front."""
    asked = []

    def detect(radiograph: str, config: Any, *_: Any, **__: Any) -> Any:
        asked.append((radiograph, config.side, config.view))
        view = "AP" if radiograph == "front" else "LAT"
        side = {"AP": "left", "LAT": "right"}[view] if config.side == "auto" else config.side
        return types.SimpleNamespace(name=radiograph, side=side, view=view)

    monkeypatch.setattr(leg_finding, "detect", detect)
    monkeypatch.setattr(leg_finding, "find_model", lambda *_: None)

    def sides(names: list[str], *views: str) -> list[tuple[str, str]]:
        found = leg_finding.find_features(names, LegConfig(view=views))  # ty: ignore[invalid-argument-type]
        return [(detection.name, detection.side) for detection in found]

    both = [("front", "left"), ("lateral", "left")]
    assert sides(["front", "lateral"], "PA", "LAT-L") == both
    assert sides(["lateral", "front"], "LAT-L", "PA") == both[::-1]
    assert asked[:2] == asked[2:] == [("front", "auto", "AP"), ("lateral", "left", "LAT")]
    assert sides(["front", "lateral"]) == both
    assert sides(["lateral", "front"]) == both[::-1]
    assert sides(["lateral"]) == [("lateral", "right")]
