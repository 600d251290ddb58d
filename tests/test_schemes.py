"""Augmentation schemes: how they are typed, what they are made of, and in which order their images are shown."""

import dataclasses

import numpy as np
import pytest

from gan_aug.errors import InvalidValue
from gan_aug.records import Scheme
from gan_aug.schemes import (
    Generator,
    Order,
    TrainingSet,
    freeze,
    has_images,
    order_images,
    parse_scheme,
    spell,
    training_set,
    without_images,
)

CLASSES = ("benign", "malignant")


# --- the grammar -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("none", {"classic": False}),
        ("standard", {"classic": True}),
        ("oversample", {"classic": False, "balance": "oversample"}),
        ("weighted", {"classic": False, "balance": "weighted"}),
        ("standard+oversample", {"classic": True, "balance": "oversample"}),
        ("synthetic:R1@1.0", {"classic": False, "checkpoint": "R1", "ratio": 1.0}),
        ("standard+synthetic:R1@best@0.5", {"classic": True, "checkpoint": "R1@best", "ratio": 0.5}),
        ("synthetic:R1@40@2", {"classic": False, "checkpoint": "R1@40", "ratio": 2.0}),
        ("synthetic:R1@12.5&R2@last@1", {"classic": False, "checkpoint": "R1@12.5&R2@last", "ratio": 1.0}),
        ("synthetic-only:R1&R2", {"classic": False, "checkpoint": "R1&R2", "ratio": 1.0, "real": False}),
        ("standard+synthetic-only:R1@best@3", {"classic": True, "checkpoint": "R1@best", "ratio": 3.0, "real": False}),
        ("curated:good-ones", {"classic": False, "curated": "good-ones"}),
        ("standard+weighted+curated:good@2", {"classic": True, "balance": "weighted", "curated": "good@2"}),
        ("balance:R1@40", {"classic": False, "balance": "synthetic", "checkpoint": "R1@40"}),
        ("standard+ten-percent:R1", {"classic": True, "checkpoint": "R1", "ratio": 0.1}),
        (" standard ", {"classic": True, "name": "standard"}),
    ],
)
def test_schemes_are_read(text: str, fields: dict) -> None:
    assert parse_scheme(text) == Scheme(**{"name": text, **fields})


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("none", "none"),
        ("standard+weighted", "standard+weighted"),
        ("synthetic:R@1.0", "none"),
        ("standard+synthetic-only:R@best@3", "standard"),
        ("oversample+standard+curated:S", "standard+oversample"),
        ("standard+balance:R", "standard"),
        ("ten-percent:R", "none"),
    ],
)
def test_images_are_taken_away(text: str, left: str) -> None:
    scheme = parse_scheme(text)
    assert without_images(scheme) == parse_scheme(left)
    assert has_images(scheme) == (":" in text) and not has_images(without_images(scheme))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "unknown word"),
        ("None", "unknown word: 'None'"),
        ("none+standard", "'none' is joined to other words, but it stands alone"),
        ("standard+standard", "too many"),
        ("oversample+weighted", "too many"),
        ("synthetic:R@1+curated:S", "too many"),
        ("synthetic", "from where"),
        ("standard+magic:R", "unknown word: 'magic:R'"),
        ("synthetic:R", "how many"),
        ("synthetic:R@best", "how many"),
        ("synthetic:R@40", "ratio 40"),
        ("synthetic:R@0", "ratio 0"),
        ("synthetic:R@middle@1", "snapshot 'middle'"),
        ("synthetic:../../etc@1.0", "cannot be a run id"),
        ("synthetic:@1.0", "cannot be a run id"),
        ("synthetic:R1&@1.0", "cannot be a run id"),
        ("curated:a/b", "cannot be a name"),
        ("curated:S@new", "version 'new'"),
        ("oversample+balance:R", "balances the classes twice"),
        ("synthetic:R@-1", "how many"),
        ("synthetic:R@nan", "how many"),
    ],
)
def test_schemes_that_make_no_sense_are_refused(text: str, says: str) -> None:
    with pytest.raises(InvalidValue) as error:
        parse_scheme(text)
    assert says in error.value.what
    assert error.value.todo


