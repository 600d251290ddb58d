"""Sweeps: one question asked of several splits; how far each is, and what they say together."""

import streamlit as st

from gan_aug import jobs, report, runs, study
from gan_aug.errors import CorruptFile, NotFound
from gan_aug.study import Estimate, Sweep, SweepResult, SweepRow, p_text
from pages.components import address, chrome, job_cards, left_out, spread, study_tables
from pages.components.figure_parts import saved_as
from pages.components.spread import Series

KINDS = {"fraction": "fewer training images", "fold": "folds", "source": "sources held out"}


def show() -> None:
    """Choose a sweep, and show it."""
    job_cards.panel("sweep", recent=1)
    found, damaged = study.scan_sweeps()
    left_out.warn(damaged.values())
    sweeps = {sweep.name: sweep for sweep in found}
    if not sweeps:
        st.info(
            "No sweep has been planned yet. A sweep asks one question of several splits: fewer and fewer training images, folds, or every "
            "source held out in turn; generators are trained anew in each.",
            icon=":material/info:",
        )
        st.button("Plan a sweep", icon=":material/add:", type="primary", on_click=_open_form)
        return
    sweep = sweeps[address.pick(st.selectbox, "Sweep", list(sweeps), key="sweep", what="sweep")]
    st.markdown(f"**{chrome.plain(sweep.dataset)}, {KINDS[sweep.kind]}: {len(sweep.points)} splits, {_seeds(sweep)} each**")
    if study.is_phantom(sweep):
        st.badge("Phantom images, drawn by rule: nothing here says anything about skin", icon=":material/draw:", color="orange")
    try:
        result = study.load_sweep_result(sweep)
    except NotFound:
        st.fragment(_progress, run_every=5)(sweep)
        return
    _results(sweep, result)


def _seeds(sweep: Sweep) -> str:
    return f"{len(sweep.seeds)} seed{'s' if len(sweep.seeds) > 1 else ''}"


def _open_form() -> None:
    st.session_state["view"] = "plan"


@chrome.guard()
def _progress(sweep: Sweep) -> None:
    """A sweep that is not done yet; its panel of jobs has the page run again when it is."""
    rows = [_point_row(sweep, number) for number in range(len(sweep.points))]
    done = sum(row["State"] == "done" for row in rows)
    st.progress(done / len(rows), text=f"{done} of {len(rows)} splits done.")
    st.dataframe(rows, hide_index=True, key="points", alt="How far every split is")
    active = [job.arguments["name"] for job in jobs.list_jobs() if job.kind == "sweep" and job.status in jobs.OPEN]
    if sweep.name not in active and st.button("Go on with this sweep", icon=":material/play_arrow:", type="primary"):
        jobs.submit("sweep", {"name": sweep.name})
        st.rerun()


def _point_row(sweep: Sweep, number: int) -> dict[str, str]:
    point = sweep.points[number]
    made = study.trained_for(sweep, point)
    states = [_state(run_id) for run_id in made.values()]
    try:
        cells = study.cells(point.study)
    except NotFound:
        cells = []
    finished = sum(cell.state == "done" for cell in cells)
    gone = states.count("gone")
    state = "done" if cells and finished == len(cells) else "begun" if made or cells else "new"
    return {
        "Split": point.label,
        "Training images": f"{point.n_train:,}",
        "Generators": f"{states.count('finished')} of {len(sweep.recipes)} trained" + (f", {gone} deleted" if gone else ""),
        "Classifiers": f"{finished} of {len(sweep.schemes) * len(sweep.seeds)} done",
        "State": state,
    }


def _state(run_id: str) -> str:
    """Where the training of a generator is, or why nobody knows."""
    try:
        return runs.status(run_id).state
    except NotFound:
        return "gone"
    except CorruptFile:
        return "damaged"


# --- a sweep that is done ----------------------------------------------------------------------------------------------------------------


