"""Blinded reader studies: images, answers, how far readers agree."""
