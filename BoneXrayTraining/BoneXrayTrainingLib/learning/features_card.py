"""What the card of a model says that finds features of legs."""

from __future__ import annotations

from typing import Any

from BoneXrayLib.legs.leg_channels import OUTPUTS

from ..legs.config import LegsConfig
from ..sampling.leg_images import EDGE_OD


def finds_features(trained: str, legs: LegsConfig) -> dict[str, Any]:
    """The texts of the card; `trained` says on what, `legs` how they were put together."""
    drawn = " Many of the bones were drawn from statistical shape models." if legs.models else ""
    feet = "simple solids stood for feet" if legs.foot else "feet ended with the talus"
    return {
        "description": (
            "Finds femur and tibia of one leg in radiographs of hip, knee, lower or whole leg: "
            "landmarks with how sure they are, outlines, the discs of femoral head and condyles, "
            "view and side."
        ),
        "outputs": [{"name": name} for name in OUTPUTS],
        "bone": "solids of bone surfaces with all inside; a mask is where the bone adds more than "
        f"{EDGE_OD:g} of optical density; landmarks and spheres as projected",
        "intended_use": (
            "Research on radiographs of legs: a first guess of landmarks and outlines, to be "
            "corrected by a reader, and the start of a fit of a shape model. Not a medical device."
        ),
        "limits": (
            f"{trained}{drawn} On real radiographs it was not measured. One leg in an image, "
            f"upright or nearly so; few subjects stand behind it; {feet}; children, fractures, "
            "implants and the other leg were not among them. A lateral image does not tell left "
            "from right."
        ),
    }


def shape_sources(models: tuple[str, ...]) -> list[dict[str, str]]:
    """Sources that shape models were built of whose samples a network was trained on."""
    from BoneXrayLib.shape_model import read_shape_model

    found = []
    for name in models:
        card = read_shape_model(name).card
        sources = card.trained_on["sources"] if card is not None else []
        found += [{"name": s["name"], "licence": s["licence"]} for s in sources]
    return [source for n, source in enumerate(found) if source not in found[:n]]