def _results(sweep: Sweep, result: SweepResult) -> None:
    st.info(f"**{chrome.plain(result.verdict)}**", icon=":material/gavel:")
    if len(sweep.seeds) < 3:
        words = "per scheme and split: the luck of a start cannot be told from an effect. Use 3 or more, better 5."
        st.warning(f"Only {_seeds(sweep)} {words}", icon=":material/casino:")
    labels = study_tables.sweep_labels(sweep.schemes)
    left, right = chrome.halves("sweep")
    with left:
        chrome.section("AUC", "Of every scheme on the test part of every split, with its 95 % interval.")
        alt = "AUC of every scheme at every split; the numbers are in the table below"
        st.plotly_chart(_aucs(sweep, labels), key="sweep-aucs", alt=alt, config=saved_as(f"{sweep.name}-auc"))
    with right:
        chrome.section(f"Difference to {labels[sweep.base]}", "A hollow marker: the base did not learn there, and no verdict is given.")
        alt = "Differences in AUC at every split; the numbers are in the table below"
        st.plotly_chart(_differences(sweep, result, labels), key="sweep-differences", alt=alt, config=saved_as(f"{sweep.name}-differences"))
    chrome.section("Numbers")
    st.dataframe([_row(found, labels) for found in result.rows], hide_index=True, key="sweep-numbers", alt="Every scheme at every split")
    st.caption("p is corrected for all rows of the sweep (Holm). “No evidence” is not evidence of no effect.")
    for test in result.folds:
        interval = f"{test.difference:+.3f} ({test.low:+.3f} to {test.high:+.3f})"
        words = f"{labels[test.scheme]}, over the folds: {interval}, {p_text(test.p_holm)} after Holm; {test.method}."
        st.markdown(f"- {chrome.plain(words)}")
    with st.container(horizontal=True):
        for point in sweep.points:
            st.page_link(
                "pages/compare.py",
                label=chrome.plain(f"Study: {point.label}"),
                icon=":material/arrow_forward:",
                query_params={"view": "results", "study": point.study},
            )
    st.download_button(
        "Report (HTML)", lambda: _report(sweep), f"{sweep.name}.html", "text/html", icon=":material/description:", on_click="ignore"
    )


def _places(sweep: Sweep) -> tuple[list[int], list[str]]:
    """Where each split stands along the axis, and what stands below it."""
    words = [point.label.replace(" of the training images", "").replace("all training images", "all") for point in sweep.points]
    return list(range(len(words))), [f"{word}<br>{point.n_train:,} images" for word, point in zip(words, sweep.points, strict=True)]


def _aucs(sweep: Sweep, labels: dict[str, str]) -> object:
    parts = [study.load_analysis(point.study).part("test") for point in sweep.points]
    places, ticks = _places(sweep)
    series = [
        Series(
            labels[scheme],
            places,
            [part.arm(study.scheme_at(sweep, point, scheme)).auc for point, part in zip(sweep.points, parts, strict=True)],
            number,
        )
        for number, scheme in enumerate(sweep.schemes)
    ]
    figure = spread.progress(series, "", "AUC", _note(sweep), joined=sweep.kind == "fraction")
    return figure.update_xaxes(tickvals=places, ticktext=ticks)


def _differences(sweep: Sweep, result: SweepResult, labels: dict[str, str]) -> object:
    places, ticks = _places(sweep)
    series = []
    for number, scheme in enumerate(sweep.schemes):
        mine = [row for row in result.rows if row.scheme == scheme]
        if mine:
            found = [Estimate(row.difference, row.low, row.high, "") for row in mine]
            series.append(Series(labels[scheme], places, found, number, [not row.learned for row in mine]))
    figure = spread.progress(series, "", "Difference in AUC", _note(sweep), zero=True, joined=sweep.kind == "fraction")
    figure.update_yaxes(tickformat="+.3~f")
    return figure.update_xaxes(tickvals=places, ticktext=ticks)


def _note(sweep: Sweep) -> str:
    sizes = sorted({point.n_test for point in sweep.points})
    images = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    return f"{images} test images of {sweep.dataset} a split; not a clinical performance claim."


def _row(row: SweepRow, labels: dict[str, str]) -> dict[str, str]:
    return {
        "Split": row.point,
        "Training images": f"{row.n_train:,}",
        "Scheme": labels[row.scheme],
        "AUC of the base": f"{row.base_auc:.3f}",
        "AUC": f"{row.auc:.3f}",
        "Difference (95 % interval)": f"{row.difference:+.3f} ({row.low:+.3f} to {row.high:+.3f})",
        "p (Holm)": p_text(row.p_holm).removeprefix("p = ").removeprefix("p "),
        "Says": study_tables.OUTCOMES.get(row.outcome, row.outcome),
    }


def _report(sweep: Sweep) -> bytes:
    return report.write_sweep_html(sweep.name, study.result_file(sweep).with_name("report.html")).read_bytes()
