"""The audit: copies are found, unseen images are not accused, and every formula agrees with its definition."""

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy.stats import mannwhitneyu

from gan_aug import audit, catalog, cli, runs, subjects, workspace
from gan_aug.audit import spaces
from gan_aug.audit.copies import Seen, closest
from gan_aug.audit.verdict import judge
from gan_aug.checkpoint import Snapshot, save_snapshot
from gan_aug.data.dataset import open_dataset
from gan_aug.data.phantom import make_phantom
from gan_aug.data.split import load_split, make_split
from gan_aug.data.training_list import training_list
from gan_aug.errors import CorruptFile, InvalidValue, LeakError
from gan_aug.images import PARTLY_SYNTHETIC, read_provenance
from gan_aug.metrics import copying
from gan_aug.records import Run, to_dict

# --- formulas ----------------------------------------------------------------------------------------------------------------------------


def points(n: int, d: int, seed: int, spread: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, spread, (n, d))


def blocks_of(features: np.ndarray, size: int) -> copying.Blocks:
    return lambda: ((start, features[start : start + size]) for start in range(0, len(features), size))


def all_distances(queries: np.ndarray, features: np.ndarray) -> np.ndarray:
    """(q, n), the least over the turns, without any shortcut."""
    return np.min([np.linalg.norm(turn[:, None] - features[None], axis=2) for turn in queries], axis=0)


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
def test_nearest_agrees_with_all_distances(block: int) -> None:
    train, queries = points(64, 5, 0), points(3 * 200, 5, 1).reshape(3, 200, 5)
    found = copying.nearest(queries, blocks_of(train, block), k=4)
    expected = all_distances(queries, train)
    np.testing.assert_allclose(found.distances, np.sort(expected, axis=1)[:, :4], rtol=1e-6)
    np.testing.assert_array_equal(found.rows, expected.argmin(axis=1))
    np.testing.assert_array_equal(found.neighbours, np.argsort(expected, axis=1)[:, :4])
    per_turn = np.linalg.norm(queries - train[found.rows], axis=2)
    np.testing.assert_array_equal(found.turns, per_turn.argmin(axis=0))
    fourth = np.linalg.norm(queries - train[found.neighbours[:, 3]], axis=2)
    np.testing.assert_array_equal(found.neighbour_turns[:, 3], fourth.argmin(axis=0))


def test_an_image_is_not_its_own_neighbour_in_any_turn() -> None:
    train = points(30, 4, 0)
    rows = np.array([0, 13, 29])
    queries = np.stack([train[rows], train[rows] + 1e-6])
    found = copying.nearest(queries, blocks_of(train, 8), k=2, own=rows)
    expected = all_distances(queries, train)
    expected[np.arange(3), rows] = np.inf
    np.testing.assert_allclose(found.distances, np.sort(expected, axis=1)[:, :2], rtol=1e-6)
    assert (found.rows != rows).all()


def test_fewer_training_images_than_neighbours() -> None:
    found = copying.nearest(points(6, 3, 1)[None], blocks_of(points(2, 3, 0), 1))
    assert np.isfinite(found.distances[:, :2]).all() and np.isinf(found.distances[:, 2:]).all()
    assert (found.neighbours[:, 2:] == -1).all()
    np.testing.assert_allclose(found.relative, found.distances[:, 0] / found.distances[:, 1])


def test_memory_does_not_grow_with_the_number_of_training_images() -> None:
    def peak(n_blocks: int) -> int:
        tracemalloc.start()
        copying.nearest(points(200, 16, 0)[None], lambda: ((256 * number, points(256, 16, number)) for number in range(n_blocks)))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(32) < 1.1 * peak(4)


def test_features_that_are_no_numbers_and_no_training_images_are_refused() -> None:
    with pytest.raises(InvalidValue, match="not a finite number"):
        copying.nearest(points(2, 3, 0)[None], blocks_of(np.full((4, 3), np.nan), 2))
    with pytest.raises(InvalidValue, match="no training images"):
        copying.nearest(points(2, 3, 0)[None], blocks_of(np.zeros((0, 3)), 2))


