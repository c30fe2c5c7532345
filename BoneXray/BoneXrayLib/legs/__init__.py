"""Leg bones in 3D from radiographs: features found, geometry, fit, measures, files."""
