"""A blind batch from its answers to its result: what counts, what is said of it in words, and what other programs are given."""

import csv
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from made_up import make_batch, make_blind_batch
from sklearn import metrics as sk

from gan_aug import readings, reviews, stats, store
from gan_aug.errors import InvalidValue
from gan_aug.records import Review
from gan_aug.store import ReviewCase

MEANT = {1: "real", 2: "real", 3: "unsure", 4: "synthetic", 5: "synthetic"}


def answer(batch: str, reader: str, image: str, confidence: int, second: int = 0) -> Review:
    moment = f"2026-01-01T10:{second // 60:02d}:{second % 60:02d}+00:00"
    return Review(str(uuid.uuid4()), batch, reader, image, MEANT[confidence], None, confidence, 2.5, moment)


def answer_all(batch: str, reader: str, cases: dict[str, ReviewCase], how: Callable[[ReviewCase], int]) -> None:
    store.add_reviews([answer(batch, reader, case.image, how(case)) for case in cases.values()])


def right(case: ReviewCase) -> int:
    return 5 if case.synthetic else 1


def test_a_result_is_that_of_first_looks(workspace: Path) -> None:
    cases = make_blind_batch("b", n=40, repeats=4)
    firsts = [case for case in cases.values() if not case.repeat_of]
    wrong = {case.image for case in firsts[:6]}
    answer_all("b", "ana", cases, lambda case: 6 - right(case) if case.image in wrong or case.repeat_of else right(case))
    answer_all("b", "ben", {case.image: case for case in firsts}, lambda case: 3 if case.image in wrong else right(case))
    store.close_batch("b")
    result = readings.blind_result("b")
    assert (result.n_real, result.n_synthetic, result.n_repeats, result.margin) == (20, 20, 4, 0.1)
    ana, ben = result.readers
    assert (ana.reviewer, ana.answered, ana.reading.n, ana.reading.correct) == ("ana", 44, 40, 34), "second looks do not count"
    truth = [int(case.synthetic is not None) for case in firsts]
    said = [6 - right(case) if case.image in wrong else right(case) for case in firsts]
    assert ana.reading.auc.value == pytest.approx(sk.roc_auc_score(truth, said))
    flipped = sum(case.repeat_of in wrong for case in cases.values())
    assert (ana.n_repeats, ana.agreed) == (4, flipped)
    assert (ben.reading.decided, ben.reading.n_unsure, ben.reading.accuracy.value, ben.n_repeats) == (34, 6, 1.0, 0)
    assert ben.within is None
    (pair,) = result.pairs
    assert (pair.readers, pair.n) == (("ana", "ben"), 40)
    decisions = [[MEANT[value] for value in said], ["unsure" if case.image in wrong else MEANT[right(case)] for case in firsts]]
    assert pair.kappa.value == pytest.approx(sk.cohen_kappa_score(*decisions))
    assert result.all_readers is None
    assert result.average.auc.value == pytest.approx((ana.reading.auc.value + ben.reading.auc.value) / 2)


def test_the_newest_answer_counts_and_an_undone_one_does_not(workspace: Path) -> None:
    cases = make_blind_batch("b", n=4, repeats=0)
    first, second, *_ = cases.values()
    store.add_reviews(
        [answer("b", "ana", first.image, 1, 1), answer("b", "ana", first.image, 5, 2), answer("b", "ana", second.image, 2, 3)]
    )
    undo = Review(str(uuid.uuid4()), "b", "ana", second.image, None, None, None, 1.0, "2026-01-01T10:00:04+00:00")
    store.add_reviews([undo])
    store.close_batch("b")
    (ana,) = readings.blind_result("b").readers
    assert ana.answered == 1
    assert ana.reading.correct == int(first.synthetic is not None)


def test_nothing_is_told_of_an_open_batch_or_one_that_is_not_blind(workspace: Path) -> None:
    answer_all("b", "ana", make_blind_batch("b"), right)
    make_batch("keep", 2)
    for call in (readings.blind_result, readings.imrmc, reviews.decisions):
        with pytest.raises(InvalidValue, match="still open"):
            call("b")
    for call in (readings.blind_result, readings.imrmc):
        with pytest.raises(InvalidValue, match="not blind"):
            call("keep")
    store.close_batch("b")
    assert readings.blind_result("b").readers[0].verdict == "better"


def test_a_batch_closed_before_anybody_answered_has_no_reader(workspace: Path) -> None:
    make_blind_batch("b")
    store.close_batch("b")
    result = readings.blind_result("b")
    assert (result.readers, result.average, result.pairs) == ((), None, ())
    assert readings.average_in_words(result) is None