def test_auth_pct_agrees_with_its_definition() -> None:
    train, fake = points(80, 3, 0), np.concatenate([points(40, 3, 1), points(80, 3, 0)[:10] + 1e-3])
    found = copying.nearest(fake[None], blocks_of(train, 9))
    own = copying.nearest(train[None, found.rows], blocks_of(train, 9), k=1, own=found.rows)
    got = copying.authentic(found, dict(zip(found.rows.tolist(), own.nearest.tolist(), strict=True)))
    among = all_distances(train[None], train)
    np.fill_diagonal(among, np.inf)
    to_train = all_distances(fake[None], train)
    expected = to_train.min(axis=1) > among.min(axis=1)[to_train.argmin(axis=1)]
    np.testing.assert_array_equal(got, expected)
    assert not got[40:].any(), "copies are not authentic"
    assert got[:40].any()


@pytest.mark.parametrize("rounded", [False, True])
def test_rank_z_agrees_with_scipy(rounded: bool) -> None:
    fake, held_out = np.abs(points(60, 1, 0))[:, 0], np.abs(points(45, 1, 1))[:, 0] + 0.3
    if rounded:  # ties
        fake, held_out = fake.round(1), held_out.round(1)
    pairs = np.subtract.outer(fake, held_out)
    u = (pairs > 0).sum() + 0.5 * (pairs == 0).sum()
    assert u == mannwhitneyu(fake, held_out).statistic
    found = copying.rank_z(fake, held_out, np.arange(45))
    assert found == pytest.approx((u - (60 * 45 / 2 - 0.5)) / np.sqrt(60 * 45 * 106 / 12))
    assert found < -1


def test_rank_z_of_several_images_a_patient_is_as_far_from_zero_as_chance_allows() -> None:
    def draw(seed: int) -> float:
        rng = np.random.default_rng(seed)
        held_out = np.sqrt(0.7) * rng.normal(size=20).repeat(8) + np.sqrt(0.3) * rng.normal(size=160)
        return copying.rank_z(rng.normal(size=160), held_out, np.arange(20).repeat(8))

    assert np.std([draw(seed) for seed in range(300)]) == pytest.approx(1, abs=0.15)
    copies, held_out = np.random.default_rng(0).uniform(0, 0.5, 160), np.random.default_rng(1).uniform(0.4, 1, 160)
    assert copying.rank_z(copies, held_out, np.arange(20).repeat(8)) < -10
    assert copying.rank_z(np.full(60, 2.0), np.ones(40), np.arange(20).repeat(2)) > 8, "distances that are all the same"


def test_ct_sees_copying_in_one_region_that_the_whole_hides() -> None:
    rng = np.random.default_rng(0)
    held_out, cells = rng.uniform(1, 2, 120), np.repeat([0, 1, 2], 40)
    fake = rng.uniform(1, 2, 120)
    fake[:40] *= 0.1  # copies
    fake[40:80] *= 3  # poor images
    groups = np.arange(120) // 2

    def score(in_fake: np.ndarray, in_held_out: np.ndarray) -> float:
        return copying.rank_z(fake[in_fake], held_out[in_held_out], groups[in_held_out])

    scores = [score(cells == cell, cells == cell) for cell in range(3)]
    assert copying.ct_score(fake, held_out, cells, cells, groups) == pytest.approx(np.mean(scores))
    assert scores[0] < -7 and abs(score(cells < 3, cells < 3)) < 1
    few = cells.copy()
    few[:25] = 1  # 15 generated images are left in cell 0, too few to count
    weights = np.array([40, 40])
    expected = [score(few == cell, cells == cell) for cell in (1, 2)]
    assert copying.ct_score(fake, held_out, few, cells, groups) == pytest.approx(np.average(expected, weights=weights))
    assert copying.ct_score(fake[:19], held_out, cells[:19], cells, groups) is None


def test_cells_are_those_of_the_training_images() -> None:
    centres = np.array([[0.0, 0], [10, 0], [0, 10]])
    training = np.repeat(centres, 20, axis=0) + points(60, 2, 0, 0.1)
    (found,) = spaces.cells(training, 0, centres + 0.2)
    assert len(set(found)) == 3


def test_the_chance_of_being_closer_than_any() -> None:
    fake, held_out = np.array([0.1, 0.2, 5.0]), np.array([1.0, 2.0])
    assert copying.closer_than_any(fake, np.array([4, 7, 4]), held_out) == (2, pytest.approx(3 / 5 * 2 / 4))
    assert copying.closer_than_any(fake, np.array([4, 4, 7]), held_out) == (1, pytest.approx(3 / 5)), "one picture made twice"
    assert copying.closer_than_any(np.array([3.0]), np.array([0]), np.array([1.0])) == (0, 1.0)
    rng = np.random.default_rng(0)
    draws = [copying.closer_than_any(rng.normal(size=20), np.arange(20), rng.normal(size=30))[0] for _ in range(4000)]
    for k in (1, 3):
        place = np.arange(k)
        assert np.mean(np.array(draws) >= k) == pytest.approx(np.prod((20 - place) / (50 - place)), abs=0.02)


