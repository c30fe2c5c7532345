"""How often the out-of-domain warning is right, and the fit of its weights.

    python Testing/benchmarks/domain.py --ct CT... --pictures FOLDER [--real FILE...] [--json FILE]

Radiographs are simulated from the CTs, and drawn from real ones (parts, other responses) where
files are given; photographs are drawn from the pictures of the folder,
ultrasound and screenshots are synthetic. The table is held out: each CT, and each part of the
others, is judged by weights fitted without it; with `--shipped`, all by the shipped weights.
What it prints last are the weights fitted on everything, as `domain_weights.py` holds them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import domain_examples as examples
import domain_others as others
import numpy as np
from PIL import Image
from scipy.optimize import minimize

from BoneXrayLib import domain
from BoneXrayLib.domains.image_statistics import KIND_NAMES, kind_numbers
from BoneXrayLib.domains.polarity_statistics import POLARITY_NAMES, polarity_numbers
from BoneXrayLib.drr import DrrConfig, simulate
from BoneXrayLib.radiograph import read_radiograph
from BoneXrayLib.volume import read_volume

VIEWS = ("AP", "LAT-L", "PA", "LAO", "RPO", "LAT-R", "AP", "AP", "LAT-L", "AP", "LAT-R", "AP")
KINDS = ("radiograph", *domain.KINDS)
LINE = (
    "{kind:11s} {group:24.24s} n {n:4d}  warned {warned:6.1%}  as {as}  "
    "upright called inverted {false:6.1%}  inverted noticed {hit:6.1%}"
)


def main() -> None:
    """Make examples, judge them, print the table and the weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ct", nargs="+", type=Path, required=True, help="CTs")
    parser.add_argument("--pictures", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--real", nargs="*", type=Path, default=[], help="real radiographs")
    parser.add_argument("--draws", type=int, default=4, help="radiographs of each projection")
    parser.add_argument("--projections", type=Path, help="keep the projections here")
    parser.add_argument("--shipped", action="store_true", help="judge by the shipped weights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the table here, too")
    given = parser.parse_args()
    kinds, groups, numbers, polarity = gather(given)
    if given.shipped:
        scores, margins = shipped_scores(numbers, polarity)
    else:
        scores, margins = held_out_scores(kinds, groups, numbers, polarity)
    rows = table(kinds, groups, scores, margins)
    for row in rows:
        print(LINE.format(**row))
    if given.json:
        given.json.write_text(json.dumps(rows, indent=2) + "\n")
    if not given.shipped:
        print_weights(*fitted(kinds, numbers, polarity))


def gather(given: argparse.Namespace) -> tuple[np.ndarray, ...]:
    """Kind, group and both sets of numbers of every example."""
    rng = np.random.default_rng(given.seed)
    made: list[tuple[str, str, np.ndarray, np.ndarray]] = []

    def add(kind: str, group: str, image: np.ndarray) -> None:
        image = np.ascontiguousarray(image, dtype=np.float32)
        if np.ptp(image) > 0:
            made.append((kind, group, kind_numbers(image), polarity_numbers(image)))

    densities = [(ct.name.split(".")[0], d) for ct in given.ct for d in projections(ct, given)]
    for name, density in densities:
        for _ in range(given.draws):
            add("radiograph", name, examples.radiograph(density, rng)[0])
    for file in given.real:
        pixels = read_radiograph(file).pixels
        add("radiograph", file.stem, pixels)
        for _ in range(24):
            add("radiograph", file.stem, examples.radiograph(as_density(pixels), rng)[0])
    pictures = [(p.stem, np.asarray(Image.open(p).convert("L"), np.float32))
                for p in sorted(given.pictures.iterdir())]  # fmt: skip
    for n, (_, picture) in enumerate(pictures):
        for _ in range(4):
            add("photograph", f"picture {n % 7}", examples.photograph(picture, rng))
    for n in range(56):
        add("photograph", f"synthetic {n % 7}", others.natural_scene(rng))
        add("ultrasound", f"synthetic {n % 7}", others.ultrasound(rng))
    for n in range(98):
        inside = (None, densities[n % len(densities)][1], pictures[n % len(pictures)][1])[n % 3]
        add("screenshot", f"synthetic {n % 7}", others.screenshot(rng, inside))
    kinds, groups, numbers, polarity = zip(*made, strict=True)
    return np.array(kinds), np.array(groups), np.array(numbers), np.array(polarity)


def as_density(pixels: np.ndarray) -> np.ndarray:
    """A real radiograph on about the scale of optical density, at most about 800 pixels a side."""
    step = -(-max(pixels.shape) // 800)
    low, high = np.percentile(pixels, [0.5, 99.5])
    level = np.clip((pixels[::step, ::step] - low) / (high - low), 0, 1.2)
    return (4 * level).astype(np.float32)


def projections(ct: Path, given: argparse.Namespace) -> list[np.ndarray]:
    """Optical densities of several views and fields of a CT, wide and close."""
    kept = given.projections and given.projections / f"{ct.name.split('.')[0]}.npz"
    if kept and kept.exists():
        return list(np.load(kept).values())
    volume, rng = read_volume(ct), np.random.default_rng(len(ct.name))
    span = max(float(np.ptp(volume.corners_ras[:, axis])) for axis in range(3))
    found = []
    for n, view in enumerate(VIEWS):
        field = span * (1.25 if n < 2 else 0.7 if n < 4 else rng.uniform(0.35, 1.4))
        shift, turn = rng.uniform(-0.25, 0.25, 2) * span, rng.normal(0, (25, 8))
        config = DrrConfig(
            view=view,
            size=(512, 512) if n % 3 else (448, 560),
            pixel=float(np.clip(field / 400, 0.1, 3)),
            shift=(0.0, 0.0) if n < 4 else (float(shift[0]), float(shift[1])),
            rotate=(0.0, 0.0) if n < 6 else (float(turn[0]), float(turn[1])),
            remove_couch=n != 5,
        )
        density = simulate(volume, config).full
        if (density > 0.1).mean() > 0.1:  # not past the patient
            found.append(density)
    if kept:
        np.savez_compressed(kept, *found)
    return found


def fitted(kinds: np.ndarray, numbers: np.ndarray, polarity: np.ndarray) -> tuple:
    """Mean, spread and weights (kinds, numbers + 1) of the kinds; weights of the polarity."""
    mean, spread = numbers.mean(0), numbers.std(0)
    x = np.c_[(numbers - mean) / spread, np.ones(len(numbers))]
    wanted = kinds[:, None] == np.array(KINDS)
    share = 200 * wanted / np.maximum(wanted.sum(0), 1)
    share[:, 0] *= 2

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = np.r_[np.zeros((1, x.shape[1])), flat.reshape(-1, x.shape[1])]
        z = x @ weights.T
        log_sum = np.logaddexp.reduce(z, axis=1, keepdims=True)
        gradient = (np.exp(z - log_sum) * share.sum(1, keepdims=True) - share).T @ x
        penalty = weights.copy()
        penalty[:, -1] = 0
        value = (share * (log_sum - z)).sum() + 0.5 * (penalty**2).sum()
        return value, (gradient + penalty)[1:].ravel()

    start = np.zeros((len(KINDS) - 1) * x.shape[1])
    weights = minimize(loss, start, jac=True, method="L-BFGS-B").x.reshape(-1, x.shape[1])
    return mean, spread, weights, fitted_polarity(polarity[kinds == "radiograph"])


def fitted_polarity(polarity: np.ndarray) -> np.ndarray:
    """Weights w so that numbers @ w is positive for bone-bright radiographs; no offset: odd."""
    spread = polarity.std(0)
    x = polarity / spread

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        z = x @ w
        return float(np.logaddexp(0, -z).sum() + 0.5 * w @ w), w - x.T @ (1 / (1 + np.exp(z)))

    return minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x / spread


def scores_by(numbers: np.ndarray, mean: np.ndarray, spread: np.ndarray, weights: np.ndarray):
    """Score of each kind but radiograph, (examples, kinds)."""
    return np.c_[(numbers - mean) / spread, np.ones(len(numbers))] @ weights.T


def shipped_scores(numbers: np.ndarray, polarity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores and margins by the weights in the library."""
    return np.array([domain.kind_scores(n) for n in numbers]), np.array(
        [domain.polarity_margin(p) for p in polarity]
    )


def held_out_scores(
    kinds: np.ndarray, groups: np.ndarray, numbers: np.ndarray, polarity: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and margins of each example by weights fitted without its CT, or its seventh."""
    scores = np.empty((len(kinds), len(domain.KINDS)))
    margins = np.empty(len(kinds))
    cts = sorted(set(groups[kinds == "radiograph"]))
    for n in range(max(7, len(cts))):
        part = np.char.endswith(groups, f" {n}") & (kinds != "radiograph")
        out = part | (groups == (cts[n] if n < len(cts) else ""))
        if not out.any():
            continue
        mean, spread, weights, odd = fitted(kinds[~out], numbers[~out], polarity[~out])
        scores[out] = scores_by(numbers[out], mean, spread, weights)
        margins[out] = polarity[out] @ odd
    return scores, margins


def table(kinds, groups, scores, margins) -> list[dict]:
    """Shares warned of, by kind, and of radiographs by CT, too."""
    rows = []
    warned = np.logaddexp.reduce(scores, axis=1) > domain.KIND_THRESHOLD
    names = np.array(domain.KINDS)[scores.argmax(1)]
    chosen = [(k, "all", kinds == k) for k in KINDS]
    chosen += [("radiograph", g, (kinds == "radiograph") & (groups == g))
               for g in sorted(set(groups[kinds == "radiograph"]))]  # fmt: skip
    for kind, group, rows_of in chosen:
        margin = margins[rows_of] if kind == "radiograph" else np.zeros(1)
        said = {n: int((names[rows_of & warned] == n).sum()) for n in domain.KINDS}
        rows.append({
            "kind": kind, "group": group, "n": int(rows_of.sum()),
            "warned": float(warned[rows_of].mean()), "as": said,
            "false": float((margin < -domain.POLARITY_THRESHOLD).mean()),
            "hit": float((margin > domain.POLARITY_THRESHOLD).mean()),
        })  # fmt: skip
    return rows


def print_weights(mean, spread, weights, odd) -> None:
    """The weights per raw number, as the library holds them."""
    raw = weights[:, :-1] / spread
    print("OFFSETS =", tuple(round(float(v), 3) for v in weights[:, -1] - raw @ mean))
    for name, column in zip(KIND_NAMES, raw.T, strict=True):
        print(f'    "{name}": ({", ".join(f"{v:.3f}" for v in column)}),')
    for name, value in zip(POLARITY_NAMES, odd, strict=True):
        print(f'    "{name}": {value:.3f},')


if __name__ == "__main__":
    main()
