"""Jobs on a page: a card for each, and a panel that follows them while they run."""

from collections.abc import Callable

import streamlit as st

from gan_aug import jobs
from gan_aug.records import Job
from pages.components import chrome

RESUMABLE = ("train_gan", "classify", "study", "sweep")  # these go on where they were; other work starts over

TITLES = {
    "demo": "Draw the phantom demo",
    "import": "Import images",
    "split": "Split a dataset",
    "reindex": "Index the runs",
    "sample": "Generate images",
    "select_best": "Choose the best snapshot",
    "train_gan": "Train a GAN",
    "export": "Prepare a GAN for viewing",
    "evaluate": "Measure a GAN",
    "audit": "Audit a GAN",
    "classify": "Train a classifier",
    "study": "Run a study",
    "sweep": "Run a sweep",
    "review_batch": "Generate images for review",
    "nearest": "Prepare nearest real images",
    "project": "Project an image",
    "sleep": "Test the queue",
}

NEWS_SECONDS = 86_400.0  # for so long a job that did not end well is worth a card

_BADGES = {
    "queued": ("Waiting", ":material/hourglass_empty:", "orange"),
    "running": ("Running", ":material/progress_activity:", "blue"),
    "done": ("Done", ":material/check_circle:", "green"),
    "failed": ("Failed", ":material/error:", "red"),
    "cancelled": ("Stopped", ":material/stop_circle:", "gray"),
    "lost": ("Interrupted", ":material/link_off:", "red"),
}


def title(job: Job) -> str:
    """What a job does, and to what."""
    known = job.arguments | (job.result or {})
    subject = next((known[key] for key in ("run_id", "name", "reference", "checkpoint", "data") if known.get(key)), None)
    name = TITLES.get(job.kind, job.kind)
    return f"{name}: {subject}" if subject else name


def card(job: Job) -> None:
    """One job: what it is, how far it is, and the buttons that apply."""
    with st.container(border=True, key=f"job-{job.id}"):
        label, icon, colour = _BADGES[job.status]
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{chrome.plain(title(job))}**", width="content")
            st.badge("Stopping" if job.cancel_wish and job.status in jobs.OPEN else label, icon=icon, color=colour)
            st.caption(chrome.ago(job.finished or job.started or job.created), width="stretch")
            _buttons(job)
        if job.status in jobs.OPEN:
            st.progress(min(1.0, max(0.0, job.progress)), text=chrome.plain(job.message) or "Waiting for its turn")
        elif job.status != "done" and job.message:
            st.markdown(chrome.plain(job.message))
        if job.status in ("failed", "lost"):
            with st.expander("Last lines of its log"):
                st.code(without_traceback(jobs.log(job.id, lines=60)) or "The log is empty.", language=None, wrap_lines=True)


def is_open(kind: str) -> bool:
    """Whether such a job waits or runs, so that nobody need ask for it again."""
    return any(job.kind == kind and job.status in jobs.OPEN for job in jobs.list_jobs())


def without_traceback(log: str) -> str:
    """The lines of a job's log that are meant for people; the frames of a traceback are the indented ones."""
    return "\n".join(
        line for line in log.splitlines() if line and not line.startswith((" ", "Traceback ", "During handling ", "The above "))
    )


def _buttons(job: Job) -> None:
    if job.status in jobs.OPEN and st.button("Stop", key=f"stop-{job.id}", icon=":material/stop:", disabled=job.cancel_wish):
        jobs.cancel(job.id)
        st.rerun()
    again = "Resume" if job.kind in RESUMABLE else "Try again"
    if job.status in ("failed", "lost", "cancelled") and st.button(again, key=f"resume-{job.id}", icon=":material/play_arrow:"):
        jobs.resume(job.id)
        st.rerun()


def panel(*kinds: str, recent: int = 0, only: Callable[[Job], bool] = lambda job: True) -> None:
    """Follow the active jobs of ``kinds`` (all, if none is named); of the ``recent`` newest also those that did not end well today.

    ``only`` leaves out jobs that the page shows elsewhere. The page is run again when a job comes or goes, because what it made is then
    there to show.
    """

    def which(job: Job) -> bool:
        return (not kinds or job.kind in kinds) and only(job)

    active = [job.id for job in jobs.list_jobs() if which(job) and job.status in jobs.OPEN]
    st.fragment(_follow, run_every=2 if active else None)(which, recent, active)


@chrome.guard()
def _follow(which: Callable[[Job], bool], recent: int, known: list[str]) -> None:
    found = [job for job in jobs.list_jobs() if which(job)]
    active = [job for job in found if job.status in jobs.OPEN]
    ended = [job for job in found[:recent] if job.status not in (*jobs.OPEN, "done") and chrome.age(job.finished) < NEWS_SECONDS]
    if {job.id for job in active} != set(known):
        st.rerun()
    for job in active + ended:
        card(job)