def test_turns_are_the_eight_of_the_square() -> None:
    picture = np.arange(4 * 4 * 3, dtype=np.uint8).reshape(1, 4, 4, 3)
    found = {copying.turned(picture, turn)[0].tobytes() for turn in range(8)}
    expected = {np.rot90(face, times).tobytes() for face in (picture[0], picture[0][:, ::-1]) for times in range(4)}
    assert found == expected and len(found) == 8


# --- the whole audit ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def larger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A phantom dataset of 420 images, with enough held-out ones for a verdict. No test writes into it but to the list of audits."""
    folder = tmp_path_factory.mktemp("audit")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_AUG_HOME", str(folder / "workspace"))
        patch.setenv("GAN_AUG_CHECKPOINTS", str(folder / "checkpoints"))
        patch.delenv("GAN_AUG_DATABASE_URL", raising=False)
        make_phantom("larger", images=420, size=64)
        make_split("larger")
        yield


def rows_of(part: str) -> list[int]:
    return load_split("larger").rows(part)


def pictures_of(part: str, n: int | None = None) -> np.ndarray:
    return np.array(open_dataset("larger").images[rows_of(part)[:n]])


def write(folder: Path, pictures: np.ndarray, suffix: str = ".png") -> str:
    folder.mkdir()
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{number:03d}{suffix}")
    return str(folder)


def with_copies(share: int, noise: float = 5.0) -> tuple[np.ndarray, list[int]]:
    """Unseen images, of which one in ``share`` is replaced by a turned, slightly noisy training image; and the rows of those."""
    pictures, train = pictures_of("test"), rows_of("train")
    taken = train[3 : 3 + len(pictures) // share]
    spread = np.random.default_rng(0).normal(0, noise, (len(taken), 64, 64, 3))
    for place, row in enumerate(taken):
        turned = copying.turned(open_dataset("larger").images[row : row + 1], (3 * place + 1) % 8)[0]
        pictures[place] = np.clip(np.rint(turned + spread[place]), 0, 255)
    return pictures, taken


def test_unseen_images_are_not_accused(tmp_path: Path) -> None:
    found = audit.audit(write(tmp_path / "clean", pictures_of("test")), "larger", "random-conv", out=tmp_path / "sheet")
    assert (found.verdict, found.identical, found.near_duplicates) == (audit.CLEAN, 0, (0, 0))
    assert [space.space for space in found.spaces] == ["random-conv:0", "pixels"]
    assert all(-3 < space.ct < 3 and space.closer_chance > 0.001 for space in found.spaces)
    assert (found.n_fake, found.n_held_out, found.n_train) == (len(rows_of("test")), len(rows_of("val")), len(rows_of("train")))
    assert any("phantoms" in note for note in found.notes)


def test_one_copy_in_ten_is_found(tmp_path: Path) -> None:
    pictures, taken = with_copies(10)
    found = audit.audit(write(tmp_path / "mixed", pictures, ".jpg"), "larger", out=tmp_path / "sheet")
    assert found.verdict == audit.COPIES
    assert found.near_duplicates == (len(taken), 0) and found.identical == 0
    assert any("near-duplicates" in reason for reason in found.reasons)
    ids = open_dataset("larger").table["image_id"]
    first = found.pairs[: len(taken)]
    assert {pair.real for pair in first} == {ids.iat[row] for row in taken}
    assert {pair.fake for pair in first} == {f"{number:03d}.jpg" for number in range(len(taken))}
    assert all(pair.similarity >= 0.9 for pair in first) and found.pairs[len(taken)].similarity < 0.9
    sheet = np.asarray(Image.open(tmp_path / "sheet" / audit.SHEET))
    assert np.abs(sheet[:64, :64].astype(int) - sheet[:64, 64:128]).mean() < 8, "the copy stands beside its original, turned to it"
    said = read_provenance(tmp_path / "sheet" / audit.SHEET)
    assert (said["dataset"], said["digitalSourceType"]) == ("larger", PARTLY_SYNTHETIC)


def test_identical_images_are_found_turned_and_in_any_number(tmp_path: Path) -> None:
    pictures = pictures_of("test", 8)
    pictures[3] = copying.turned(pictures_of("train", 1), 6)[0]
    found = audit.audit(write(tmp_path / "few", pictures), "larger", out=tmp_path)
    assert (found.verdict, found.identical, found.near_duplicates[0]) == (audit.COPIES, 1, 1)
    assert found.pairs[0].identical and found.pairs[0].fake == "003.png" and found.pairs[0].relative == 0


def test_few_images_are_too_few_to_say(tmp_path: Path) -> None:
    found = audit.audit(write(tmp_path / "few", pictures_of("test", 20)), "larger", out=tmp_path)
    assert found.verdict == audit.TOO_FEW
    assert "20 generated" in found.reasons[0]


def test_blurred_images_are_poor_but_no_copies(tmp_path: Path) -> None:
    blurred = [np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(3))) for picture in pictures_of("test")]
    found = audit.audit(write(tmp_path / "blurred", np.stack(blurred)), "larger", out=tmp_path)
    assert found.verdict == audit.CLEAN
    assert found.spaces[0].rank_z < 0, "in pixels they are nearer to everything, which is no copying"