@pytest.mark.parametrize(
    ("how", "n", "verdict", "words"),
    [
        (right, 40, "better", "better than chance: ana can tell"),
        (lambda case: 6 - right(case), 40, "worse", "the wrong way round"),
        (lambda case: 1 + 4 * (int(case.image[0], 16) % 2), 12, "open", "settles nothing"),
        (lambda case: 3, 40, "open", "could not tell of any of 40 pictures"),
    ],
)
def test_what_is_said_in_words(workspace: Path, how: Callable[[ReviewCase], int], n: int, verdict: str, words: str) -> None:
    answer_all("b", "ana", make_blind_batch("b", n=n, repeats=0), how)
    store.close_batch("b")
    result = readings.blind_result("b")
    assert result.readers[0].verdict == verdict
    assert words in readings.in_words(result, result.readers[0])
    assert "{" not in readings.in_words(result, result.readers[0])


def test_equivalence_is_stated_with_the_margin_that_was_laid_down(workspace: Path) -> None:
    cases = make_blind_batch("b", n=240, repeats=0, margin=0.12)
    kinds: dict[bool, int] = {True: 0, False: 0}

    def half(case: ReviewCase) -> int:
        kind = case.synthetic is not None
        kinds[kind] += 1
        return right(case) if kinds[kind] % 2 else 6 - right(case)

    answer_all("b", "ana", cases, half)
    store.close_batch("b")
    result = readings.blind_result("b")
    assert (result.margin, result.needed) == (0.12, stats.cases_needed(0.12))
    assert result.readers[0].verdict == "chance"
    assert "equivalent to chance within 38 to 62 %, the margin that was laid down" in readings.in_words(result, result.readers[0])


def test_cautions_name_readers_and_numbers(workspace: Path) -> None:
    cases = make_blind_batch("b", n=10, repeats=2)
    answer_all("b", "ana", {image: cases[image] for image in list(cases)[:-3]}, lambda case: 3 if case.synthetic else 1)
    answer_all("b", "ben", cases, right)
    store.close_batch("b")
    said = "\n".join(readings.cautions(readings.blind_result("b")))
    for words in (
        "without an answer, which are left out: ana 3.",
        '"cannot tell"',
        f"Fewer than {stats.cases_needed(0.1)} decided",
        "ben 2",
        "5 real",
        "phantoms",
    ):
        assert words in said


# --- to take away ------------------------------------------------------------------------------------------------------------------------


def read_imrmc(text: str) -> tuple[dict[str, int], list[list[str]]]:
    """Header counts and rows, read as RJafroc's reader of the format does: four fields after BEGIN DATA, case ids that are numbers."""
    lines = text.splitlines()
    start = lines.index("BEGIN DATA:")
    header = dict(line.split(":") for line in lines[:start] if line.split(":")[0] in ("NR", "N0", "N1", "NM"))
    rows = [line.split(",") for line in lines[start + 1 :]]
    assert all(len(row) == 4 and row[1].isdecimal() for row in rows)
    return {key: int(value) for key, value in header.items()}, rows


def test_imrmc_holds_truth_and_first_looks(workspace: Path) -> None:
    cases = make_blind_batch("b", n=10, repeats=2)
    answer_all("b", "ana, MD", cases, right)
    answer_all("b", "ben\u00e9", {image: cases[image] for image in list(cases)[:5]}, lambda case: 4)
    store.close_batch("b")
    text = readings.imrmc("b")
    header, rows = read_imrmc(text)
    assert header == {"NR": 2, "N0": 5, "N1": 5, "NM": 1}
    truth = {row[1]: row[3] for row in rows if row[0] == "-1"}
    assert len(truth) == 10 and sorted(truth.values()) == ["0"] * 5 + ["1"] * 5
    assert {row[2] for row in rows if row[0] == "-1"} == {"0"}
    assert all(truth[row[1]] == {"1": "0", "5": "1"}[row[3]] for row in rows if row[0] == "1")
    seen = [(row[0], row[1]) for row in rows]
    assert len(seen) == len(set(seen)), "a reader has one answer to a case"
    assert sum(row[0] == "1" for row in rows) == 10
    assert sum(row[0] == "2" for row in rows) == sum(not cases[image].repeat_of for image in list(cases)[:5])
    assert "Reader 1 is ana, MD" in text.partition("BEGIN DATA:")[0]


def test_the_exported_folder_holds_table_pictures_and_imrmc(workspace: Path, tmp_path: Path) -> None:
    cases = make_blind_batch("b", n=10, repeats=2)
    answer_all("b", "ana", cases, right)
    store.close_batch("b")
    reviews.export("b", tmp_path / "out")
    assert read_imrmc((tmp_path / "out" / "reading.imrmc").read_text())[0]["NR"] == 1
    with (tmp_path / "out" / "decisions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 12
    order = [case.image for case in reviews.reading_order(store.batch("b"), "ana")]
    for row in rows:
        case = cases[row["image"]]
        assert row["origin"] == ("synthetic" if case.synthetic else "real")
        assert (row["confidence"], row["repeat_of"] or None) == (str(right(case)), case.repeat_of)
        assert order[int(row["position"]) - 1] == row["image"]
        assert list(cases)[int(row["case"]) - 1] == row["image"]
        assert (tmp_path / "out" / row["file"]).exists()
