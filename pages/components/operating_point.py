"""One operating point for all schemes, chosen on val and carried over; net benefit; and the images that two schemes call differently."""

import streamlit as st

from gan_aug import images, study
from gan_aug.data.dataset import open_dataset
from gan_aug.errors import NotFound
from gan_aug.records import Study
from gan_aug.study import Aim, Analysis, Calls, Flip, PartResult
from pages.components import address, chrome, pictures, roc, study_tables
from pages.components.figure_parts import Line, saved_as
from pages.components.thumbnails import SHOWN, at_most

AIMS = {"specificity": "Specificity", "sensitivity": "Sensitivity"}
LEVELS = ("0.8", "0.9", "0.95", "0.98")
PER_PAGE = 24


def show(record: Study, analysis: Analysis, part: PartResult, lines: list[Line]) -> None:
    """The operating point and everything that follows from it."""
    chrome.section("One operating point for all", "Each scheme takes the threshold that reaches the aim on val; none is chosen here.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        what = address.pick(st.segmented_control, "Aim on val", list(AIMS), key="aim", format_func=AIMS.get)
        level = address.pick(st.segmented_control, "To reach", LEVELS, key="level", default="0.95")
    aim = Aim(what, float(level))
    called = {}
    for line in lines:
        called[line.label] = _calls(line.study, study.load_analysis(line.study).created, part.part, line.arm.scheme, aim)
    left, right = chrome.halves("operating")
    alt = f"ROC curves with the points that thresholds chosen on val for {aim.words} reach; they are in the table below"
    figure = roc.operating(part, lines, called, aim.words)
    with left:
        st.markdown("**On the ROC curves**")
        st.plotly_chart(figure, key="operating", alt=alt, config=saved_as(f"{record.name}-operating"))
    with right:
        st.markdown("**Net benefit**", help="Positive images found, less false alarms weighed by the odds of the threshold, per image.")
        if part.treat_all.x:
            alt = "Net benefit over the probability from which a lesion is called positive"
            st.plotly_chart(roc.net_benefit(part, lines), key="net-benefit", alt=alt, config=saved_as(f"{record.name}-net-benefit"))
        else:
            st.caption("This study was analysed before decision curves were made. Analyse it again: gan-aug study report NAME")
    table = study_tables.calls(lines, called, analysis.positive)
    st.dataframe(table, hide_index=True, key="calls", alt=f"What every scheme calls right and wrong at {aim.words} on val")
    st.caption(f"Thresholds for {aim.words}, chosen on val. Intervals: Wilson; where patients have several images, these count for less.")
    own = [line for line in lines if line.study == record.name]
    if len(own) > 1:
        _flips(record, analysis, part, aim, own)


@st.cache_data(max_entries=256, show_spinner=False)
def _calls(name: str, created: str, part: str, scheme: str, aim: Aim) -> Calls:
    """``created`` tells one analysis of a study from the next."""
    return study.carry_over(study.predictions(name), part, (scheme,), aim)[0]


@st.cache_data(max_entries=64, show_spinner="Looking for the cases")
def _cases(name: str, created: str, part: str, base: str, other: str, aim: Aim) -> tuple[Flip, ...]:
    return study.find_flips(study.predictions(name), part, base, other, aim)


# --- cases that flip ---------------------------------------------------------------------------------------------------------------------


def _flips(record: Study, analysis: Analysis, part: PartResult, aim: Aim, lines: list[Line]) -> None:
    chrome.section(
        "Cases that flip", "Images that two schemes call differently, each at its own threshold. The largest changes come first."
    )
    labels = {line.arm.scheme: line.label for line in lines}
    usual = [analysis.base] if analysis.base in labels else []
    with st.container(horizontal=True, vertical_alignment="bottom"):
        first = [*usual, *(name for name in labels if name not in usual)]
        a = address.pick(st.selectbox, "Scheme A", first, key="a", format_func=labels.get)
        b = address.pick(st.selectbox, "Scheme B", [name for name in labels if name != a], key="b", format_func=labels.get)
        cases = _cases(record.name, analysis.created, part.part, a, b, aim)
        kinds = _kinds(cases)
        words = {kind: f"{text} ({len(kinds[kind])})" for kind, text in _words(analysis.positive).items()}
        kind = address.pick(st.selectbox, "Which", list(words), key="flips", format_func=words.get)
    shown = kinds[kind]
    if not shown:
        st.info("There is no such case.", icon=":material/check:")
        return
    chosen = (record.name, part.part, a, b, kind, aim)
    if st.session_state.setdefault("cases_of", chosen) != chosen:  # another list begins at its first page
        st.session_state.update(cases_of=chosen, cases=1)
    pages = -(-len(shown) // PER_PAGE)
    number = st.pagination(pages, key="cases", bind="query-params") if pages > 1 else 1
    _pictures(part, analysis.positive, labels[a], labels[b], shown[(number - 1) * PER_PAGE : number * PER_PAGE])


def _words(positive: str) -> dict[str, str]:
    return {
        "all": "All",
        "found": f"{positive}, found by B alone",
        "missed": f"{positive}, found by A alone",
        "cleared": "false alarm of A alone",
        "alarm": "false alarm of B alone",
    }


def _kinds(cases: tuple[Flip, ...]) -> dict[str, list[Flip]]:
    """The cases, sorted by what happened."""

    def those(mended: bool, label: int) -> list[Flip]:
        return [case for case in cases if case.mended == mended and case.label == label]

    there = {"found": those(True, 1), "missed": those(False, 1), "cleared": those(True, 0), "alarm": those(False, 0)}
    return {"all": list(cases), **there}


def _pictures(part: PartResult, positive: str, a: str, b: str, cases: list[Flip]) -> None:
    """The images as they are stored, never altered."""
    try:
        image_set = open_dataset(part.dataset)
    except NotFound as error:
        st.info(f"{chrome.plain(error.what)} The images cannot be shown.", icon=":material/image_not_supported:")
        return
    row_of = {name: row for row, name in enumerate(image_set.table["image_id"])}
    there = [case for case in cases if case.image_id in row_of]
    truth = ["not " * (case.label == 0) + positive for case in there]
    scores = [f"A {case.base_score:.2f}, B {case.arm_score:.2f}" for case in there]
    with st.container(key="flipped-pictures"):
        pictures.never_dim("flipped-pictures")
        st.image(
            [images.png_bytes(at_most(image_set.images[[row_of[case.image_id]]], SHOWN)[0]) for case in there],
            caption=[f"{chrome.plain(word)}  \n{score}" for word, score in zip(truth, scores, strict=True)],
            alt=[
                f"Image {case.image_id}, {word}: {a} gives {case.base_score:.2f}, {b} gives {case.arm_score:.2f}"
                for case, word in zip(there, truth, strict=True)
            ],
            width=SHOWN,
            output_format="PNG",
        )
    stored = image_set.record.size
    st.caption(
        f"A: {chrome.plain(a)}. B: {chrome.plain(b)}. The numbers are the schemes' scores. "
        + (f"Stored at {stored} px, shown at {min(stored, SHOWN)} px." if stored >= SHOWN else f"Stored at {stored} px, shown enlarged.")
    )
    with st.expander("The same as a table", icon=":material/table_rows:"):
        rows = [_row(case, word) for case, word in zip(there, truth, strict=True)]
        st.dataframe(rows, hide_index=True, key="flipped-table", alt="Images that the two schemes call differently")


def _row(case: Flip, truth: str) -> dict[str, str]:
    scores = {"Score of A": f"{case.base_score:.3f}", "Score of B": f"{case.arm_score:.3f}"}
    return {"Image": case.image_id, "Group": case.group, "Truth": truth, **scores, "Right": "B" if case.mended else "A"}