def test_pictures_of_any_size(tmp_path: Path) -> None:
    pictures = [np.asarray(Image.fromarray(picture).resize((48, 48), Image.Resampling.BICUBIC)) for picture in with_copies(10)[0]]
    found = audit.audit(write(tmp_path / "small", np.stack(pictures)), "larger", out=tmp_path)
    assert (found.image_size, found.verdict) == (48, audit.COPIES)


def make_run(run_id: str, part: str = "train", spec: str = "dcgan", class_name: str | None = None) -> Run:
    """A run that has seen the images of ``part``; its generator is put in place by :func:`generate`."""
    image_set, split = open_dataset("larger"), load_split("larger")
    rows = [row for row in split.rows(part) if class_name in (None, image_set.table["label"].iat[row])]
    run = Run(
        id=run_id, kind="gan", spec=spec, config=to_dict(catalog.gan_config(spec)), dataset="larger",
        dataset_fingerprint=image_set.record.fingerprint, split_id=split.id, split_fingerprint=split.fingerprint,
        classes=image_set.record.classes, class_name=class_name, n_images=len(rows), seed=0, code_version="0", device="cpu",
        created=runs.now(), phantom=True,
    )  # fmt: skip
    import torch

    runs.create_run(run, training_list(image_set, split, rows))
    save_snapshot(run, Snapshot(100, 3.0, {"G": {"w": torch.zeros(1)}}, {}, "G", {}))
    return run


def generate(monkeypatch: pytest.MonkeyPatch, pictures: np.ndarray) -> list:
    """Put these in the place of what any generator generates, by seed; returns the list of what it is asked for."""
    calls: list = []

    def sample(reference: str, seeds: list[int], class_name: str | None = None) -> tuple[np.ndarray, list]:
        calls.append((reference, seeds, class_name))
        return pictures[np.array(seeds) % len(pictures)], []

    monkeypatch.setattr(subjects, "sample", sample)
    return calls


def test_a_run_is_compared_with_what_it_was_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    make_run("narrow", class_name="benign")
    generate(monkeypatch, with_copies(10)[0])
    found = audit.audit("narrow", "larger", n=60, seed=2)
    labels = open_dataset("larger").table["label"]
    benign = [row for row in rows_of("train") if labels.iat[row] == "benign"]
    assert (found.n_train, found.class_name, found.subject, found.codec) == (len(benign), "benign", "narrow@3", "none")
    assert found.pairs[0].fake.startswith("seed 2000")
    assert [(row.class_name, row.known) for row in found.classes] == [("benign", True)]
    assert found.classes[0].near_duplicates == found.near_duplicates[0]
    assert Path(found.sheet).is_relative_to(Path(runs.run_folder("narrow")).parent.parent / "workspace" / "audits")
    assert audit.audits("narrow") == [found], "it comes back from its file as it was"
    assert str(workspace.home()) not in (runs.run_folder("narrow") / "audits.jsonl").read_text(), "it may be passed on with its run"
    with (runs.run_folder("narrow") / "audits.jsonl").open("a") as stream:
        stream.write('{"subject": 1}\n')
    with pytest.raises(CorruptFile):
        audit.audits("narrow")


