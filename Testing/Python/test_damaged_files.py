"""Packed image files that were damaged on their way are refused, however they are packed."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from BoneXrayLib.packed_sums import check_sums
from BoneXrayLib.volume_files import read_image_file, write_image_file

MATRIX = np.array([[-1.5, 0, 0, 10], [0, 2, 0, -20], [0, 0, 3, 40], [0, 0, 0, 1.0]])
PACKED = (".nii.gz", ".nrrd", ".mha", ".nhdr", ".mhd")


def values(kind: str = "i2") -> np.ndarray:
    return np.random.default_rng(3).normal(0, 200, (12, 30, 40)).astype(kind)


def packed_bytes(path: Path) -> Path:
    """The file with the packed voxels, which may be another than that with the header."""
    beside = [p for p in path.parent.iterdir() if p.suffix in (".gz", ".zraw") and p != path]
    return beside[0] if path.suffix in (".nhdr", ".mhd") else path


def damage(file: Path, share: float) -> None:
    data = bytearray(file.read_bytes())
    at = int(share * len(data))
    data[at : at + 4] = bytes(byte ^ 0x5A for byte in data[at : at + 4])
    file.write_bytes(data)


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.9])
def test_a_damaged_file_is_refused_in_one_line(
    tmp_path: Path, suffix: str, share: float, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"ct{suffix}"
    write_image_file(path, values(), MATRIX)
    assert np.array_equal(read_image_file(path).array, values())
    damage(packed_bytes(path), share)
    with pytest.raises(ValueError, match=rf"^ct{suffix}: ") as error:
        read_image_file(path)
    assert "\n" not in str(error.value)
    capfd.readouterr()  # ITK says something of its own


def test_values_that_the_reader_changed_are_no_damage(tmp_path: Path) -> None:
    for kind, suffix in ((">i2", ".nii.gz"), ("f4", ".nii.gz"), ("u1", ".nrrd"), ("f8", ".mha")):
        path = tmp_path / f"ct{suffix}"
        array = values(kind) if kind != "u1" else np.abs(values()).astype("u1")
        write_image_file(path, array.astype(array.dtype.newbyteorder("=")), MATRIX)
        read = read_image_file(path).array
        check_sums(path, read)
        check_sums(path, read[:, ::-1] + 1)  # unpacked once more, and whole


def test_several_gzip_members_are_one_file(tmp_path: Path) -> None:
    path = tmp_path / "ct.nii.gz"
    write_image_file(path, values(), MATRIX)
    data = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(data[:5000]) + gzip.compress(data[5000:]))
    assert np.array_equal(read_image_file(path).array, values())


def test_files_that_are_not_packed_have_no_sum(tmp_path: Path) -> None:
    write_image_file(tmp_path / "ct.nii", values(), MATRIX)
    check_sums(tmp_path / "ct.nii", values())
