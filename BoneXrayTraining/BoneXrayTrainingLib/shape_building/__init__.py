"""Surfaces of subjects to the shape model of a bone.

Files to surfaces (`surface_files`, `vtp_file`, `surface`), one common mesh (`remeshing`) laid over
all of them (`alignment`, `kernels`, `correspondence`), their mean and covariance (`covariance`),
what parts of bones add (`partial`), landmarks (`landmarks`), the model (`building`), its figures
(`report`, `card`), shapes drawn from it (`samples`).
"""
