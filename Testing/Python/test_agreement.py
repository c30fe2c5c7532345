"""Agreement and intervals: published worked examples, and what must hold for any data."""

from __future__ import annotations

import math

import numpy as np
import pytest

from BoneXrayTrainingLib.intervals import mean_interval, resampled_interval, wilson
from BoneXrayTrainingLib.readers.agreement import agreement, krippendorff_alpha

# Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), example C: four observers,
# twelve units, some answers missing (.).
FOUR_OBSERVERS = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")


def units_of(rows: tuple[str, ...]) -> list[list[int]]:
    columns = zip(*rows, strict=True)
    return [[int(answer) for answer in column if answer != "."] for column in columns]


@pytest.mark.parametrize(
    ("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_alpha_is_that_of_the_published_example_with_missing_answers(
    level: str, published: float
) -> None:
    assert krippendorff_alpha(units_of(FOUR_OBSERVERS), level) == pytest.approx(published, abs=5e-4)


def test_alpha_is_that_of_the_published_examples_with_two_observers() -> None:
    binary = list(zip("0100000010", "1110010000", strict=True))
    letters = list(zip("aabbdcccedda", "babbbccceddd", strict=True))
    assert krippendorff_alpha(binary, "nominal") == pytest.approx(0.095, abs=5e-4)
    assert krippendorff_alpha(letters, "nominal") == pytest.approx(0.692, abs=5e-4)


def test_alpha_is_one_where_all_agree_and_none_where_it_is_not_defined() -> None:
    for level in ("nominal", "ordinal", "interval"):
        assert krippendorff_alpha([[1, 1], [5, 5, 5], [3, 3]], level) == pytest.approx(1.0)
    assert math.isnan(krippendorff_alpha([[4, 4], [4, 4]], "ordinal"))
    assert agreement([[4], [3], []], "ordinal").alpha is None
    assert agreement([[4, 4], [4, 4]], "ordinal").alpha is None


def test_alpha_is_about_zero_for_answers_by_chance_and_below_for_opposite_ones() -> None:
    rng = np.random.default_rng(3)
    chance = rng.integers(1, 6, (3000, 2)).tolist()
    assert abs(krippendorff_alpha(chance, "ordinal")) < 0.06
    assert krippendorff_alpha([[1, 5], [5, 1], [1, 5]], "ordinal") < -0.5


def test_ordinal_alpha_forgives_neighbours_and_nominal_alpha_does_not() -> None:
    near = [[1, 2], [2, 1], [4, 5], [5, 4], [3, 3]] * 3
    assert krippendorff_alpha(near, "ordinal") > krippendorff_alpha(near, "nominal") + 0.4


def test_ordinal_alpha_looks_at_ranks_only() -> None:
    units = units_of(FOUR_OBSERVERS)
    stretched = [[answer**3 for answer in unit] for unit in units]
    assert krippendorff_alpha(stretched, "ordinal") == krippendorff_alpha(units, "ordinal")
    assert krippendorff_alpha(stretched, "interval") != krippendorff_alpha(units, "interval")


def test_the_interval_of_alpha_holds_it_and_narrows_with_images() -> None:
    few = agreement(units_of(FOUR_OBSERVERS), "ordinal")
    many = agreement(units_of(FOUR_OBSERVERS) * 8, "ordinal")
    assert few.interval is not None
    assert many.interval is not None
    assert few.interval[0] < few.alpha < few.interval[1]
    assert many.interval[1] - many.interval[0] < 0.5 * (few.interval[1] - few.interval[0])
    assert few == agreement(units_of(FOUR_OBSERVERS), "ordinal"), "the seed is fixed"


@pytest.mark.parametrize("level", ["ratio", ""])
def test_an_unknown_level_is_refused(level: str) -> None:
    with pytest.raises(ValueError, match="level: got"):
        krippendorff_alpha([[1, 2]], level)


def test_wilson_is_the_published_interval_and_stays_within_0_and_1() -> None:
    # Newcombe, Statistics in Medicine 17 (1998) 857, table I, method 3.
    published = {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }
    for (successes, trials), interval in published.items():
        assert wilson(successes, trials) == pytest.approx(interval, abs=5e-5)
    assert wilson(20, 20)[1] == 1.0
    assert wilson(0, 0) is None
    with pytest.raises(ValueError, match="successes: got 3"):
        wilson(3, 2)


def test_one_patient_has_no_interval_however_many_images() -> None:
    assert mean_interval([1.0, 2.0, 3.0], ["a", "a", "a"]) is None
    assert resampled_interval([1], lambda drawn: 1.0) is None


def test_the_interval_is_over_patients_and_not_over_their_images() -> None:
    rng = np.random.default_rng(1)
    of_patient = rng.normal(20, 2, 12)
    once = mean_interval(list(of_patient), range(12))
    twenty_images = mean_interval(list(np.repeat(of_patient, 20)), list(np.repeat(range(12), 20)))
    assert twenty_images == pytest.approx(once)
    assert once[0] < of_patient.mean() < once[1]
    expected = 2 * 1.96 * of_patient.std() / math.sqrt(12)
    assert once[1] - once[0] == pytest.approx(expected, rel=0.1)


def test_the_interval_holds_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(200):
        low, high = mean_interval(list(rng.normal(0, 1, 20)), range(20))
        hits += low <= 0 <= high
    assert 175 <= hits <= 199
