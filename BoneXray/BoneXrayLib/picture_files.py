"""PNG, JPEG and TIFF pictures of radiographs: one grey value per pixel, nothing else believed."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .files import one_line

if TYPE_CHECKING:
    from PIL.Image import Image

#: How the note starts that says that a picture had colours of its own, more than a mark or two.
COLOUR_NOTE = "it had several colours"
SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".tif", ".tiff")
SMALLEST_SIDE, LARGEST_SIDE, LARGEST_PIXELS = 16, 16384, 120_000_000
#: Brightness of red, green and blue to the eye (ITU-R BT.601, as DICOM's YBR).
LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def check_size(rows: int, columns: int, name: str) -> None:
    """Refuse, from the header, images too small to show a bone or too large to be a radiograph."""
    fits = min(rows, columns) >= SMALLEST_SIDE and max(rows, columns) <= LARGEST_SIDE
    if not fits or rows * columns > LARGEST_PIXELS:
        raise ValueError(
            f"{name}: {rows} x {columns} pixels (rows x columns); expected {SMALLEST_SIDE} to "
            f"{LARGEST_SIDE} a side and at most {LARGEST_PIXELS // 1_000_000} million"
        )


def is_picture(path: Path) -> bool:
    """Whether the file starts like a PNG, JPEG or TIFF, whatever its name."""
    with path.open("rb") as file:
        head = file.read(8)
    return head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0"))


def read_picture(path: Path) -> tuple[np.ndarray, list[str]]:
    """Grey values (row, column) float32 in the file's own scale, as a viewer shows them, and notes.

    Raises:
        ValueError: damaged or oversized.
    """
    from PIL import Image, ImageOps

    notes: list[str] = []
    try:
        # By its handle: of a path Pillow maps turned TIFF files wrongly.
        with (
            _bomb_check_off(),
            path.open("rb") as file,
            Image.open(file, formats=("PNG", "JPEG", "TIFF")) as image,
        ):
            check_size(image.height, image.width, path.name)
            pages = getattr(image, "n_frames", 1)
            if pages > 1:
                notes.append(f"first of {pages} pages")
            if "dpi" in image.info or "resolution" in image.info:
                notes.append(
                    "its resolution (dpi) is for screen or print, not the detector's: not used"
                )
            depth = _bits(image)
            image.load()
            upright = ImageOps.exif_transpose(image)
            if depth > 8 and upright.mode in ("RGB", "RGBA"):
                pixels = _deep_colour(path)
            else:
                pixels = _samples(upright, notes)
                if depth > 8 and _is_white_0(image):
                    pixels = 2.0**depth - 1 - pixels  # Pillow does so with 8 bits only
                    notes.append("stored with white as 0: shown the other way round, as viewers do")
    except ValueError:
        raise
    except Exception as error:  # Pillow raises OSError, SyntaxError, struct.error … when damaged
        raise ValueError(f"{path.name}: not a readable picture ({one_line(error, 120)})") from error
    return to_one_value(pixels, path.name, notes), notes


@contextmanager
def _bomb_check_off() -> Generator[None]:
    """Pillow's own size limit off: `check_size` is stricter and runs before decoding."""
    from PIL import Image

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _bits(image: Image) -> int:
    """Bits a sample in the file; Pillow would hand 16-bit colour out as 8."""
    tags = getattr(image, "tag_v2", None)
    if tags is not None:
        return int(np.max(tags.get(258, 8)))
    tile = getattr(image, "tile", ())
    return 16 if "16" in str(tile[0][-1] if tile else "") else 8


def _is_white_0(image: Image) -> bool:
    """Whether a TIFF file says that its lowest value is white."""
    return getattr(image, "tag_v2", {}).get(262) == 0


def _deep_colour(path: Path) -> np.ndarray:
    import SimpleITK as sitk

    sitk.ProcessObject.GlobalWarningDisplayOff()
    array = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    return array.reshape(-1, *array.shape[-3:])[0]  # the first page


def _samples(image: Image, notes: list[str]) -> np.ndarray:
    """(row, column) or (row, column, colour) of any Pillow mode; transparent becomes black."""
    mode = image.mode
    if mode in ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV"):
        image = image.convert("RGBA" if "transparency" in image.info or mode == "PA" else "RGB")
    if mode == "1":
        notes.append("black and white only (1 bit)")
        image = image.convert("L")
    return np.asarray(image)


def to_one_value(pixels: np.ndarray, name: str, notes: list[str]) -> np.ndarray:
    """(row, column) float32 of grey, grey + alpha, RGB or RGB + alpha values.

    Colours become their luminance; a note says whether they were more than one tint.

    Raises:
        ValueError: no such number of values.
    """
    values = pixels.astype(np.float32)
    if values.ndim == 2:
        return values
    if values.ndim != 3 or values.shape[-1] not in (2, 3, 4):
        raise ValueError(f"{name}: shape {pixels.shape}; expected one grey image")
    if values.shape[-1] in (2, 4):
        alpha, values = values[..., -1:], values[..., :-1]
        if alpha.min() < alpha.max():
            notes.append("transparent areas taken as black")
            values = values * (alpha / alpha.max())
    if values.shape[-1] == 1:
        return values[..., 0]
    if (values[..., :1] == values).all():
        return values[..., 0]
    notes.append("colour turned to grey (luminance)")
    colourful = _colourfulness(values)
    if colourful > 0.03:
        notes.append(f"{COLOUR_NOTE}, which vary by {100 * colourful:.0f} % of the range")
    return values @ LUMINANCE


def _colourfulness(values: np.ndarray) -> float:
    """How far each channel is from an affine function of the luminance, as a share of the range.

    0 for grey pictures and for toned prints, about 0.2 for photographs.
    """
    step = max(1, int(np.sqrt(values.shape[0] * values.shape[1] / 65536)))
    colours = values[::step, ::step].reshape(-1, 3).astype(np.float64)
    grey = np.stack([colours @ LUMINANCE, np.ones(len(colours))], axis=1)
    fit, *_ = np.linalg.lstsq(grey, colours, rcond=None)
    return float(np.sqrt(np.mean((colours - grey @ fit) ** 2)) / max(np.ptp(colours), 1e-9))
