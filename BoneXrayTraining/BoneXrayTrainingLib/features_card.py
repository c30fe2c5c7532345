"""What the card of a model says that finds features of legs."""

from __future__ import annotations

from typing import Any

from BoneXrayLib.leg_channels import OUTPUTS

from .configuration import TrainConfig


def finds_features(trained: str, models: tuple[str, ...]) -> dict[str, Any]:
    """The texts of the card; `trained` says on what, `models` which shape models had a part."""
    drawn = " Many of the bones were drawn from statistical shape models." if models else ""
    return {
        "description": (
            "Finds femur and tibia of one leg in radiographs of hip, knee, lower or whole leg: "
            "landmarks with how sure they are, outlines, the discs of femoral head and condyles, "
            "view and side."
        ),
        "outputs": [{"name": name} for name in OUTPUTS],
        "bone": "solids of bone surfaces with all inside; a mask is where 1 mm of water's density "
        "is exceeded along the ray; landmarks and spheres as projected",
        "intended_use": (
            "Research on radiographs of legs: a first guess of landmarks and outlines, to be "
            "corrected by a reader, and the start of a fit of a shape model. Not a medical device."
        ),
        "limits": (
            f"{trained}{drawn} On real radiographs it was not measured. One leg in an image, "
            "upright or nearly so; few subjects stand behind it; children, fractures, implants, "
            "feet beside the talus and the other leg were not among them. A lateral image does "
            "not tell left from right."
        ),
    }


def shape_sources(config: TrainConfig) -> list[dict[str, str]]:
    """Sources that the shape models were built of whose samples a network was trained on."""
    if config.task != "features":
        return []
    from BoneXrayLib.shape_model import read_shape_model

    found = []
    for name in config.legs.models:
        card = read_shape_model(name).card
        sources = card.trained_on["sources"] if card is not None else []
        found += [{"name": s["name"], "licence": s["licence"]} for s in sources]
    return [source for n, source in enumerate(found) if source not in found[:n]]
