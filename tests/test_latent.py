"""Latent vectors: one seed is one z for ever; walks keep their length; seed lists are read strictly."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from gan_aug import latent
from gan_aug.errors import InvalidValue

# Recorded once. A change means that every picture that was ever named by its seed is another one.
KNOWN = {
    0: [0.11655651777982712, 0.09819597750902176, -0.6835324168205261, -0.2928107678890228],
    17: [-0.0580318309366703, 0.865955650806427, 0.1901320219039917, 1.0243524312973022],
    2**64 - 1: [-0.6208063364028931, 0.3875637948513031, -0.33560457825660706],
}


@pytest.mark.parametrize("seed", KNOWN)
def test_z_of_a_seed_never_changes(seed):
    z = latent.z_of_seed(seed, len(KNOWN[seed]))
    assert z.dtype == np.float32
    assert z.tolist() == KNOWN[seed]


def test_z_is_box_muller_of_the_raw_bits():
    bits = [int(value) >> 11 for value in np.random.Philox(key=5).random_raw(4)]
    u = [value / 2**53 for value in bits]
    expected = []
    for first, second in zip(u[:2], u[2:], strict=True):
        radius = math.sqrt(-2 * math.log(1 - first))
        expected += [radius * math.cos(2 * math.pi * second), radius * math.sin(2 * math.pi * second)]
    np.testing.assert_allclose(latent.z_of_seed(5, 4), expected, rtol=1e-6)


def test_z_is_standard_normal_and_seeds_are_independent():
    z = latent.z_of_seeds(list(range(400)), 128)
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-3
    assert stats.kstest(np.square(z).sum(axis=1), "chi2", args=(128,)).pvalue > 1e-3
    cosines = (z[:-1] * z[1:]).sum(axis=1) / np.linalg.norm(z[:-1], axis=1) / np.linalg.norm(z[1:], axis=1)
    assert abs(cosines.mean()) < 4 / math.sqrt(128 * len(cosines))


def test_a_seed_does_not_depend_on_its_neighbours():
    np.testing.assert_array_equal(latent.z_of_seeds([9, 3, 9], 7), np.stack([latent.z_of_seed(seed, 7) for seed in (9, 3, 9)]))
    assert latent.z_of_seeds([], 7).shape == (0, 7)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seeds_out_of_range_are_refused(seed):
    with pytest.raises(InvalidValue, match="out of range"):
        latent.z_of_seed(seed, 4)


def test_slerp_of_a_right_angle_is_known():
    a, b = np.array([2.0, 0.0], np.float32), np.array([0.0, 4.0], np.float32)
    root = math.sqrt(0.5)
    np.testing.assert_allclose(latent.slerp(a, b, 0.5), [3 * root, 3 * root], rtol=1e-6)
    np.testing.assert_allclose(latent.slerp(a, b, 1 / 3), [8 / 3 * math.cos(math.pi / 6), 8 / 3 * 0.5], rtol=1e-6)


def test_slerp_ends_where_it_should_and_keeps_the_length():
    a, b = latent.z_of_seeds([1, 2], 128)
    np.testing.assert_array_equal(latent.slerp(a, b, 0.0), a)
    np.testing.assert_array_equal(latent.slerp(a, b, 1.0), b)
    np.testing.assert_allclose(latent.slerp(a, b, 1e-9), a, atol=1e-6)
    np.testing.assert_allclose(latent.slerp(a, b, 1 - 1e-9), b, atol=1e-6)
    for t in np.linspace(0, 1, 11):
        expected = (1 - t) * np.linalg.norm(a) + t * np.linalg.norm(b)
        assert np.linalg.norm(latent.slerp(a, b, t)) == pytest.approx(expected, rel=1e-5)


def test_slerp_where_there_is_no_great_circle():
    a = latent.z_of_seed(1, 16)
    np.testing.assert_allclose(latent.slerp(a, a, 0.3), a, atol=1e-6)
    np.testing.assert_allclose(latent.slerp(a, -a, 0.25), 0.5 * a, atol=1e-6)
    np.testing.assert_allclose(latent.slerp(np.zeros_like(a), a, 0.5), 0.5 * a, atol=1e-6)


def test_a_walk_visits_every_seed_in_even_steps():
    path = latent.walk([3, 7, 12], 9, 32)
    assert path.shape == (9, 32)
    np.testing.assert_allclose(path[[0, 4, 8]], latent.z_of_seeds([3, 7, 12], 32), atol=1e-6)
    angles = [math.acos(np.dot(p, q) / np.linalg.norm(p) / np.linalg.norm(q)) for p, q in itertools.pairwise(path[:5])]
    assert max(angles) == pytest.approx(min(angles), rel=1e-3)


@pytest.mark.parametrize(("seeds", "frames", "message"), [([3], 9, "at least two"), ([], 9, "at least"), ([1, 2, 3], 2, "cannot visit")])
def test_walks_that_cannot_be_are_refused(seeds, frames, message):
    with pytest.raises(InvalidValue, match=message):
        latent.walk(seeds, frames, 8)


def test_whole_points_of_the_plane_are_seeds():
    np.testing.assert_array_equal(latent.plane(5, 2, 16), latent.z_of_seed(2005, 16))
    np.testing.assert_allclose(latent.plane(3, 4, 16, stride=10), latent.z_of_seed(43, 16), atol=1e-6)
    np.testing.assert_allclose(latent.plane(-1, 0, 16), latent.z_of_seed(2**64 - 1, 16), atol=1e-6)
    middle = latent.slerp(latent.z_of_seed(0, 16), latent.z_of_seed(1, 16), 0.5)
    np.testing.assert_allclose(latent.plane(0.5, 0, 16), middle, atol=1e-6)


@pytest.mark.parametrize(("x", "y"), [(1.0, 0.4), (0.3, 2.0), (-1.0, -1.0)])
def test_the_plane_has_no_seams(x, y):
    here = latent.plane(x, y, 32)
    for step in (-1e-6, 1e-6):
        np.testing.assert_allclose(latent.plane(x + step, y + step, 32), here, atol=1e-4)


def test_truncation_scales():
    z = latent.z_of_seed(1, 8)
    np.testing.assert_array_equal(latent.truncate(z, 1.0), z)
    np.testing.assert_allclose(latent.truncate(z, 0.5), z / 2)
    for bad in (-0.1, 2.1, math.nan):
        with pytest.raises(InvalidValue, match="out of range"):
            latent.truncate(z, bad)


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0-3", [0, 1, 2, 3]),
        ("3,7,12", [3, 7, 12]),
        (" 0 , 4 - 6 ", [0, 4, 5, 6]),
        ("5-5", [5]),
        ("7,3,7", [7, 3, 7]),
        ("18446744073709551615", [2**64 - 1]),
    ],
)
def test_seed_lists(text, seeds):
    assert latent.parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "1,", ",1", "3-1", "-1", "1-2-3", "1.5", "1;2", "0x10", "1 2", 5000 * "9"])
def test_what_is_no_seed_list_is_refused(text):
    with pytest.raises(InvalidValue, match="is not a list of seeds"):
        latent.parse_seeds(text)


@pytest.mark.parametrize("text", [f"{2**64}", f"0,5-{2**64}", 100 * "9"])
def test_a_seed_that_has_no_z_is_refused(text):
    with pytest.raises(InvalidValue, match="out of range") as error:
        latent.parse_seeds(text)
    assert error.value.todo == "Use a whole number from 0 to 18446744073709551615."


@pytest.mark.parametrize("text", ["0-1000000", "0-999999,5", "0-9999999999999999999"])
def test_more_than_a_million_seeds_are_refused(text):
    with pytest.raises(InvalidValue, match="more than a million"):
        latent.parse_seeds(text)
