"""Samples of legs by number, as `pool` has them of CTs."""

from __future__ import annotations

import numpy as np

from ..legs.config import LegsConfig
from ..legs.patient import LegPatient
from ..pairs import PairConfig
from .dataset import CtSource, PoolConfig
from .leg_views import LegPair, draw_leg, leg_pair
from .pool import PairPool, Share


class LegPool(PairPool):
    """Samples of legs, looked at as `LegsConfig` says."""

    def __init__(
        self,
        legs: list[LegPatient],
        config: LegsConfig,
        pairs: PairConfig,
        pool: PoolConfig,
        seed: int,
        share: Share | None = None,
    ) -> None:
        self.legs, self.looks = legs, config
        sources = [
            (CtSource(path=f"legs/{number}", patient=leg.name, licence=""), leg.parts)
            for number, leg in enumerate(legs)
        ]
        super().__init__(sources, pairs, pool, seed, share)

    def project(self, rng: np.random.Generator, chosen: int, name: str) -> LegPair:
        """A sample of one leg."""
        leg = self.legs[chosen]
        return leg_pair(leg, draw_leg(rng, name, leg, self.looks, self.pairs))
