"""Labels of a CT in the forms others write: a folder of masks, DICOM SEG, a table in a header.

`BoneXrayLib.label_maps.read_labels` takes them all.
"""
