"""What frames every page: style, title, standing notice, state of the worker, and the guard that keeps tracebacks off the screen."""

import contextlib
import errno
import itertools
import logging
import uuid
from collections.abc import Container, Iterator
from datetime import UTC, datetime
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from gan_aug import __version__, jobs, native_memory
from gan_aug.errors import UserError
from gan_aug.records import NOTICE
from pages.components import keys

_STYLE = Path(__file__).with_name("style.css")
_ICON = Path(__file__).with_name("icon.svg")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)  # what whoever runs the machine can mend
_ADMITTED = "admitted"  # in the session's state once the router has let its visitor in
_log = logging.getLogger("gan_aug.pages")


@contextlib.contextmanager
def guard() -> Iterator[None]:
    """Show what goes wrong in the block (or decorated function) as words: what happened, and what to do.

    A :class:`UserError` brings its own two sentences; that a disk is full, or may not be used, is told in the system's words. Anything else
    is a defect: the screen shows a short reference, and the server's log has the traceback under it. Streamlit's own rerun and stop signals
    pass.
    """
    try:
        yield
    except UserError as error:
        _tell(error.what, error.todo)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            _log.warning("%s", error)
            what = f"{error.strerror}: {error.filename}" if error.filename else f"{error.strerror}."
            _tell(what, "Make room, or make it writable.")
            return
        reference = uuid.uuid4().hex[:6]
        _log.exception("page failure %s", reference)
        st.error(
            f"**This part of the page could not be shown.**  \nReload the page. If it happens again, look for reference `{reference}` "
            "in the terminal in which the app runs.",
            icon=":material/error:",
        )


def _tell(what: str, todo: str) -> None:
    st.error(f"**{plain(what)}**  \n{plain(todo)}", icon=":material/error:")


def plain(text: str) -> str:
    """``text`` with the signs that Markdown would interpret escaped, so that names and paths show as they are."""
    return "".join(f"\\{sign}" if sign in r"\`*_{}[]()<>#+-!|$~:" else sign for sign in text)


def header(title: str, caption: str) -> None:
    """Title of a page and one line that says what it is for; the first thing that every page draws.

    Raises
    ------
    UserError
        If Streamlit runs the page past the router, which lets visitors in: just after a start it can (see ``pages/__init__.py``).
    """
    if _ADMITTED not in st.session_state:
        raise UserError("The app was just starting.", "Reload the page.")
    st.title(title, anchor=False)
    st.caption(caption)


def section(title: str, caption: str | None = None) -> None:
    """Heading of a part of a page."""
    st.subheader(title, anchor=False)
    if caption:
        st.caption(caption)


def no_dataset(words: str) -> None:
    """Say that something needs a dataset, and where to get one."""
    st.info(words, icon=":material/info:")
    st.page_link("pages/data.py", label="Import images or load the demo", icon=":material/arrow_forward:")


def free_name(stem: str, taken: Container[str]) -> str:
    """``stem-1``, or with the first number after it that is not taken."""
    return next(name for number in itertools.count(1) if (name := f"{stem}-{number}") not in taken)


def name_field(label: str, free: str, about: str, key: str, used: bool = False, max_chars: int = 100) -> str:
    """A field for a name; a free one stands in it until somebody types another.

    What was typed stays when another dataset or generator (``about``) is chosen. What was offered stays too when it is taken, until the
    caller says that it is ``used`` up: the second click of a double one must not send a name that nobody has read.
    """
    noted = f"{key}-offered"
    was_about, offered = st.session_state.get(noted, (None, None))
    now = st.session_state.get(key)
    if now is None or (now == offered and (used or about != was_about)):
        st.session_state[key] = free
        st.session_state[noted] = (about, free)
    return st.text_input(label, max_chars=max_chars, key=key).strip()


def two_columns(name: str) -> tuple[DeltaGenerator, DeltaGenerator]:
    """A wide container and one beside it, which goes below it where the window is narrow (``st.columns`` would squeeze both)."""
    row = st.container(horizontal=True, gap="large", key=f"row-{name}")
    return row.container(key=f"wide-{name}"), row.container(key=f"side-{name}")


def halves(name: str) -> tuple[DeltaGenerator, DeltaGenerator]:
    """Two containers of one width, one below the other where the window is narrow."""
    row = st.container(horizontal=True, gap="medium")
    return row.container(key=f"wide-{name}-left"), row.container(key=f"wide-{name}-right")


def configure() -> None:
    """Layout and icon; before the navigation, which would else fetch the page's icon for the browser tab from a public server."""
    native_memory.keep_little()
    st.set_page_config(page_icon=str(_ICON), layout="wide")


def furniture(title: str) -> None:
    """Name of the tab, and style; called by the router before each page."""
    st.set_page_config(page_title=f"{title} · gan_aug")
    st.html(_STYLE)


def sidebar() -> None:
    """What stands below the list of pages; called by the router before each page, if the visitor may see it."""
    st.session_state[_ADMITTED] = True
    with st.sidebar:
        _worker_light()
        keys.button()
        st.caption(NOTICE)
        st.caption(f"gan_aug {__version__}")


@st.fragment(run_every=5)
@guard()
def _worker_light() -> None:
    """Whether work is being done; the word says it, the icon's shape repeats it. Work that waits without a worker gets one."""
    try:
        jobs.reap()
        jobs.ensure_worker()
        if problem := jobs.backup_if_due():  # where people only review, no worker is ever started
            _log.warning("No backup was made: %s", problem)
        states = [job.status for job in jobs.list_jobs(50)]
    except UserError as error:
        st.badge("Jobs not available", icon=":material/error:", color="red", help=plain(str(error)))
        return
    waiting = states.count("queued")
    queue = f", {waiting} waiting" if waiting else ""
    if "running" in states:
        st.badge(f"Working{queue}", icon=":material/progress_activity:", color="blue")
    elif waiting:
        st.badge(f"{waiting} waiting", icon=":material/hourglass_empty:", color="orange")
    else:
        st.badge("No jobs running", icon=":material/check_circle:", color="gray")


def ago(moment: str | None) -> str:
    """How long ago an ISO 8601 moment was, as people say it."""
    if not moment:
        return ""
    return "just now" if age(moment) < 10 else f"{duration(age(moment))} ago"


def age(moment: str | None) -> float:
    """Seconds since an ISO 8601 moment; 0 for one that was not noted."""
    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds() if moment else 0.0


def duration(seconds: float) -> str:
    """A time span in the largest sensible unit."""
    if seconds < 90:
        return f"{max(0, seconds):.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        hours, minutes = divmod(round(seconds / 60), 60)
        return f"{hours} h {minutes:02d} min"
    return f"{seconds / 86400:.0f} days"
