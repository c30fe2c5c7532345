"""Stub."""
from __future__ import annotations


def domain_warnings(radiograph):
    return ()
