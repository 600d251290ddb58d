"""What came out of a closed blind batch: numbers and words, and the file that other programs for reader studies take. No torch.

Only the first look at a picture counts as an answer; the second look at a repeated one tells how far a reader agrees with themselves.
"""

import dataclasses
import itertools
import statistics

import numpy as np

from gan_aug import stats, store
from gan_aug.errors import InvalidValue
from gan_aug.records import NOTICE, Review
from gan_aug.stats import AverageReading, Interval, Reading
from gan_aug.store import ReviewBatch, ReviewCase

DEFAULT_MARGIN = 0.1  # of batches that were made before a margin was laid down with them
MODALITY = "1"

_FEW_REPEATS = 20
_FEW_OF_A_KIND = 10
_MANY_UNSURE = 0.2
_SCORES = {"real": 2, "unsure": 3, "synthetic": 4}  # of answers that were stored without a confidence


@dataclasses.dataclass(frozen=True)
class ReaderResult:
    """One reader of a blind batch."""

    reviewer: str
    answered: int  # pictures, repeats included
    reading: Reading
    verdict: str  # better | worse | chance | near | open; see Reading.verdict
    within: Interval | None  # kappa of first and second look; None without repeats, or where it is 0 / 0
    n_repeats: int  # pictures answered twice
    agreed: int  # of them with the same answer
    seconds: float  # median time of a picture


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How far readers agree on the pictures that all of them have answered."""

    readers: tuple[str, ...]
    n: int  # pictures
    kappa: Interval | None  # Cohen's for two, Fleiss' for more; None where it is 0 / 0


@dataclasses.dataclass(frozen=True)
class BlindResult:
    """All that a closed blind batch tells."""

    batch: str
    margin: float
    n_real: int  # pictures, repeats not counted
    n_synthetic: int
    n_repeats: int
    readers: tuple[ReaderResult, ...]
    average: AverageReading | None  # None with fewer than two readers
    average_verdict: str | None
    pairs: tuple[Agreement, ...]
    all_readers: Agreement | None  # None with fewer than three readers
    needed: int  # decided pictures without which chance cannot be shown
    phantom: bool


def blind_result(name: str) -> BlindResult:
    """The result of the closed blind batch ``name``.

    Raises
    ------
    NotFound
        If there is no such batch.
    InvalidValue
        If it is not blind, or still open.
    """
    batch = _closed(name)
    cases = {case.image: case for case in store.cases(name)}
    margin = batch.settings.get("margin", DEFAULT_MARGIN)
    said: dict[str, dict[str, Review]] = {}
    for review in store.reviews_of(name):
        said.setdefault(review.reviewer, {})[review.image] = review
    firsts = [case for case in cases.values() if case.repeat_of is None]
    readers = sorted(reader for reader, answers in said.items() if any(case.image in answers for case in firsts))
    results = tuple(_reader(reader, said[reader], cases, margin) for reader in readers)
    average = _average(firsts, [said[reader] for reader in readers])
    pairs = tuple(_agreement(pair, said, firsts) for pair in itertools.combinations(readers, 2))
    n_synthetic = sum(case.synthetic is not None for case in firsts)
    return BlindResult(
        batch=name,
        margin=margin,
        n_real=len(firsts) - n_synthetic,
        n_synthetic=n_synthetic,
        n_repeats=len(cases) - len(firsts),
        readers=results,
        average=average,
        average_verdict=stats.chance_verdict(average.balanced, average.equivalence, margin) if average else None,
        pairs=pairs,
        all_readers=_agreement(tuple(readers), said, firsts) if len(readers) > 2 else None,
        needed=stats.cases_needed(margin),
        phantom=bool(batch.settings.get("phantom")),
    )


def _closed(name: str) -> ReviewBatch:
    batch = store.batch(name)
    if batch.mode != "blind":
        raise InvalidValue(f"Batch {name!r} is not blind: there is no right or wrong in it.", "Name a batch made with --blind.")
    if not batch.closed:
        raise InvalidValue(f"Batch {name!r} is blind and still open.", "Close it first: gan-aug review close NAME")
    return batch


def score(review: Review) -> int:
    """How surely a reader called a picture synthetic, 1 to 5."""
    return review.confidence or _SCORES[review.decision]


def _reader(reviewer: str, answers: dict[str, Review], cases: dict[str, ReviewCase], margin: float) -> ReaderResult:
    firsts = [case for case in cases.values() if case.repeat_of is None and case.image in answers]
    reading = stats.reading([int(case.synthetic is not None) for case in firsts], [score(answers[case.image]) for case in firsts])
    twice = [
        (answers[case.repeat_of].decision, answers[case.image].decision)
        for case in cases.values()
        if case.repeat_of in answers and case.image in answers
    ]
    return ReaderResult(
        reviewer=reviewer,
        answered=len(answers),
        reading=reading,
        verdict=reading.verdict(margin),
        within=stats.kappa_of_two(*zip(*twice, strict=True)) if twice else None,
        n_repeats=len(twice),
        agreed=sum(first == second for first, second in twice),
        seconds=statistics.median(answer.seconds for answer in answers.values()),
    )


def _average(firsts: list[ReviewCase], readers: list[dict[str, Review]]) -> AverageReading | None:
    truth = np.array([int(case.synthetic is not None) for case in firsts])
    table = np.array([[score(said[case.image]) if case.image in said else 0 for case in firsts] for said in readers])
    whole = [row for row in table if all((row[truth == kind] > 0).any() for kind in (0, 1))]
    return stats.average_reading(truth, np.stack(whole)) if len(whole) > 1 else None


def _agreement(readers: tuple[str, ...], said: dict[str, dict[str, Review]], firsts: list[ReviewCase]) -> Agreement:
    common = [case.image for case in firsts if all(case.image in said[reader] for reader in readers)]
    answers = [[said[reader][image].decision for image in common] for reader in readers]
    kappa = stats.kappa_of_two(*answers) if len(readers) == 2 else stats.fleiss_kappa(answers)
    return Agreement(readers, len(common), kappa)


# --- in words ----------------------------------------------------------------------------------------------------------------------------

HEADLINES = {
    "better": "Better than chance",
    "worse": "Worse than chance",
    "chance": "No better than chance",
    "near": "Off chance, but within the margin",
    "open": "Not settled",
}


def in_words(result: BlindResult, reader: ReaderResult) -> str:
    """What one reader's answers say, in sentences."""
    reading = reader.reading
    if reading.accuracy is None:
        return f"{reader.reviewer} could not tell of any of {reading.n} pictures, and decided on none."
    sentences = [
        f"{reader.reviewer} decided on {reading.decided} of {reading.n} pictures and was right in {reading.correct} of these, "
        f"{percent(reading.accuracy)}; the same answers dealt out at random would be right in {100 * reading.by_guessing:.0f} %."
    ]
    if reading.balanced is not None:
        sentences.append(f"With real and synthetic pictures weighed alike that is {percent(reading.balanced)}, where guessing gives 50 %.")
    sentences.append(_verdict_in_words(reader.verdict, result.margin, reader.reviewer))
    return " ".join(sentences)


