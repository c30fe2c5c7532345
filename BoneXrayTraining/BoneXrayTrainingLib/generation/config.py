"""What a data set depends on, read from TOML: CTs, views, draws, pairing, split."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from BoneXrayLib.files import plain_stem
from BoneXrayLib.geometry import VIEWS
from BoneXrayLib.physics.exposure_config import EXPOSURES

from ..mappings import from_mapping, read_toml
from ..pairs import PairConfig
from ..sources import CtSource

PAIRINGS = {
    "drr": ("full", "bone", "layers", "exposed", "exposed_bone"),
    "localizer": ("input", "full", "bone", "layers", "input_layers"),
}
"""What a sample of each pairing can hold."""
EXPOSED = ("exposed", "exposed_bone")
DTYPES = ("float16", "float32")
TUBES = ("near", "far")
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class GenerateSource(CtSource):
    """One CT, or many of one kind: a path with * stands for every match.

    The patient of a match is `patient` with * replaced by the file's name without its suffix.
    """

    series: str = ""
    """Number or UID of the DICOM series, where a folder holds several."""
    labels: str = ""
    """Label map of the CT: each of `structures` becomes a layer, in place of bone by its HU."""
    structures: tuple[int, ...] = ()
    """Values of that label map that are bones."""
    landmarks: str = ""
    """Points in the CT; without, a file beside it, .landmarks.json or .mrk.json, is taken."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.labels) != bool(self.structures):
            raise ValueError(f"{self.path}: labels and structures; expected both or neither")
        if self.labels and self.bones:
            raise ValueError(f"{self.path}: bones; expected none with labels (bones makes up a CT)")
        if self.labels and self.is_made_up_of_meshes:
            raise ValueError(f"{self.path}: labels; expected none with surface meshes")
        if not 0.0 < self.share < float("inf"):
            raise ValueError(f"{self.path}: share: got {self.share}; expected more than 0")


@dataclass(frozen=True)
class SplitConfig:
    """Which patients go where: by name, the others by a hash of their name."""

    train: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    fractions: tuple[float, float, float] = (1.0, 0.0, 0.0)
    """Shares of train, validation and test among the patients not named."""
    salt: str = ""
    """Another word deals the patients anew."""

    def __post_init__(self) -> None:
        if min(self.fractions) < 0 or abs(sum(self.fractions) - 1.0) > 1e-6:
            raise ValueError(
                f"split.fractions: got {self.fractions}; expected three shares that add up to 1"
            )


@dataclass(frozen=True)
class LocalizerConfig:
    """How the pairing "localizer" is made; lengths in mm."""

    files: tuple[str, ...] = ()
    """Real localizers (DICOM; * allowed), each used for the CTs of its frame of reference.
    A CT without one gets simulated localizers."""
    tube: str = "near"
    """Where the tube of a real localizer stood: on the side it is seen from (near) or behind the
    patient (far). DICOM does not say."""
    distances: tuple[float, ...] = ()
    """Source to detector and source to isocentre of a localizer whose header misses them."""
    misregistration: tuple[float, float] = (0.0, 0.0)
    """Length of the patient's movement between localizer and CT, drawn evenly; any direction."""

    def __post_init__(self) -> None:
        if self.tube not in TUBES:
            raise ValueError(f"localizer.tube: got {self.tube!r}; expected near or far")
        if len(self.distances) not in (0, 2):
            raise ValueError(f"localizer.distances: got {self.distances}; expected two lengths")
        low, high = self.misregistration
        if not 0.0 <= low <= high < float("inf"):
            raise ValueError(
                f"localizer.misregistration: got {self.misregistration}; expected two lengths, "
                "the smaller first"
            )


