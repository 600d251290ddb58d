"""A run as it trains, or as it ended: state, charts, sample grid, log, and the buttons that apply to it."""

import streamlit as st

from gan_aug import catalog, jobs, lengthening, runs, store
from gan_aug.records import GanConfig, Run, from_dict
from pages.components import address, chrome, run_charts, run_settings, shipped
from pages.components.seen_runs import SeenRun


def live_run(seen: SeenRun, beside: list[SeenRun]) -> None:
    """Show a run, in its charts also those ``beside`` it; called again and again from a fragment while it trains."""
    run, status = seen.run, seen.status
    _heading(seen)
    if status.state in ("failed", "lost"):
        st.error(chrome.plain(status.message), icon=":material/error:")
    for flag in status.flags:
        st.warning(chrome.plain(flag), icon=":material/monitor_heart:")
    _progress(status)
    shown = [run, *(other.run for other in beside)]
    charts, grid = chrome.two_columns("run")
    with charts, chrome.guard():
        run_charts.run_charts(shown)
    with grid:
        _grid(run)
    _details(shown)


def _heading(seen: SeenRun) -> None:
    run = seen.run
    label, icon, colour = seen.badge
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(chrome.plain(run.id), anchor=False, width="content")
        st.badge(label, icon=icon, color=colour)
        with st.container(horizontal=True, horizontal_alignment="right", width="stretch"):
            _buttons(seen)
    what = "all classes" if run.class_name is None else run.class_name
    how = f"{catalog.entry(run.spec).title}, {run_settings.recipe(run)}, seed {run.seed}"
    st.caption(chrome.plain(f"{how}, trained on {run.n_images:,} images of {run.dataset} ({what}), on {run.device}."))


def _buttons(seen: SeenRun) -> None:
    if seen.job is not None:
        text = "Saves a snapshot first, so that it can be resumed."
        if st.button("Stop", key=f"stop-run-{seen.run.id}", icon=":material/stop:", disabled=seen.job.cancel_wish, help=text):
            jobs.cancel(seen.job.id)
            st.rerun()
    elif seen.status.state == "running":
        st.caption("Started from a console: stop it there with Ctrl-C.", width="content")
    elif seen.status.state != "finished" and st.button("Resume", icon=":material/play_arrow:", type="primary"):
        _resume(seen)
        st.rerun()
    if seen.status.state == "finished" and not seen.moving and not shipped.is_shipped(seen.run):
        _longer(seen.run)
    if st.button("Clone", icon=":material/content_copy:", help="Start a new run from the same settings."):
        st.session_state["clone"] = seen.run.id
        st.query_params["view"] = "new"
        st.rerun()


def _longer(run: Run) -> None:
    """Ask for a greater length, and queue a new run that goes on to it from where this one ended."""
    config = from_dict(GanConfig, run.config)
    with st.popover("Train longer", icon=":material/more_time:"), st.form(f"longer-{run.id}", border=False):
        length = st.number_input(
            "Length in all [thousand images]", config.total_kimg + config.tick_kimg, 1e6, 2 * config.total_kimg, step=10.0, format="%g"
        )
        st.caption("A new run takes over what this one has learnt and goes on from there. This one stays as it is.")
        if st.form_submit_button("Go on", type="primary"):
            with st.spinner("Copying what it has learnt ..."):
                longer = lengthening.lengthen(run.id, length)
            job = jobs.submit("train_gan", {"run_id": longer.id})
            st.session_state["launched"] = job.id
            st.rerun()


def _resume(seen: SeenRun) -> None:
    """Queue the job again that trained the run last; a run of a console gets a job."""
    if seen.jobs and seen.jobs[0].status in ("lost", "cancelled", "failed"):
        jobs.resume(seen.jobs[0].id)
    else:
        jobs.submit("train_gan", {"run_id": seen.run.id})