def average_in_words(result: BlindResult) -> str | None:
    """What all readers together say, in sentences; None with fewer than two."""
    average = result.average
    if average is None:
        return None
    sentences = [f"Over {average.n_readers} readers the mean AUC is {number(average.auc)}."]
    if average.balanced is not None:
        sentences.append(f"Weighed alike, real and synthetic pictures are told apart in {percent(average.balanced)}; guessing gives 50 %.")
    sentences.append(_verdict_in_words(result.average_verdict, result.margin, "the average reader"))
    return " ".join(sentences)


def _verdict_in_words(verdict: str, margin: float, who: str) -> str:
    low, high = f"{50 - 100 * margin:g}", f"{50 + 100 * margin:g} %"
    return {
        "better": f"That is better than chance: {who} can tell these synthetic pictures from real ones.",
        "worse": f"That is worse than chance: {who} sees a difference, and takes it the wrong way round.",
        "chance": f"That is equivalent to chance within {low} to {high}, the margin that was laid down when the batch was made "
        "(two one-sided tests at 5 %).",
        "near": f"That differs from chance, and yet lies within {low} to {high}, the margin that was laid down when the batch was made.",
        "open": "That settles nothing: it is neither shown to differ from guessing, nor shown to lie within "
        f"{low} to {high}. Not significant does not mean equal; more pictures or readers are needed.",
    }[verdict]


