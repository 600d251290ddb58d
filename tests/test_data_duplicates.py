"""Near-duplicates: the hash proposes, the pixels decide."""

import io

import numpy as np
import pytest
from made_images import arrays, photograph
from PIL import Image

from gan_aug.data import duplicates
from gan_aug.data.duplicates import Pictures, find_equal_hashes, find_matches, find_near_duplicates, phash, similarity


def flips_and_turns(image: np.ndarray) -> list[np.ndarray]:
    return [np.rot90(side, turn) for side in (image, image[:, ::-1]) for turn in range(4)]


def recompressed(image: np.ndarray, quality: int = 60) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def test_the_hash_is_one_for_all_flips_and_turns_and_differs_between_pictures():
    hashes = [{phash(turned) for turned in flips_and_turns(image)} for image in arrays(6, 64)]
    assert all(len(same) == 1 for same in hashes)
    assert len(set.union(*hashes)) == 6
    assert all(len(text) == 16 and int(text, 16) >= 0 for same in hashes for text in same)


def test_hash_of_a_known_picture():
    """Stored training lists hold hashes, so the hash of a picture must never change."""
    y, x = np.mgrid[0:64, 0:64]
    picture = np.stack([(x * 7 + y * 3) % 256, (x * y) % 256, (x * x + 5 * y) % 256], axis=2).astype(np.uint8)
    assert phash(picture) == "15d6cacb696d2494"


def test_the_hashes_of_turned_pictures_follow_from_the_bits():
    """The lookup turns hashes, not pictures; both must agree."""
    image = arrays(1, 64)[0]
    described = duplicates.describe(image[None])
    bits = [
        duplicates._pack(duplicates._COSINES @ duplicates._turn(described, turn).astype(np.int64) @ duplicates._COSINES.T > 0)
        for turn in range(8)
    ]
    assert np.array_equal(np.stack(bits), duplicates._turns(bits[0]))


def test_similarity_is_one_for_turned_copies_high_for_saved_again_and_low_for_others():
    one, other = arrays(2, 64)
    assert all(similarity(one, turned) == pytest.approx(1) for turned in flips_and_turns(one))
    assert 0.97 < similarity(one, recompressed(np.rot90(one))) < 1
    assert similarity(one, other) < 0.6
    assert similarity(one, other) == similarity(other, one)


def spot(seed: int) -> np.ndarray:
    """A dark round spot on plain skin, with a network of its own, (64, 64, 3) uint8."""
    y, x = np.mgrid[0:64, 0:64]
    network = ((y // 4 * (7 + seed) + x // 4 * (11 + 2 * seed)) ** 2 // 5 % 31) - 15
    inside = (2 * x - 63) ** 2 + (2 * y - 63) ** 2 < 20**2
    grey = 190 - inside * (110 + network) + network[::-1] // 8
    return np.stack([grey + 20, grey - 10, grey - 30], axis=2).astype(np.uint8)


def test_spots_of_one_shape_are_told_apart_by_their_networks():
    """By correlation alone they are alike: the dark spot outweighs all else."""
    described = [duplicates.describe(spot(seed)[None]) for seed in (0, 1)]
    assert duplicates._correlation(*described)[0] > 0.95
    assert similarity(spot(0), spot(1)) < duplicates.THRESHOLD < 0.95 < similarity(spot(0), recompressed(np.rot90(spot(0)), 90))


def test_a_shifted_picture_is_a_near_duplicate():
    wide = np.asarray(photograph(3, 80, 80))
    first, second = wide[8:72, 8:72], wide[10:74, 6:70]
    assert similarity(first, second) > 0.85
    assert similarity(first, np.rot90(second)[:, ::-1]) == similarity(first, second) == similarity(second, first)


def test_similarities_of_known_pictures():
    """Every machine finds the same pairs, so that a split is the same everywhere."""
    found = [similarity(spot(first), spot(second)[::-1]) for first, second in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))]
    known = [0.671678538494568, 0.6543149094750395, 0.6287636044220702, 0.6408165211048835, 0.6464430801007738, 0.6809832469493646]
    assert found == pytest.approx(known, abs=1e-12)


def test_light_and_skin_tone_do_not_matter():
    one = arrays(1, 64)[0]
    darker = np.clip(one * 0.7 + 10, 0, 255).astype(np.uint8)
    assert similarity(one, darker) > 0.97


def test_a_flat_picture_resembles_nothing():
    flat = np.full((64, 64, 3), 90, np.uint8)
    assert similarity(flat, flat) == 0 and similarity(flat, arrays(1, 64)[0]) == 0


def test_planted_copies_are_found_and_nothing_else():
    images = arrays(60, 64)
    images[41] = recompressed(np.rot90(images[7]))
    images[50] = recompressed(images[12][:, ::-1])
    images[59] = images[12]
    pairs = find_near_duplicates(images, [phash(image) for image in images])
    assert [(i, j) for i, j, _ in pairs] == [(7, 41), (12, 50), (12, 59), (50, 59)]
    assert all(duplicates.THRESHOLD <= value <= 1 for _, _, value in pairs)


def test_equal_hashes_alone_make_no_duplicates():
    images = arrays(4, 64)
    assert find_near_duplicates(images, ["00000000000000ff"] * 4) == []


def test_two_sets_of_different_sizes_are_compared():
    large = np.stack([np.asarray(photograph(seed, 128, 128)) for seed in range(20)])
    small = np.stack([np.asarray(Image.fromarray(np.rot90(large[seed])).resize((64, 64), Image.Resampling.BICUBIC)) for seed in (3, 9)])
    a = Pictures(large, list(range(20)), [phash(image) for image in large])
    b = Pictures(small, [1], [phash(small[1])])
    assert [(i, j) for i, j, _ in find_matches(a, b)] == [(9, 0)]


def test_the_lookup_finds_what_comparing_all_finds():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, 1500, dtype=np.uint64)
    for row in range(0, 300, 3):  # near ones, up to 6 bits away and turned
        flips = rng.choice(64, rng.integers(0, 7), replace=False).astype(np.uint64)
        turned = duplicates._turns(hashes[row : row + 1])[rng.integers(8), 0]
        hashes[row + 1] = turned ^ np.bitwise_or.reduce(np.uint64(1) << flips, initial=np.uint64(0))
    turned = duplicates._turns(hashes)
    distance = np.min([np.bitwise_count(hashes[None] ^ one[:, None]) for one in turned], axis=0)
    expected = {(i, j) for i, j in zip(*np.nonzero(distance <= 6), strict=True) if i < j}
    texts = [f"{value:016x}" for value in hashes.tolist()]
    found = {(i, j) for i, j in find_equal_hashes(texts, texts, 6) if i < j}
    assert len(expected) >= 100
    assert found <= expected
    assert len(found) >= 0.97 * len(expected)  # the lookup may miss a pair, with a small chance


def test_nothing_in_nothing():
    assert find_near_duplicates(np.zeros((0, 64, 64, 3), np.uint8), []) == []
    assert find_equal_hashes([], ["00000000000000ff"], 2) == []
