"""A handful of the pairs that a run would train on, as two pictures: images, and bones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from BoneXrayLib.bone import Parts
from BoneXrayLib.files import staged_folder
from BoneXrayLib.legs.leg_channels import FIRST_MASK, FIRST_TOLD
from BoneXrayLib.progress import Progress
from BoneXrayLib.radiograph import radiograph_from_array, write_float_nrrd

from .generation.pool import StorePool
from .learning.configuration import TrainConfig, on_dataset
from .learning.run_pools import leg_pool, patient_of, pool_of
from .pairs import Pair
from .sampling.dataset import CtSource, DrawnFrom, PoolConfig
from .sampling.pool import Pool, make_batch
from .stacking import stacked_patients

COUNT, COLUMNS = 6, 3
FEW_LEGS = 3
GAP = 4
DARKENED, FILL = 0.45, 0.12
"""How bright an image is under its masks, and how much each mask adds."""
IMAGES_FILE, BONES_FILE = "images.nrrd", "bones.nrrd"


def write_preview(config: TrainConfig, folder: Path, progress: Progress | None = None) -> Path:
    """Write `COUNT` pairs into `folder`, tile by tile: images.nrrd and bones.nrrd.

    They are of the CTs to train on in turn, or any of the data set; varied as in training, and
    shown as the network gets them: as shares of each image's span. Bones that are learned by name
    are outlined on their images.
    """
    images, bones = [], []
    for number, (pool, drawn) in enumerate(_pools(on_dataset(config), progress)):
        rng = np.random.default_rng([config.seed, 17, number])
        batch = make_batch(pool, 1, config.augmentation, rng, drawn, config.asked)
        if config.structures or config.task == "features":
            # Their level is 1 throughout, the image itself is among the channels.
            images.append(batch.channels[0, 0].clamp(min=0.0).numpy())
            masks = batch.target[0, 2:4] if config.asked else batch.target[0]
            masks = masks[FIRST_MASK:FIRST_TOLD] if config.task == "features" else masks
            bones.append(outlined(images[-1], masks.numpy() > 0.5))
        else:
            images.append(batch.level[0, 0].numpy())
            bones.append(batch.target[0].sum(0).numpy())
    with staged_folder(folder) as stage:
        for name, tiles in ((IMAGES_FILE, images), (BONES_FILE, bones)):
            picture = radiograph_from_array(tiled(tiles), "display", None, name.split(".")[0])
            write_float_nrrd(stage / name, picture)
    return folder


def outlined(image: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The image (rows, columns), darkened, with the masks (structures, rows, columns) over it.

    Each mask adds an even grey, so that overlaps are brighter, and has a bright outline.
    """
    low, high = np.percentile(image, (1.0, 99.0))
    dark = np.clip((image - low) / max(float(high - low), 1e-6), 0.0, 1.0) * DARKENED
    picture = np.minimum(dark + FILL * masks.sum(0), 0.9)
    around = np.pad(masks, ((0, 0), (1, 1), (1, 1)), mode="edge")
    inside = around[:, :-2, 1:-1] & around[:, 2:, 1:-1] & around[:, 1:-1, :-2] & around[:, 1:-1, 2:]
    return np.where((masks & ~inside).any(0), 1.0, picture).astype(np.float32)


def _pools(config: TrainConfig, progress: Progress | None) -> Iterator[tuple[DrawnFrom, int]]:
    """Where each pair is drawn from, and after how many images."""
    if config.dataset:
        stored = StorePool(config.dataset, "train")
        yield from ((stored, number) for number in range(COUNT))
        return
    if config.task == "features":
        few = dataclasses.replace(config.legs, patients=min(config.legs.patients, FEW_LEGS))
        legs = leg_pool(dataclasses.replace(config, legs=few), progress=progress)
        yield from ((legs, 24 * number) for number in range(COUNT))
        return
    pools: list[Pool] = [
        pool_of(config, [patient], PoolConfig(1, 1), config.seed)
        for patient in shown_patients(config, progress)
    ]
    # each further round draws a sample of its own
    yield from ((InTurn(pools, number), 24 * (number // len(pools))) for number in range(COUNT))


def shown_patients(
    config: TrainConfig, progress: Progress | None = None
) -> list[tuple[CtSource, Parts]]:
    """The first CTs trained on; the last is put together from two where the run has such."""
    stacks = dataclasses.replace(config.stacks, patients=min(config.stacks.patients, 1))
    of_stack = (*stacks.upper[:1], *stacks.lower[:1]) if stacks.patients else ()
    trained = [source for source in config.ct if source.patient not in config.validation]
    count = min(len(trained), COUNT - stacks.patients)
    known = []
    for number, source in enumerate(trained):
        if number < count or source.patient in of_stack:
            if progress is not None:
                progress(min(number, COUNT - 1) / COUNT, f"projecting {source.path}")
            known.append((source, patient_of(config, source)))
    made = stacked_patients(stacks, known, config.seed, config.pairs.deformation)
    return [*known[:count], *made]


class InTurn:
    """Draws from one pool after the other: first the pair, then whose flesh it may be shown in."""

    def __init__(self, pools: list[Pool], first: int) -> None:
        self.pools, self.next = pools, first

    def draw(self, rng: np.random.Generator, images: int = 0) -> Pair:
        """A sample of the next pool."""
        self.next += 1
        return self.pools[(self.next - 1) % len(self.pools)].draw(rng, images)


def tiled(tiles: list[np.ndarray]) -> np.ndarray:
    """Images of one size, `COLUMNS` in a row, dark lines between."""
    rows, columns = tiles[0].shape
    count = -(-len(tiles) // COLUMNS)
    whole = np.zeros(
        (count * (rows + GAP) - GAP, COLUMNS * (columns + GAP) - GAP), dtype=np.float32
    )
    for number, tile in enumerate(tiles):
        top, left = (number // COLUMNS) * (rows + GAP), (number % COLUMNS) * (columns + GAP)
        whole[top : top + rows, left : left + columns] = tile
    return whole
