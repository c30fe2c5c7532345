"""Masks as a DICOM SEG object that belongs to the radiograph's study; by highdicom."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..dicom.dicom_files import frame_count, number_or, quiet_pydicom, read_header, tag
from ..display import to_grey
from ..files import one_line, written_whole

if TYPE_CHECKING:
    from pydicom import Dataset

    from ..radiograph import Radiograph
    from ..segmentation import Segmentation
    from .structures import Code, Structure

REQUIREMENT = "highdicom>=0.28"
"""No run-time package of the base: it needs pydicom 3, Slicer 5.10 comes with 2."""
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
SERIES_NUMBER = 557
THICKNESS_MM = 1.0
MAY_BE_EMPTY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
)
IDENTIFIERS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
PLACE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")


def check_highdicom() -> None:
    """Raise ValueError, in one line, where the package that writes DICOM SEG is not there."""
    if importlib.util.find_spec("highdicom") is None:
        raise ValueError(
            "dicom_seg: needs the package highdicom, which is not installed; expected it from "
            "pip install 'bone-xray[dicom-seg]'"
        )


def source_header(path: str | os.PathLike | None, shape: tuple[int, ...]) -> Dataset | None:
    """The header of the DICOM radiograph that masks (rows, columns) belong to.

    What a header may lack but a DICOM SEG copies is there, empty. None for what is no single DICOM
    image of that size with identifiers: a SEG cannot point to it.
    """
    if path is None:
        return None
    try:
        header = read_header(Path(path))
    except (ValueError, OSError):
        return None
    size = int(number_or(header, "Rows", 0)), int(number_or(header, "Columns", 0))
    identified = all(tag(header, keyword) for keyword in IDENTIFIERS)
    if size != tuple(shape) or frame_count(header) > 1 or not identified:
        return None
    for keyword in MAY_BE_EMPTY:
        if keyword not in header:
            setattr(header, keyword, "")
    if not all(tag(header, keyword) for keyword in PLACE) and "FrameOfReferenceUID" in header:
        del header.FrameOfReferenceUID  # a projection: it is in no place of the patient's
    return header


def made_source(radiograph: Radiograph) -> Dataset:
    """A DICOM image of a radiograph that is none yet: a secondary capture in a study of its own.

    Its identifiers follow from its pixels: the same radiograph gives the same. Grey values are
    scaled to 16 bits; patient and dates stay empty.
    """
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

    digest = hashlib.sha256(np.ascontiguousarray(radiograph.pixels).tobytes()).hexdigest()
    uids = {k: generate_uid(entropy_srcs=[digest, k]) for k in IDENTIFIERS[1:]}
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(SECONDARY_CAPTURE)
    meta.MediaStorageSOPInstanceUID = uids["SOPInstanceUID"]
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    low, high = float(radiograph.pixels.min()), float(radiograph.pixels.max())
    grey = to_grey(radiograph.pixels, low, max(high, low + 1e-6), bits=16)
    elements: dict[str, Any] = {
        "SOPClassUID": SECONDARY_CAPTURE,
        **uids,
        **dict.fromkeys((*MAY_BE_EMPTY, "ReferringPhysicianName", "InstanceNumber"), ""),
        "Modality": "OT",
        "ConversionType": "WSD",
        "ImageType": ["DERIVED", "SECONDARY"],
        "SeriesNumber": 1,
        "SeriesDescription": one_line(radiograph.name, 64),
        "Rows": grey.shape[0],
        "Columns": grey.shape[1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
        "PixelData": grey.astype("<u2").tobytes(),
    }
    if radiograph.pixel_mm is not None:
        elements["PixelSpacing"] = [_decimal(mm) for mm in radiograph.pixel_mm]
    elements["SpecificCharacterSet"] = "ISO_IR 192"
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    made["PixelData"].VR = "OW"
    return made


def write_dataset(path: str | os.PathLike, dataset: Dataset) -> None:
    """Write a DICOM file; whole or not at all."""
    with written_whole(path) as beside, quiet_pydicom():
        dataset.save_as(beside, enforce_file_format=True)


def write_dicom_seg(path: str | os.PathLike, found: Segmentation, source: Dataset) -> None:
    """Write masks as DICOM SEG: a frame a bone in their order, empty ones too.

    Args:
        path: file to write.
        found: masks; a pixel's size is that of the radiograph, at the detector.
        source: the image they belong to, as `source_header` or `made_source` gives it.

    Raises:
        ValueError: highdicom is not there, or cannot write it for this source.
    """
    check_highdicom()
    with quiet_pydicom():
        try:
            made = _segmentation(found, source)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise ValueError(
                f"source: {tag(source, 'Modality', 'this')} image cannot have a DICOM SEG "
                f"({one_line(error, 120)})"
            ) from error
    write_dataset(path, made)


def _segmentation(found: Segmentation, source: Dataset) -> Dataset:
    import highdicom
    from pydicom.uid import generate_uid

    measures = None
    if found.radiograph.pixel_mm is not None and "FrameOfReferenceUID" not in source:
        spacing = [float(_decimal(mm)) for mm in found.radiograph.pixel_mm]
        # A projection has no thickness, but readers, highdicom's too, will not do without one.
        measures = highdicom.PixelMeasuresSequence(spacing, THICKNESS_MM)
    descriptions = [
        _description(n, s, found.model) for n, s in enumerate(found.structures, start=1)
    ]
    return highdicom.seg.Segmentation(
        source_images=[source],
        pixel_array=np.moveaxis(found.masks, 0, -1)[np.newaxis].astype(np.uint8),
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        series_instance_uid=generate_uid(),
        series_number=SERIES_NUMBER,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="BoneXray",
        manufacturer_model_name=one_line(found.model, 64) or "BoneXray",
        software_versions=__version__,
        device_serial_number="0",
        content_label="BONES",
        content_description="Bones of a radiograph",
        series_description="Bones by BoneXray, research only",
        pixel_measures=measures,
        omit_empty_frames=False,
    )


def _description(number: int, found: Structure, model: str) -> Any:
    import highdicom
    from pydicom.sr.codedict import codes

    algorithm = highdicom.AlgorithmIdentificationSequence(
        name=one_line(model, 64) or "BoneXray",
        family=codes.DCM.ArtificialIntelligence,
        version=__version__,
    )
    described = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=one_line(found.name, 64),
        segmented_property_category=_coded(found.category_code),
        segmented_property_type=_coded(found.type_code),
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        display_color=highdicom.color.CIELabColor.from_rgb(*found.colour),
    )
    if found.side_code is not None:
        kind = described.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = [_coded(found.side_code)]
    return described


def _coded(code: Code) -> Any:
    import highdicom

    scheme, value, meaning = code
    return highdicom.sr.CodedConcept(value=value, meaning=meaning, scheme_designator=scheme)


def _decimal(value: float) -> str:
    """A number as DICOM's decimal string: at most 16 characters."""
    return f"{value:.10g}"