def test_a_conditional_generator_is_judged_class_by_class(monkeypatch: pytest.MonkeyPatch) -> None:
    make_run("both", spec="acgan")
    calls = generate(monkeypatch, pictures_of("test"))
    found = audit.audit("both", "larger", n=60)
    assert {name for *_, name in calls} == {"benign", "malignant"}
    assert {row.class_name: row.n_fake for row in found.classes} == {name: len(seeds) for _, seeds, name in calls}
    assert sum(row.n_held_out for row in found.classes) == found.n_held_out
    assert all(row.known for row in found.classes)


def test_a_generator_that_has_seen_val_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    make_run("leaky", part="val")
    assert generate(monkeypatch, pictures_of("test")) == []
    with pytest.raises(LeakError, match="leaky"):
        audit.audit("leaky", "larger")
    assert audit.audits("leaky") == []


def test_the_sheet_stays_out_of_the_source(tmp_path: Path) -> None:
    checkout = Path(audit.__file__).resolve().parents[2]
    if not (checkout / ".git").exists():
        pytest.skip("not a checkout")
    with pytest.raises(InvalidValue, match="real images"):
        audit.audit(write(tmp_path / "few", pictures_of("test", 8)), "larger", out=checkout / "closest")
    assert not (checkout / "closest").exists()


def test_a_block_at_a_time_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "few", pictures_of("test", 12))
    whole = audit.audit(folder, "larger", out=tmp_path)
    for module in ("spaces", "copies"):
        monkeypatch.setattr(f"gan_aug.audit.{module}.BLOCK", 50)
    parts = audit.audit(folder, "larger", out=tmp_path)
    assert parts.pairs == whole.pairs
    assert parts.spaces[0].median_distance == pytest.approx(whole.spaces[0].median_distance)
    assert parts.spaces[0].auth_pct == whole.spaces[0].auth_pct


def test_the_console(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "mixed", with_copies(10)[0])
    arguments = ["audit", folder, "--data", "larger", "--extractor", "random-conv", "--out", str(tmp_path / "sheet")]
    assert cli.main(arguments) == 0
    out = capsys.readouterr().out
    assert out.startswith("Copies. ") and "closest pairs" in out and (tmp_path / "sheet" / audit.SHEET).exists()
    assert cli.main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == audit.COPIES and told["split_fingerprint"] == load_split("larger").fingerprint


def test_near_duplicates_among_held_out_images_are_no_accusation_of_the_generator(tmp_path: Path) -> None:
    def seen(n: int, near: int, similarity: float = 0.9) -> Seen:
        return Seen(np.zeros(n, bool), np.where(np.arange(n) < near, similarity, 0), np.where(np.arange(n) < near, 5, -1))

    assert judge(100, 100, [seen(100, 3), seen(100, 2)], [])[0] == audit.CLEAN
    assert judge(100, 100, [seen(100, 30), seen(100, 2)], [])[0] == audit.COPIES
    assert judge(100, 100, [seen(100, 1), seen(100, 0)], [])[0] == audit.COPIES
    assert judge(100, 100, [seen(100, 1, 0.80), seen(100, 0)], [])[0] == audit.COPIES
    # Chance comes to 0.73 among millions of pairs: so much accuses only in numbers.
    verdict, reasons = judge(100, 100, [seen(100, 1, 0.79), seen(100, 0)], [])
    assert verdict == audit.CLEAN
    assert "1 of 100 generated images and 0 of 100 held-out ones resemble a training image (similarity up to 0.79)" in reasons[1]
    assert judge(100, 100, [seen(100, 9, 0.75), seen(100, 0)], [])[0] == audit.CLEAN
    assert judge(100, 100, [seen(100, 10, 0.75), seen(100, 0)], [])[0] == audit.COPIES
    assert judge(20, 20, [seen(20, 1, 0.75), seen(20, 0)], [])[0] == audit.TOO_FEW


def test_a_near_duplicate_stands_beside_what_it_duplicates() -> None:
    """The nearest image by features may be another."""
    image_set, train = open_dataset("larger"), np.array(rows_of("train"))
    copy = copying.turned(np.asarray(image_set.images[train[7:8]]), 5)
    nearest = copying.Nearest(np.array([[0, 1]]), np.array([[0, 0]]), np.array([[1.0, 1.0]]))
    seen = Seen(np.zeros(1, bool), np.array([0.85]), np.array([7]))
    (pair,), sheet = closest(["seed 1"], copy, nearest, seen, image_set, train, 64)
    assert (pair.real, pair.similarity) == (image_set.table["image_id"].iat[train[7]], 0.85)
    assert np.array_equal(sheet[:64, :64], sheet[:64, 64:128]), "turned to it"