def cautions(result: BlindResult) -> list[str]:
    """What makes the result less than it seems, in sentences."""
    n = result.n_real + result.n_synthetic + result.n_repeats

    def of_readers(counts: dict[str, int]) -> str:
        return ", ".join(f"{reader} {count}" for reader, count in counts.items())

    missing = {reader.reviewer: n - reader.answered for reader in result.readers if reader.answered < n}
    unsure = {each.reviewer: each.reading.n_unsure for each in result.readers if each.reading.n_unsure > _MANY_UNSURE * each.reading.n}
    few = {each.reviewer: each.reading.decided for each in result.readers if each.reading.decided < result.needed}
    twice = {reader.reviewer: reader.n_repeats for reader in result.readers if 0 < reader.n_repeats < _FEW_REPEATS}
    found = []
    if missing:
        found.append(f"Pictures without an answer, which are left out: {of_readers(missing)}.")
    if unsure:
        found.append(f'Many answers were "cannot tell", which count in the curve and not in the accuracy: {of_readers(unsure)}.')
    if few:
        found.append(
            f"Fewer than {result.needed} decided pictures cannot show that a reader is equivalent to chance within "
            f"{50 - 100 * result.margin:g} to {50 + 100 * result.margin:g} %: {of_readers(few)}."
        )
    if twice:
        found.append(f"So few pictures seen twice tell little of how steady the answers are: {of_readers(twice)}.")
    if min(result.n_real, result.n_synthetic) < _FEW_OF_A_KIND:
        found.append(f"There are only {result.n_real} real and {result.n_synthetic} synthetic pictures: every number here is rough.")
    if result.average and result.average.n_readers < 5:
        found.append(f"With {result.average.n_readers} readers, the mean says little about others; its interval is rather too narrow.")
    if result.phantom:
        found.append("The real pictures are phantoms, drawn by rule: nothing here says anything about lesions.")
    return found


def percent(interval: Interval) -> str:
    """An interval as people read it: 75 % (95 % interval 62 to 85 %)."""
    low, value, high = (f"{100 * each:.0f}" for each in (interval.low, interval.value, interval.high))
    return f"{value} % ({100 * interval.level:.0f} % interval {low} to {high} %)"


def brief(interval: Interval | None) -> str:
    """An interval for a table: 75 % (62-85); empty where there is none."""
    return "" if interval is None else f"{100 * interval.value:.0f} % ({100 * interval.low:.0f}-{100 * interval.high:.0f})"


def number(interval: Interval | None) -> str:
    """An interval of two decimals; "undefined" for 0 / 0."""
    if interval is None:
        return "undefined"
    return f"{two(interval.value)} ({100 * interval.level:.0f} % interval {two(interval.low)} to {two(interval.high)})"


def two(value: float) -> str:
    """Two decimals, and no minus before nothing."""
    return f"{round(value, 2) + 0.0:.2f}"


# --- for other programs ------------------------------------------------------------------------------------------------------------------


def imrmc(name: str) -> str:
    """A closed blind batch in the input format of iMRMC (FDA), which RJafroc reads too.

    After ``BEGIN DATA:`` stand rows of reader, case, modality, score: first the truth of every case, as reader -1 with the score 0 (real)
    or 1 (synthetic), then the answers, 1 to 5. Second looks are left out, because the format knows one answer per reader and case. Cases
    are the numbers in the column ``case`` of the table of decisions; readers are numbered, and named above the data.
    """
    _closed(name)
    firsts = [(number, case) for number, case in enumerate(store.cases(name), start=1) if case.repeat_of is None]
    answers = {(review.reviewer, review.image): score(review) for review in store.reviews_of(name)}
    readers = sorted({reviewer for reviewer, _ in answers})
    synthetic = sum(case.synthetic is not None for _, case in firsts)
    lines = [f"Blind reading {name} by gan_aug. {NOTICE}", "Truth: 0 real, 1 synthetic. Score: 1 surely real to 5 surely synthetic."]
    lines += [f"Reader {place} is {reader}" for place, reader in enumerate(readers, start=1)]
    lines += ["", f"NR: {len(readers)}", f"N0: {len(firsts) - synthetic}", f"N1: {synthetic}", "NM: 1", "", "BEGIN DATA:"]
    lines += [f"-1,{number},0,{int(case.synthetic is not None)}" for number, case in firsts]
    for place, reader in enumerate(readers, start=1):
        for number, case in firsts:
            if (reader, case.image) in answers:
                lines.append(f"{place},{number},{MODALITY},{answers[reader, case.image]}")
    return "\n".join(lines) + "\n"