def _progress(status: runs.RunStatus) -> None:
    text = [f"**{status.kimg:,.1f} of {round(status.total_kimg, 1):,g} thousand images**", f"{status.step:,} generator steps"]
    if status.images_per_second:
        text.append(f"{status.images_per_second:,.0f} images per second")
        if status.state == "running":
            text.append(f"{chrome.duration((status.total_kimg - status.kimg) * 1000 / status.images_per_second)} left")
    if status.state != "running" and status.updated:
        text.append(f"last change {chrome.ago(status.updated)}")
    st.progress(min(1.0, status.kimg / status.total_kimg) if status.total_kimg else 0.0, text="  ·  ".join(text))


def _grid(run: Run) -> None:
    """The pictures of 64 fixed seeds at a step of the training; it follows the newest until the slider is moved back."""
    files = dict(runs.grids(run.id))
    if not files:
        if shipped.is_shipped(run):
            st.markdown("**What it generates**")
            shipped.generated(runs.run_folder(run.id))
            _elsewhere(run)
        else:
            st.info("The first picture appears with the first snapshot.", icon=":material/image:")
        return
    step_images = from_dict(GanConfig, run.config).step_images
    kimg = {step: step * step_images / 1000 for step in files}
    key, newest = f"grid-step-{run.id}", max(files)
    wanted = address.whole_number(st.query_params.get("step", ""))
    step = wanted if wanted in files else newest
    st.markdown("**The same 64 seeds, as training goes on**")
    words = f"64 generated images after {kimg[step]:.1f} thousand images"
    st.image(str(files[step]), width="stretch", alt=words, output_format="PNG")
    if len(files) > 1:
        st.session_state[key] = step
        st.select_slider(
            "Training step", list(files), key=key, format_func=lambda step: f"{kimg[step]:.1f} thousand images",
            label_visibility="collapsed", on_change=_turn_to, args=(key, newest),
        )  # fmt: skip
    size = run.config["resolution"]
    st.caption(f"After {kimg[step]:,.1f} thousand images. Each picture is {size} x {size} px; what is shown larger has no more detail.")
    _elsewhere(run)


def _elsewhere(run: Run) -> None:
    """Which snapshot is in use, and where to go with what it generates."""
    if best := runs.best(run.id):
        kimg = best["step"] * from_dict(GanConfig, run.config).step_images / 1000
        st.caption(chrome.plain(f"In use: the best snapshot, after {kimg:,.1f} thousand images. {best['reason']}"))
    elif len(runs.grids(run.id)) > 1:
        st.caption("In use: the newest snapshot. Another may be better; the best can be chosen where it is measured.")
    with st.container(horizontal=True):
        st.page_link("pages/explore.py", label="Explore it", icon=":material/explore:", query_params={"run": run.id})
        measured = {"view": "generators", "runs": run.id}
        st.page_link("pages/compare.py", label="Measure it", icon=":material/straighten:", query_params=measured)


def _turn_to(key: str, newest: int) -> None:
    """The newest step is not held in the address: then newer ones are followed."""
    step = st.session_state[key]
    address.hold(step=[] if step == newest else str(step))


def _details(shown: list[Run]) -> None:
    run = shown[0]
    _notes(run)
    with st.expander("Log", icon=":material/notes:"):
        st.code(runs.log_tail(run.id, lines=30) or "The log is empty.", language=None, wrap_lines=True)
    with st.expander("Settings", icon=":material/tune:"):
        run_settings.settings(shown)


def _notes(run: Run) -> None:
    """What people have remarked on a run, and room for more."""
    notes = store.notes(run.id)
    for note in notes:
        st.markdown(f":material/sticky_note_2: {chrome.plain(note.text)}  \n:small[{chrome.ago(note.created)}]")
    key = f"note-{run.id}-{len(notes)}"  # a new field once a note is kept
    with st.popover("Add a note", icon=":material/edit_note:"), chrome.guard(), st.form(f"form-{key}", border=False):
        text = st.text_area("Note", placeholder="What was tried here, what is to be seen ...", max_chars=2000, key=key)
        if st.form_submit_button("Keep it", type="primary") and text.strip():
            store.add_note(run.id, text)
            st.rerun()