@pytest.mark.parametrize(
    ("text", "advised"),
    [("R", "R@1.0"), ("R@-1", "R@1.0"), ("R@40@x", "R@40@1.0"), ("R@best@nan", "R@best@1.0"), ("R&Q@last", "R&Q@last@1.0")],
)
def test_the_advice_where_the_ratio_is_missing_can_be_followed(text: str, advised: str) -> None:
    with pytest.raises(InvalidValue, match="how many") as error:
        parse_scheme(f"synthetic:{text}")
    assert error.value.todo.split()[1] == f"synthetic:{advised}"
    assert parse_scheme(f"synthetic:{advised}").ratio == 1.0


def test_a_number_that_is_too_large_for_a_ratio_is_explained() -> None:
    with pytest.raises(InvalidValue) as error:
        parse_scheme("synthetic:R@40")
    assert "synthetic:R@40@1.0" in error.value.todo


@pytest.mark.parametrize(
    "text",
    [
        "none",
        "standard",
        "standard+oversample",
        "synthetic:R@12.5@1.5",
        "standard+synthetic-only:A&B@1",
        "curated:S@2",
        "weighted+curated:S",
        "balance:R@best",
        "standard+balance:R",
    ],
)
def test_a_scheme_survives_spelling(text: str) -> None:
    assert spell(parse_scheme(text)) == text


def test_freezing_pins_every_snapshot() -> None:
    generators = (generator("A@1.5", "benign"), generator("B@20", "malignant"))
    frozen = freeze(parse_scheme("standard+synthetic:A&B@best@2"), generators)
    assert spell(frozen) == "standard+synthetic:A@1.5&B@20@2"
    assert spell(freeze(parse_scheme("ten-percent:A"), generators[:1])) == "synthetic:A@1.5@0.1"
    assert freeze(parse_scheme("none"), ()) == parse_scheme("none")


# --- how many images ---------------------------------------------------------------------------------------------------------------------


def generator(checkpoint: str, *classes: str) -> Generator:
    return Generator(checkpoint, "0" * 64, classes, 64)


def ordered(text: str, *generators: Generator, counts: tuple[int, int] = (90, 30), seed: int = 0) -> dict[str, int]:
    found = order_images(parse_scheme(text), generators, CLASSES, dict(zip(CLASSES, counts, strict=True)), seed)
    return {order.class_name: order.count for order in found}


def test_a_ratio_is_relative_to_the_real_images_of_the_class() -> None:
    malignant, both = generator("M@1", "malignant"), generator("C@1", *CLASSES)
    assert ordered("synthetic:M@1.0", malignant) == {"malignant": 30}
    assert ordered("synthetic:M@0.25", malignant) == {"malignant": 8}
    assert ordered("synthetic:C@2", both) == {"benign": 180, "malignant": 60}
    assert ordered("ten-percent:C", both) == {"benign": 9, "malignant": 3}


def test_balance_fills_up_the_rarer_class() -> None:
    assert ordered("balance:C", generator("C@1", *CLASSES)) == {"malignant": 60}
    assert ordered("balance:C", generator("C@1", *CLASSES), counts=(10, 40)) == {"benign": 30}
    with pytest.raises(InvalidValue, match="adds no image"):
        ordered("balance:B", generator("B@1", "benign"))


def test_without_real_images_every_class_must_be_generated() -> None:
    assert ordered("synthetic-only:B&M", generator("B@1", "benign"), generator("M@1", "malignant")) == {"benign": 90, "malignant": 30}
    with pytest.raises(InvalidValue, match="nothing generates benign"):
        ordered("synthetic-only:M", generator("M@1", "malignant"))


def test_every_classifier_has_images_of_its_own() -> None:
    scheme, counts = parse_scheme("synthetic:C@10"), {"benign": 900_000, "malignant": 100_000}
    used = set()
    for seed in range(3):
        for order in order_images(scheme, (generator("C@1", *CLASSES),), CLASSES, counts, seed):
            seeds = range(order.first_seed, order.first_seed + order.count)
            assert all(seeds.start >= other.stop or seeds.stop <= other.start for other in used)
            used.add(seeds)
    assert min(seeds.start for seeds in used) >= 10**9, "not the small seeds that people look at"


