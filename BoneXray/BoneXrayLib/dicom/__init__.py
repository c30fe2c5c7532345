"""DICOM files: series of slices into CTs, radiographs with their spacing, compressed pixels."""
