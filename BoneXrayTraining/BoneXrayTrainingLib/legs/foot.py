"""The foot below the talus, of simple solids: what lies there is not tibia.

No mesh of a whole foot may be used, and nothing here is named or marked. Heel bone, midfoot and
metatarsals are ellipsoids and tapered capsules of an adult foot of about 250 mm, in the proportions
of anatomy books, turned about the ankle and out of shape as drawn.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from ..mesh_ct.meshes import Mesh
from ..mesh_ct.shape import draw_waves
from .bones import LegBone

PLATEAU_MM = 46.0
"""Width between the middles of the plateau of a tibia whose foot has these lengths."""
BLOCKS = {
    "calcaneus": ((3.0, -12.0, -53.0), (17.0, 40.0, 19.0)),
    "navicular": ((-9.0, 37.0, -41.0), (17.0, 8.0, 13.0)),
    "cuboid": ((14.0, 35.0, -57.0), (12.0, 17.0, 11.0)),
    "medial cuneiform": ((-15.0, 55.0, -48.0), (8.0, 11.0, 13.0)),
    "middle cuneiform": ((-3.0, 53.0, -44.0), (7.0, 8.0, 10.0)),
    "lateral cuneiform": ((6.0, 54.0, -48.0), (7.0, 10.0, 10.0)),
}
"""Centre and half-axes [mm] from the middle of the plafond: lateral, front, up."""
RAYS = {
    "metatarsal 1": ((-17.0, 68.0, -52.0), (-24.0, 121.0, -74.0), (10.0, 9.0)),
    "metatarsal 2": ((-5.0, 64.0, -48.0), (-9.0, 128.0, -73.0), (6.5, 5.5)),
    "metatarsal 3": ((4.0, 65.0, -50.0), (4.0, 124.0, -73.0), (6.5, 5.0)),
    "metatarsal 4": ((13.0, 57.0, -56.0), (15.0, 116.0, -74.0), (6.5, 5.0)),
    "metatarsal 5": ((22.0, 50.0, -64.0), (27.0, 107.0, -75.0), (7.5, 5.0)),
}
"""Base, head, and the radius [mm] at each."""
PLANTAR = (10.0, 15.0)
"""How far the toes point down, mean and standard deviation [degrees]: they do where a leg lies."""
OUTWARD = 10.0
"""Standard deviation of the foot's turn about the leg [degrees]."""
SIZE = 0.06
WAVES_MM, WAVES_RMS = (25.0, 80.0), 1.5


def drawn_foot(
    origin: np.ndarray, axes: np.ndarray, width: float, rng: np.random.Generator
) -> list[LegBone]:
    """The bones of a right foot but its talus.

    Args:
        origin: (3,) the middle of the plafond [mm].
        axes: (3, 3), rows: to the right, to the front and up the leg.
        width: between the middles of the plateau's halves [mm].
        rng: source of all that is drawn.
    """
    turn = Rotation.from_euler(
        "xz", (-rng.normal(*PLANTAR), rng.normal(0.0, OUTWARD)), degrees=True
    )
    size = width / PLATEAU_MM * float(np.exp(rng.normal(0.0, SIZE)))
    waves = draw_waves(rng, WAVES_MM, WAVES_RMS)
    solids = {name: ellipsoid(*map(np.array, block)) for name, block in BLOCKS.items()}
    solids |= {
        name: capsule(np.array(base), np.array(head), *radii)
        for name, (base, head, radii) in RAYS.items()
    }
    out = []
    for name, mesh in solids.items():
        at = size * turn.apply(waves.at(mesh.vertices))
        out.append(LegBone("foot", "foot", Mesh(name, origin + at @ axes, mesh.faces)))
    return out


def ellipsoid(centre: np.ndarray, half: np.ndarray) -> Mesh:
    """A closed ellipsoid along the axes."""
    vertices, faces = unit_sphere()
    return Mesh("", centre + vertices * half, faces)


def capsule(start: np.ndarray, end: np.ndarray, first: float, last: float) -> Mesh:
    """A closed capsule about the line from `start` to `end`, its radius going evenly over."""
    vertices, faces = unit_sphere()
    along = (end - start) / np.linalg.norm(end - start)
    turn, _ = Rotation.align_vectors([along], [[0.0, 0.0, 1.0]])
    is_last = vertices[:, 2:] > 0
    radius = np.where(is_last, last, first)
    return Mesh("", np.where(is_last, end, start) + radius * turn.apply(vertices), faces)


def unit_sphere(around: int = 24, down: int = 15) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (N, 3) and faces (M, 3), outside counter-clockwise, of a sphere between poles."""
    polar, turn = np.meshgrid(
        np.linspace(0.0, np.pi, down + 1)[1:-1],
        np.linspace(0.0, 2 * np.pi, around, endpoint=False), indexing="ij",
    )  # fmt: skip
    rings = np.stack(
        [np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)], axis=-1
    )
    vertices = np.concatenate([[[0.0, 0.0, 1.0]], rings.reshape(-1, 3), [[0.0, 0.0, -1.0]]])
    number = 1 + np.arange((down - 1) * around).reshape(down - 1, around)
    beside, bottom = np.roll(number, -1, axis=1), len(vertices) - 1
    upper = np.stack([number[:-1], number[1:], beside[:-1]], axis=-1).reshape(-1, 3)
    lower = np.stack([beside[:-1], number[1:], beside[1:]], axis=-1).reshape(-1, 3)
    top = np.stack([np.zeros(around, int), number[0], beside[0]], axis=-1)
    end = np.stack([np.full(around, bottom), beside[-1], number[-1]], axis=-1)
    return vertices, np.concatenate([top, upper, lower, end])