# --- the training set --------------------------------------------------------------------------------------------------------------------


def make_set(text: str = "none", generated: tuple[tuple[str, int], ...] = ()) -> TrainingSet:
    """12 stored images, of which rows 0 to 8 are for training (6 benign, 3 malignant); image i is filled with the value i."""
    stored = np.broadcast_to(np.arange(12, dtype=np.uint8)[:, None, None, None], (12, 4, 4, 3))
    labels = np.array([0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 1, 1])
    orders = [Order("R@1", name, 100 + 50 * k, count) for k, (name, count) in enumerate(generated)]

    def generate(order: Order) -> np.ndarray:
        values = np.arange(order.first_seed, order.first_seed + order.count, dtype=np.uint8)
        return np.broadcast_to(values[:, None, None, None], (order.count, 4, 4, 3))

    return training_set(stored, labels, list(range(9)), parse_scheme(text), CLASSES, orders, generate)


def test_real_images_come_first_and_synthetic_ones_carry_their_class() -> None:
    data = make_set("synthetic:R@1", (("malignant", 4),))
    assert len(data) == 13
    assert data.labels.tolist() == [0, 0, 1, 0, 0, 1, 0, 0, 1] + [1] * 4
    assert data.images(np.array([12, 0, 8, 9]))[:, 0, 0, 0].tolist() == [103, 0, 8, 100]


def test_rows_outside_train_are_never_shown() -> None:
    data = make_set("oversample")
    shown = np.concatenate([data.images(data.batch(0, step, 8))[:, 0, 0, 0] for step in range(20)])
    assert set(shown) == set(range(9))


def test_an_epoch_shows_every_image_once() -> None:
    data = make_set()
    shown = np.concatenate([data.batch(3, step, 6) for step in range(6)])
    assert shown.tolist() != sorted(shown.tolist())
    for start in range(0, 36, 9):
        assert sorted(shown[start : start + 9]) == list(range(9))


def test_batches_are_a_function_of_seed_and_step() -> None:
    for text in ("none", "oversample"):
        data = make_set(text)
        assert np.array_equal(data.batch(1, 5, 6), make_set(text).batch(1, 5, 6))
        assert not np.array_equal(data.batch(1, 5, 6), data.batch(2, 5, 6))
        assert not np.array_equal(data.batch(1, 5, 6), data.batch(1, 6, 6))


@pytest.mark.parametrize("batch_size", [6, 7])
def test_oversampling_draws_each_class_equally_often(batch_size: int) -> None:
    data = make_set("oversample")
    shown = np.concatenate([data.batch(0, step, batch_size) for step in range(36)])
    assert len(shown) == 36 * batch_size
    assert np.bincount(data.labels[shown]).tolist() == [18 * batch_size, 18 * batch_size]
    for label in (0, 1):
        times = np.bincount(shown, minlength=9)[data.labels == label]
        assert times.max() - times.min() <= 1, "within a class no image is preferred"


def test_class_weights_make_classes_count_the_same() -> None:
    weights = make_set("weighted").class_weights()
    assert weights.tolist() == [9 / 12, 9 / 6]
    assert (weights[make_set().labels]).mean() == pytest.approx(1)


def test_a_class_without_images_is_refused() -> None:
    with pytest.raises(InvalidValue, match="no training image of class 'malignant'"):
        training_set(np.zeros((4, 4, 4, 3), np.uint8), np.zeros(4, np.int64), [0, 1], parse_scheme("none"), CLASSES, [], lambda order: None)


def test_curated_pictures_are_added_with_their_classes() -> None:
    base = make_set()
    pictures = np.full((2, 4, 4, 3), 77, np.uint8)
    scheme = dataclasses.replace(parse_scheme("curated:S"), real=True)
    data = training_set(
        base.stored, np.array([0, 1] * 6), [0, 1], scheme, CLASSES, [], lambda order: None, (pictures, ["malignant", "benign"])
    )
    assert data.labels.tolist() == [0, 1, 1, 0]
    assert data.images(np.array([2, 3])).max() == 77
