"""What a network that finds the features of a leg answers, channel by channel.

A heat map for each landmark: a Gaussian of height one where it is, times how likely it is there.
Masks of femur and tibia, which may overlap, and of the discs of round parts. Two answers that are
one number for a whole image: whether it is frontal, and whether the leg is a right one.
"""

from __future__ import annotations

FEMUR_POINTS = (
    "head_centre",
    "greater_trochanter",
    "lesser_trochanter",
    "neck_centre",
    "medial_condyle",
    "lateral_condyle",
    "medial_epicondyle",
    "lateral_epicondyle",
    "intercondylar_notch",
    "shaft_proximal",
    "shaft_distal",
)
TIBIA_POINTS = (
    "medial_plateau",
    "lateral_plateau",
    "intercondylar_eminence",
    "tibial_tuberosity",
    "medial_malleolus",
    "plafond_centre",
    "shaft_proximal",
    "shaft_distal",
)
BONES = ("femur", "tibia")
POINTS = tuple(
    (bone, name)
    for bone, names in zip(BONES, (FEMUR_POINTS, TIBIA_POINTS), strict=True)
    for name in names
)
"""The bone and the name of each landmark."""
ELLIPSES = ("head", "medial_condyle", "lateral_condyle")
"""Round parts of the femur."""
FRONTAL, RIGHT = "frontal", "right"
MASKS = (*BONES, *(f"femur {name} disc" for name in ELLIPSES))
TOLD = (FRONTAL, RIGHT)
OUTPUTS = (*(f"{bone} {name}" for bone, name in POINTS), *MASKS, *TOLD)
"""Names of all channels, in their order."""
FIRST_MASK = len(POINTS)
FIRST_TOLD = FIRST_MASK + len(MASKS)
SIGMA = 2.0
"""Standard deviation of a heat map where a landmark is sure [pixels of the network]."""