@dataclass(frozen=True)
class SampleConfig:
    """What a sample depends on besides its CT and its number."""

    pairing: str = "drr"
    """drr (radiograph and its bones) or localizer (CT localizer and the bones of the CT)."""
    views: tuple[str, ...] = ()
    """Named views to draw poses near; without, `pairs` says where poses are drawn."""
    draws: int = 16
    """Samples of each CT and view; times the CT's share."""
    seed: int = 1
    """Sample n of CT c is drawn from (seed, c, n) alone."""
    exposures: tuple[str, ...] = ()
    """Named exposures (chest, extremity, pelvis, localizer, c-arm), one drawn for each sample,
    which then holds what a detector shows, too."""
    arrays: tuple[str, ...] = ()
    """What a sample holds: full, bone, layers, with localizers input and input_layers, with
    exposures exposed and exposed_bone. Without: all but input_layers."""
    dtype: str = "float16"
    """float16 (a step of 0.1 % of the value) or float32."""
    pairs: PairConfig = field(default_factory=PairConfig)
    localizer: LocalizerConfig = field(default_factory=LocalizerConfig)

    def __post_init__(self) -> None:
        _one_of("pairing", self.pairing, PAIRINGS)
        _one_of("dtype", self.dtype, DTYPES)
        for view in self.views:
            _one_of("views", view, VIEWS)
        for name in self.arrays:
            _one_of("arrays", name, PAIRINGS[self.pairing])
        for name in self.exposures:
            _one_of("exposures", name, EXPOSURES)
        if self.exposures and self.pairing != "drr":
            raise ValueError('exposures: set with pairing "localizer"; expected pairing = "drr"')
        if self.exposures and not set(EXPOSED) & set(self.held):
            raise ValueError(f"exposures: expected none without {' or '.join(EXPOSED)} in arrays")
        if not self.exposures and set(EXPOSED) & set(self.arrays):
            raise ValueError("arrays: exposed and exposed_bone; expected exposures with them")
        if self.draws < 1:
            raise ValueError(f"draws: got {self.draws}; expected at least 1")
        if self.pairing == "drr" and self.localizer != LocalizerConfig():
            raise ValueError('localizer: set with pairing "drr"; expected pairing = "localizer"')
        if self.localizer.files and "input_layers" in self.arrays:
            raise ValueError("arrays: input_layers; a real localizer has none")

    @property
    def held(self) -> tuple[str, ...]:
        """Names of the arrays of a sample."""
        left_out = ("input_layers", *(() if self.exposures else EXPOSED))
        wanted = self.arrays or tuple(n for n in PAIRINGS[self.pairing] if n not in left_out)
        return tuple(n for n in PAIRINGS[self.pairing] if n in wanted)

    @property
    def drawn_from(self) -> PairConfig:
        """Ranges of pose and beam, with a localizer's beam alone where that is the pairing."""
        if self.pairing == "drr":
            return self.pairs
        return dataclasses.replace(self.pairs, beams={"localizer": 1.0})


@dataclass(frozen=True)
class GenerateConfig(SampleConfig):
    """Everything a data set depends on; read from a TOML file."""

    name: str = "data set"
    ct: tuple[GenerateSource, ...] = ()
    data_root: str = "."
    """Folder that the paths of CTs, labels, landmarks and localizers start from."""
    output: str = "datasets/generated"
    """Folder of the data set."""
    shard: int = 32
    """Samples a shard, at most; fewer where they are large."""
    max_gb: float = 0.0
    """Disk that the data set may take [GB]; 0 sets no limit but the disk's own."""
    split: SplitConfig = field(default_factory=SplitConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.ct:
            raise ValueError("ct: got none; expected at least one [[ct]] entry")
        if self.shard < 1:
            raise ValueError(f"shard: got {self.shard}; expected at least 1")
        if not 0.0 <= self.max_gb < float("inf"):
            raise ValueError(f"max_gb: got {self.max_gb}; expected 0 (no limit) or more")

    @property
    def samples(self) -> SampleConfig:
        """The part that samples depend on."""
        names = [f.name for f in dataclasses.fields(SampleConfig)]
        return SampleConfig(**{name: getattr(self, name) for name in names})


def read_generate_config(path: str | Path, **overrides: object) -> GenerateConfig:
    """The configuration in a TOML file; `overrides` replace top-level entries unless None.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: no TOML, an unknown name or a wrong value, which is named; a path with * that
            matches nothing.
    """
    data = read_toml(path)
    data.update({name: value for name, value in overrides.items() if value is not None})
    config = from_mapping(GenerateConfig, data, "config")
    root = Path(config.data_root)
    sources = tuple(one for source in config.ct for one in _matches(source, root))
    files = tuple(one for name in config.localizer.files for one in found_files(root, name))
    localizer = dataclasses.replace(config.localizer, files=files)
    return dataclasses.replace(config, ct=sources, localizer=localizer)


def found_files(root: Path, pattern: str) -> list[str]:
    """Paths from `root` that a pattern matches, in order; the pattern itself where it has no *."""
    if "*" not in pattern:
        return [pattern]
    if Path(pattern).is_absolute():
        anchor = Path(pattern).anchor
        return [str(p) for p in sorted(Path(anchor).glob(pattern[len(anchor) :]))]
    return [p.relative_to(root).as_posix() for p in sorted(root.glob(pattern))]


def _matches(source: GenerateSource, root: Path) -> list[GenerateSource]:
    if "*" not in source.path:
        return [source]
    paths = found_files(root, source.path)
    if not paths:
        raise ValueError(f"ct: {source.path} matches nothing in {root}; expected at least one CT")

    def one(path: str) -> GenerateSource:
        stem = plain_stem(Path(path))
        named = {
            name: getattr(source, name).replace("*", stem)
            for name in ("patient", "labels", "landmarks")
        }
        return dataclasses.replace(source, path=path, **named)

    return [one(path) for path in paths]


def _one_of(name: str, value: str, accepted: Iterable[str]) -> None:
    known = list(accepted)
    if value not in known:
        raise ValueError(f"{name}: got {value!r}; expected one of {', '.join(known)}")
