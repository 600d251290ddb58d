"""The phantom dataset: drawn by rule, the same everywhere, learnable but not trivial, and never mistaken for photographs."""

from pathlib import Path

import numpy as np
import pytest

from gan_aug.data.dataset import open_dataset
from gan_aug.data.duplicates import similarity
from gan_aug.data.phantom import Draws, make_phantom
from gan_aug.errors import InvalidValue
from gan_aug.stats import auc


def test_it_says_what_it_is(phantom: str):
    image_set = open_dataset(phantom)
    assert image_set.record.phantom and image_set.record.classes == ("benign", "malignant")
    assert set(image_set.table["diagnosis"]) == {"phantom benign", "phantom malignant"}
    assert set(image_set.table["source"]) == {"phantom"}
    assert "no photographs" in image_set.record.report.notes[0]


def test_its_size_shares_and_groups(phantom: str):
    image_set = open_dataset(phantom)
    table = image_set.table
    assert image_set.images.shape == (160, 64, 64, 3)
    assert 0.2 < image_set.labels.mean() < 0.42
    assert table["image_id"].is_unique
    lesions_of_patients = table.groupby("patient_id")["lesion_id"].nunique()
    assert lesions_of_patients.max() > 2 and 30 < len(lesions_of_patients) < 100
    assert (table.groupby("lesion_id")["label"].nunique() == 1).all()


def test_second_photographs_are_near_duplicates_of_the_first(phantom: str):
    image_set = open_dataset(phantom)
    rows = {image_id: row for row, image_id in enumerate(image_set.table["image_id"])}
    pairs = [(rows[image_id[:-1] + "a"], row) for image_id, row in rows.items() if image_id.endswith("b")]
    assert len(pairs) >= 8
    values = np.array([similarity(image_set.images[a], image_set.images[b]) for a, b in pairs])
    assert (values >= 0.9).mean() > 0.8
    assert all((image_set.images[a] != image_set.images[b]).any() for a, b in pairs)


def test_the_same_seed_draws_the_same_and_another_draws_others(workspace: Path):
    one, two, other = (make_phantom(name, 24, 32, seed) for name, seed in (("one", 3), ("two", 3), ("other", 4)))
    assert np.array_equal(open_dataset("one").images, open_dataset("two").images)
    assert one.fingerprint == two.fingerprint != other.fingerprint
    assert not np.array_equal(open_dataset("one").images, open_dataset("other").images)


def test_malignant_ones_can_be_told_with_overlap(phantom: str):
    """A crude measure of the drawn rule, how far each lesion is from its own mirror image, separates the classes in part."""
    image_set = open_dataset(phantom)
    grey = image_set.images.astype(float).mean(3)
    mirrored = np.min([abs(grey - other).mean((1, 2)) for other in (grey[:, ::-1], grey[:, :, ::-1], grey[:, ::-1, ::-1])], axis=0)
    value = auc(image_set.labels, mirrored)
    assert 0.55 < value < 0.97


def test_progress_is_reported_and_a_taken_name_refused(workspace: Path):
    calls = []
    make_phantom("drawn", 20, 32, on_progress=lambda *report: calls.append(report))
    assert calls[-1][:2] == (20, 20) and all(done <= 20 for done, _, _ in calls)
    with pytest.raises(InvalidValue, match="already"):
        make_phantom("drawn", 20, 32)


@pytest.mark.parametrize("arguments", [{"images": 3}, {"size": 50}, {"size": 4096}])
def test_impossible_numbers_are_refused(workspace: Path, arguments: dict[str, int]):
    with pytest.raises(InvalidValue):
        make_phantom("drawn", **({"images": 8, "size": 32} | arguments))
    assert not (workspace / "datasets").exists()


def test_draws_are_known_numbers():
    """NumPy keeps its bit streams; what is made of them is ours."""
    draws = Draws("key", 1)
    assert draws.uniform() == pytest.approx(0.3560133046086774, abs=1e-15)
    assert draws.normal() == pytest.approx(-0.5650289413158733, abs=1e-12)
    many = Draws("many").normal((20_000,))
    assert abs(many.mean()) < 0.03 and many.std() == pytest.approx(1, abs=0.03)
    whole = [Draws("whole", number).integer(2, 4) for number in range(200)]
    assert set(whole) == {2, 3, 4}
