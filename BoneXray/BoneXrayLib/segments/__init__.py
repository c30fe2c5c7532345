"""Bones by name: masks, which way round an image is, DICOM SEG and `.seg.nrrd`.

`BoneXrayLib.segmentation` finds the masks, `BoneXrayLib.segment_files` writes them.
"""
