"""The way to the best state: starts from landmarks, then outlines coarse to fine.

Starts are Levenberg-Marquardt over pose and the first shape modes, from several turns. With
outlines every Gauss-Newton step looks for them anew, with more modes and nearer and nearer to the
contour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from .fit_problem import FitProblem, Stage
from .fit_state import FitState
from .image_contour import ImageContour

START_MODES = 2
TURNS_IN_PLANE = (0.0, 90.0, 180.0, 270.0)
TURNS_ABOUT_SHAFT = (0.0, -35.0, 35.0)
COARSE = ((0.1, 40.0), (0.25, 20.0), (0.5, 12.0), (1.0, 8.0), (1.0, 5.0))
"""Share of the modes, and how far outlines are looked for [mm]."""
STEPS, LAST_STEPS = 8, 40
TRIED, TRIED_BLIND = 3, 8
"""Starts of which outlines choose the best, with and without landmarks."""
MOST_TURN, MOST_SHIFT, MOST_MODE = 0.15, 25.0, 1.0
"""Of one step: radians, mm, standard deviations."""
STILL_TURN, STILL_SHIFT, STILL_MODE = 2e-4, 0.02, 0.01
CALM = 15.0
"""How many times larger the last step may be: outlines found anew move it to and fro a little."""


@dataclass(frozen=True, eq=False)
class Solved:
    """Where the fit ended.

    Attributes:
        state: the best.
        stage: the last.
        curvature: (P, P) of the cost there.
        is_still: whether the last steps were small.
    """

    state: FitState
    stage: Stage
    curvature: np.ndarray
    is_still: bool


def solve(problem: FitProblem) -> Solved:
    """The most probable state of the bone."""
    has_outlines = any(outline is not None for outline in problem.outlines)
    starts = starting_states(problem)
    if not has_outlines:
        stage = Stage(problem.model.count)
        state, is_still = descend(problem, starts[0], stage, LAST_STEPS)
        return Solved(state, stage, problem.normal_equations(state, stage)[0], is_still)
    state = _best_by_outlines(problem, starts)
    stage = Stage(problem.model.count, COARSE[-1][1])
    is_still = True
    for share, search in COARSE[1:]:
        stage = Stage(max(START_MODES, round(share * problem.model.count)), search)
        stage = Stage(min(stage.modes, problem.model.count), search)
        steps = LAST_STEPS if (share, search) == COARSE[-1] else STEPS
        state, is_still = follow(problem, state, stage, steps)
    return Solved(state, stage, problem.normal_equations(state, stage)[0], is_still)


def solve_again(problem: FitProblem, solved: Solved, outlines: list[ImageContour | None]) -> Solved:
    """From where a fit ended on, with other outlines; the problem keeps its own."""
    before = problem.outlines
    problem.take(outlines)
    state, is_still = follow(problem, solved.state, solved.stage, LAST_STEPS)
    curvature = problem.normal_equations(state, solved.stage)[0]
    problem.take(before)
    return Solved(state, solved.stage, curvature, is_still)


def starting_states(problem: FitProblem) -> list[FitState]:
    """States that landmarks, ellipses and boxes agree with, the best first."""
    geometry, found = problem.views[0].geometry, []
    modes = min(START_MODES, problem.model.count)
    stage = Stage(modes, with_box=True)
    for in_plane in TURNS_IN_PLANE:
        for about in TURNS_ABOUT_SHAFT:
            turn = Rotation.from_rotvec(np.deg2rad(in_plane) * geometry.normal)
            turn = turn * Rotation.from_rotvec([0.0, 0.0, np.deg2rad(about)])
            start = FitState.at(turn.as_matrix(), geometry.isocentre, problem.model.count,
                                len(problem.views))  # fmt: skip
            state, _ = descend(problem, start, stage, 15)
            found.append((problem.normal_equations(state, stage)[2], state))
    found.sort(key=lambda pair: pair[0])
    return [state for _, state in found]


def _best_by_outlines(problem: FitProblem, starts: list[FitState]) -> FitState:
    """Of starts that differ, the one whose outlines are explained best after some steps."""
    tried: list[FitState] = []
    is_blind = not any(v.features.points or v.features.ellipses for v in problem.views)
    most = TRIED_BLIND if is_blind else TRIED
    for state in starts:
        turns = [Rotation.from_matrix(state.turn @ other.turn.T).magnitude() for other in tried]
        if min(turns, default=np.inf) > np.deg2rad(8) and len(tried) < most:
            tried.append(state)
    share, search = COARSE[0]
    modes = max(min(START_MODES, problem.model.count), round(share * problem.model.count))
    stage = Stage(modes, search, with_box=True)
    ends = [follow(problem, state, stage, STEPS)[0] for state in tried]
    same = Stage(modes, COARSE[2][1], with_box=True, error_mm=COARSE[2][1] / 3)
    return min(ends, key=lambda state: _unexplained(problem, state, same))


def _unexplained(problem: FitProblem, state: FitState, stage: Stage) -> float:
    """Cost with a price for contours that no outline is near."""
    cost = problem.normal_equations(state, stage)[2]
    for view in range(len(problem.views)):
        match = problem.matched(state, view, stage.search_mm)
        if match is not None:
            missing = match.contour.lengths[~match.found].sum() / match.contour.lengths.sum()
            cost += 100.0 * float(missing)
    return cost


def descend(
    problem: FitProblem, state: FitState, stage: Stage, steps: int
) -> tuple[FitState, bool]:
    """Levenberg-Marquardt without outlines: each step lowers the cost."""
    damping = 1e-3
    curvature, slope, cost = problem.normal_equations(state, stage)
    for _ in range(steps):
        step = -np.linalg.solve(curvature + damping * np.diag(np.diag(curvature)), slope)
        try:
            after = state.stepped(_capped(step, state, 4.0), problem.limits)
            found = problem.normal_equations(after, stage)
        except (ValueError, np.linalg.LinAlgError):  # a bone behind the source
            found = curvature, slope, np.inf
        if found[2] < cost:
            is_still = _is_still(step, state) or cost - found[2] < 1e-4
            state, (curvature, slope, cost) = after, found
            damping = max(damping / 5, 1e-7)
            if is_still:
                return state, True
        else:
            damping *= 8
            if damping > 1e6:
                return state, True
    return state, False


def follow(problem: FitProblem, state: FitState, stage: Stage, steps: int) -> tuple[FitState, bool]:
    """Gauss-Newton that looks for outlines anew at every step."""
    step = np.zeros(0)
    for number in range(steps):
        curvature, slope, _ = problem.normal_equations(state, stage)
        # Later steps are halved: outlines found anew would let it swing to and fro.
        share = 1.0 if number < STEPS else 0.5
        step = share * _capped(-np.linalg.solve(curvature, slope), state)
        state = state.stepped(step, problem.limits)
        if _is_still(step, state):
            return state, True
    return state, _is_still(step / CALM, state)


def _sizes(step: np.ndarray, state: FitState) -> tuple[float, float, float]:
    first = state.first_mode
    turns = np.concatenate([step[:3], step[7:first].reshape(-1, 6)[:, :3].ravel()])
    shifts = np.concatenate([step[3:6], step[7:first].reshape(-1, 6)[:, 3:].ravel()])
    modes = np.abs(step[first:]).max(initial=0.0)
    return float(np.abs(turns).max()), float(np.abs(shifts).max()), float(modes)


def _capped(step: np.ndarray, state: FitState, times: float = 1.0) -> np.ndarray:
    """The step, shortened where straight lines hold no longer."""
    turn, shift, mode = _sizes(step, state)
    most = times * np.array([MOST_TURN, MOST_SHIFT * times, MOST_MODE])
    return step / max(1.0, turn / most[0], shift / most[1], mode / most[2])


def _is_still(step: np.ndarray, state: FitState) -> bool:
    turn, shift, mode = _sizes(step, state)
    return turn < STILL_TURN and shift < STILL_SHIFT and mode < STILL_MODE
