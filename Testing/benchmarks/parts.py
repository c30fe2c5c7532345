"""How well bones are named in parts of radiographs, as of one hip or one shoulder.

    python Testing/benchmarks/parts.py --model segment-trunk --data LIST.toml

Of every radiograph of `bone-xray evaluate segment --jitter 10 --draws 2` three squares are cut, 0.4
to 0.6 times as large as its bones together; printed is the mean Dice of each bone of which at least
200 pixels are seen, with the image shown as the model's card says and, beside it, always at its
working size.
"""

import argparse
import copy

import numpy as np

from BoneXrayLib.models import Model, find_model
from BoneXrayLib.radiograph import Radiograph
from BoneXrayLib.segmentation import SegmentConfig, model_structures, segment
from BoneXrayTrainingLib.evaluating_segments.segmentation_data import segmentation_sources
from BoneXrayTrainingLib.evaluating_segments.segmentation_evaluation import questions
from BoneXrayTrainingLib.evaluating_segments.segmentation_views import (
    MaskedRadiograph,
    SegmentViews,
)

PARTS, LEAST_PIXELS = 3, 200
SHARE = (0.4, 0.6)


def cut(question: MaskedRadiograph, rng: np.random.Generator) -> tuple[Radiograph, np.ndarray]:
    """A square of a radiograph around a place among its bones, and its masks."""
    rows, columns = np.nonzero(question.masks.any(axis=0))
    side = int(rng.uniform(*SHARE) * max(np.ptp(rows), np.ptp(columns)))
    row, column = (int(rng.uniform(n.min() + 0.3 * side, n.max() - 0.3 * side))
                   for n in (rows, columns))  # fmt: skip
    square = tuple(slice(max(at - side // 2, 0), at + side // 2) for at in (row, column))
    whole = question.radiograph
    pixels = np.ascontiguousarray(whole.pixels[square])
    part = Radiograph(pixels, whole.domain, whole.pixel_mm, name=whole.name)
    return part, question.masks[(slice(None), *square)]


def always_at_working_size(model: Model) -> Model:
    """The model without `finest_mm`."""
    other = copy.deepcopy(model)
    other.card.input.pop("finest_mm", None)
    return other


def main() -> None:
    """Print a line for each way of showing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="segment-trunk")
    parser.add_argument("--data", nargs="+", required=True)
    asked = parser.parse_args()
    model = find_model(asked.model, "segment")
    ways = {"as the card says": model, "at the working size": always_at_working_size(model)}
    found: dict[str, dict[str, list[float]]] = {way: {} for way in ways}
    rng, config = np.random.default_rng(5), SegmentConfig(turn="0")
    wanted = [s.name for s in model_structures(model)]
    views = SegmentViews(jitter=10.0, draws=2)
    for question in questions(segmentation_sources(asked.data), wanted, views, None, None):
        for part, masks in (cut(question, rng) for _ in range(PARTS)):
            for way, shown_by in ways.items():
                answer = segment(part, config, shown_by)
                masked = dict(zip(answer.names, answer.masks, strict=True))
                for name, truth in zip(question.subject.structures, masks, strict=True):
                    if truth.sum() >= LEAST_PIXELS:
                        both = 2 * (masked[name] & truth).sum() / (masked[name].sum() + truth.sum())
                        found[way].setdefault(name, []).append(float(both))
    for way, bones in found.items():
        means = {name: float(np.mean(dice)) for name, dice in bones.items()}
        each = ", ".join(f"{name} {value:.2f}" for name, value in means.items())
        print(f"{way:22} mean Dice {np.mean(list(means.values())):.3f}: {each}")


if __name__ == "__main__":
    main()
