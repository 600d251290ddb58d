"""Stars: pictures of whole seeds that somebody wants to judge later, kept in the address until they become a review batch.

A review batch generates its pictures from seeds, so a picture between two seeds cannot be starred. The address holds the stars because they
are a choice and no decision yet; what is decided about the pictures goes to the database, by way of the batch.
"""

import urllib.parse
from collections.abc import Iterable

import streamlit as st

from gan_aug import jobs, runs
from gan_aug.errors import InvalidValue, UserError
from gan_aug.records import Job, SyntheticImage
from gan_aug.workspace import check_name
from pages.components import chrome, generators
from pages.components.review_batch import taken_names

KEY = "stars"  # in the address, once for each generator, class and variety
MOST = 500  # stars in all; an address cannot grow for ever

_JOB = "stars_job"  # the job that generates the batch which was asked for last

Group = tuple[str, str | None, float]  # snapshot, class, truncation: what one review batch can hold


def starred() -> list[SyntheticImage]:
    """The starred pictures, in the order in which they were starred; what the address says amiss is left out."""
    found: list[SyntheticImage] = []
    for text in st.query_params.get_all(KEY):
        found += [image for image in _read(text) if image not in found]
    return found[:MOST]


def _read(text: str) -> list[SyntheticImage]:
    pieces = text.split("!")
    try:
        checkpoint, class_name, truncation, seeds = pieces
        numbers = [int(seed) for seed in seeds.split(".")]
        factor = float(truncation)
    except ValueError:
        return []
    if not all(0 <= number < 2**63 for number in numbers) or not 0 <= factor <= 2:
        return []
    return [SyntheticImage(checkpoint, number, urllib.parse.unquote(class_name) or None, factor) for number in numbers]


def keep(images: Iterable[SyntheticImage]) -> None:
    """Put the starred pictures into the address."""
    groups: dict[Group, list[int]] = {}
    for image in list(images)[:MOST]:
        groups.setdefault(_group(image), []).append(image.seed)
    st.query_params[KEY] = [
        f"{checkpoint}!{urllib.parse.quote(class_name or '', safe='')}!{truncation:g}!{'.'.join(map(str, seeds))}"
        for (checkpoint, class_name, truncation), seeds in groups.items()
    ]


def _group(image: SyntheticImage) -> Group:
    return image.checkpoint, image.class_name, image.truncation


def change(shown: list[tuple[SyntheticImage, ...]], columns: Iterable[int]) -> None:
    """Of the pictures that are shown, one tuple per column, those of ``columns`` are starred now and the others are not."""
    wanted = [image for column in columns if 0 <= column < len(shown) for image in shown[column]]
    on_view = {image for images in shown for image in images}
    keep([image for image in starred() if image not in on_view or image in wanted] + [image for image in wanted if image not in starred()])


def panel() -> None:
    """The starred pictures by generator, each group with a button that makes a review batch of it."""
    groups: dict[Group, list[int]] = {}
    for image in starred():
        groups.setdefault(_group(image), []).append(image.seed)
    if job_id := st.session_state.get(_JOB):
        with chrome.guard():
            _submitted(jobs.get(job_id))
    for place, (group, seeds) in enumerate(groups.items()):
        with st.container(horizontal=True, vertical_alignment="center", key=f"stars-{place}"), chrome.guard():
            _line(group, seeds)


def _submitted(job: Job) -> None:
    """What has become of the batch that was asked for last."""
    batch = job.arguments["name"]
    name = chrome.plain(batch)
    if job.status in ("failed", "cancelled", "lost"):
        st.error(f"The batch {name} was not generated. {chrome.plain(job.message)}", icon=":material/error:")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        state = "is ready" if job.status == "done" else "is being generated"
        st.markdown(f":material/brush: The batch {name} {state}.", width="content")
        st.page_link("pages/review.py", label="Go to Review", icon=":material/arrow_forward:", query_params={"batch": batch})


def _line(group: Group, seeds: list[int]) -> None:
    checkpoint, class_name, truncation = group
    variety = "" if truncation == 1 else f", variety {truncation:g}"
    count = "1 starred picture" if len(seeds) == 1 else f"{len(seeds)} starred pictures"
    listed = ", ".join(map(str, seeds[:12])) + (" ..." if len(seeds) > 12 else "")
    words = f"★ {count} of {checkpoint} ({class_name or 'all classes'}{variety}): seed{'s' * (len(seeds) > 1)} {listed}"
    st.markdown(chrome.plain(words), width="stretch")
    place = f"{checkpoint}-{class_name}-{truncation:g}"
    with st.popover("Make a review batch", icon=":material/rate_review:"), chrome.guard(), st.form(f"batch-{place}", border=False):
        name = st.text_input("Name of the batch", value=_free_name(checkpoint), max_chars=100).strip()
        if st.form_submit_button("Generate the batch", icon=":material/brush:", type="primary"):
            _submit(name, group, seeds)
    st.button("Remove", key=f"remove-{place}", icon=":material/star_border:", on_click=_remove, args=(group,))


def _remove(group: Group) -> None:
    keep(image for image in starred() if _group(image) != group)


def _submit(name: str, group: Group, seeds: list[int]) -> None:
    checkpoint, class_name, truncation = group
    if check_name(name, "batch name") in taken_names():
        raise InvalidValue(f"There already is a batch {name}, or one is being generated.", "Choose another name.")
    runs.resolve(checkpoint)  # an address may name what is not there
    arguments = {"name": name, "reference": checkpoint, "seeds": seeds, "class_name": class_name, "truncation": truncation}
    job = jobs.submit("review_batch", arguments)
    _remove(group)
    st.session_state[_JOB] = job.id
    st.rerun()


def _free_name(checkpoint: str) -> str:
    run_id = checkpoint.partition("@")[0]
    try:
        stem = f"starred-{generators.stem(runs.load_run(run_id))}"
    except UserError:
        stem = "starred"
    return chrome.free_name(stem, taken_names())
