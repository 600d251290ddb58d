"""Projecting a real image: can G make this very lesion? The image, its projection, and the nearest random picture."""

import streamlit as st

from gan_aug import images, jobs, projections
from gan_aug.data.dataset import ImageSet, list_datasets, open_dataset
from gan_aug.data.split import list_splits, load_split
from gan_aug.errors import InvalidValue
from gan_aug.projections import Kept, Origin
from gan_aug.records import NOTICE, Checkpoint, Run
from pages.components import address, chrome, filmstrip, generators, job_cards
from pages.components.filmstrip import Film, Frame, Row
from pages.components.pictures import data_uri

SOURCES = {"dataset": "An image of a dataset", "upload": "A picture of my own"}
PARTS = {"train": "train", "val": "val"}  # test is read once per study and shown to nobody
EFFORTS = {"100": "Quick", "300": "Usual", "1000": "Thorough"}  # steps of the descent


def mode(found: dict[str, Run]) -> None:
    """The whole mode, below the notes."""
    _sweep()
    run, checkpoint, class_name = generators.pick(found)
    if "effort" not in st.query_params:
        st.session_state.setdefault("effort", "300")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        source = address.pick(st.segmented_control, "What to project", list(SOURCES), key="source", format_func=SOURCES.get)
        steps = address.pick(
            st.segmented_control, "Effort", list(EFFORTS), key="effort", format_func=lambda steps: f"{EFFORTS[steps]} ({steps} steps)"
        )
    with chrome.guard():
        origin = _of_dataset(run) if source == "dataset" else _upload(run)
        if origin is not None:
            _submit(origin, checkpoint, class_name, int(steps))
    job_cards.panel("project", recent=3, only=lambda job: _is_of(job, run))
    _results(run)


def _sweep() -> None:
    """What was uploaded for a job that was stopped before it began, or was killed, does not stay."""
    oldest_first = reversed([job for job in jobs.list_jobs() if job.kind == "project"])
    projections.sweep({str(job.arguments.get("name")): job.status in jobs.OPEN for job in oldest_first})


def _submit(origin: Origin, checkpoint: Checkpoint, class_name: str | None, steps: int) -> None:
    jobs.submit("project", {"name": origin.name, "reference": checkpoint.id, "class_name": class_name, "steps": steps})
    st.query_params["projection"] = origin.name
    st.rerun()


def _is_of(job: jobs.Job, run: Run) -> bool:
    return str(job.arguments.get("reference", "")).partition("@")[0] == run.id


# --- what to project ---------------------------------------------------------------------------------------------------------------------


def _of_dataset(run: Run) -> Origin | None:
    """A form to choose an image; the origin once it is sent."""
    names = [record.name for record in list_datasets()]
    if not names:
        st.info("There is no dataset in this workspace. Import one, or project a picture of your own.", icon=":material/info:")
        return None
    names.sort(key=lambda name: name != run.dataset)  # the generator's own first
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = address.pick(st.selectbox, "Dataset", names, key="data", what="dataset", width=220)
        image_set = open_dataset(name)
        part, rows = _part(run, image_set)
        st.session_state.setdefault("image", "1")
        text = st.text_input(
            f"Image (1 to {len(rows):,}, or its id)",
            key="image",
            bind="query-params",
            width=220,
            help="A number within the part, or an id.",
        )
    row = find_row(image_set, rows, text)
    size = run.config["resolution"]
    identity = str(image_set.table["image_id"].iat[row])
    label = str(image_set.table["label"].iat[row])
    factor = max(1, 192 // size)
    kind = _kind(name)
    st.image(
        images.png_bytes(image_set.picture(row, size)),
        caption=chrome.plain(f"{kind} {identity}, labelled {label}. {size} × {size} px, shown {factor}×"),
        alt=f"{kind} {identity} of {name}, labelled {label}",
        width=factor * size,
        output_format="PNG",
    )
    if st.button("Project this image", icon=":material/my_location:", type="primary"):
        return projections.of_dataset(run, name, identity, part)
    return None


def _kind(data: str | None) -> str:
    """What an image is: of a dataset, or None for an upload."""
    if data is None:
        return "Uploaded picture"
    phantom = any(record.phantom for record in list_datasets() if record.name == data)
    return "Phantom image (drawn, not skin)" if phantom else "Real image"


def _part(run: Run, image_set: ImageSet) -> tuple[str | None, list[int]]:
    """A part of the dataset's split, and its rows; all rows of a dataset that is not split."""
    name = image_set.record.name
    splits = list_splits(name)
    if not splits:
        return None, list(range(image_set.record.n_images))
    part = address.pick(st.selectbox, "Part", list(PARTS), key="part", format_func=PARTS.get, width=120)
    mine = run.split_id if run.dataset == name and run.split_id in [split.id for split in splits] else splits[0].id
    rows = load_split(name, mine).rows(part)
    if not rows:
        raise InvalidValue(f"The part {part} of {name} holds no image.", "Choose another part.")
    return part, rows


def find_row(image_set: ImageSet, rows: list[int], text: str) -> int:
    """The row that a number from 1 on, or an id, means within ``rows``.

    Raises
    ------
    InvalidValue
        If it means none.
    """
    ids = image_set.table["image_id"]
    by_id = [row for row in rows if ids.iat[row] == text.strip()]
    if by_id:
        return by_id[0]
    number = address.whole_number(text.strip())
    if number is not None and 1 <= number <= len(rows):
        return rows[number - 1]
    raise InvalidValue(f"There is no image {text!r} in this part.", f"Write a number from 1 to {len(rows)}, or an id of this part.")


def _upload(run: Run) -> Origin | None:
    """A file of the user's; the origin once it is sent."""
    size = run.config["resolution"]
    file = st.file_uploader(
        f"One picture, at most {projections.MAX_UPLOAD} MB", type=["jpg", "jpeg", "png", "tif", "tiff", "bmp", "webp"],
        max_upload_size=projections.MAX_UPLOAD, key="upload", width=640,
    )  # fmt: skip
    st.caption(
        f"The file itself is not kept. Its centre square is reduced to {size} × {size} px, as by an import, and without any of the file's "
        "metadata. That small square is part of the result, until you delete it."
    )
    if file is not None and st.button("Project this picture", icon=":material/my_location:", type="primary"):
        return projections.of_upload(run, file.getvalue(), file.name)
    return None


# --- what came of it ---------------------------------------------------------------------------------------------------------------------


def _results(run: Run) -> None:
    finished = {kept.origin.name: kept for kept in projections.finished(run.id)}
    if not finished:
        st.info("No image has been projected into this generator yet.", icon=":material/info:")
        return
    wanted = st.query_params.get("projection")
    coming = wanted not in finished and any(job.kind == "project" and job.arguments.get("name") == wanted for job in jobs.list_jobs())
    if coming:  # or has failed, as its card says; meanwhile the address is not wrong
        del st.query_params["projection"]
    chosen = _pick(finished)
    if coming:
        st.query_params["projection"] = wanted
    with chrome.guard():
        _result(finished[chosen])
    if st.button("Delete this projection", icon=":material/delete:"):
        projections.remove(chosen)
        st.query_params.pop("projection", None)
        st.rerun()


def _pick(finished: dict[str, Kept]) -> str:
    return address.pick(
        st.selectbox, "Projection", list(finished), key="projection", what="projection", width=640,
        format_func=lambda name: _label(finished[name]),
    )  # fmt: skip


def _label(kept: Kept) -> str:
    origin = kept.origin
    where = f"{origin.data}, {origin.part or 'not split'}" if origin.data else "uploaded"
    return f"{origin.given} ({where}), by {kept.record.checkpoint.partition('@')[2]} thousand images, {kept.record.created[:16]}"


def _result(kept: Kept) -> None:
    record, origin = kept.record, kept.origin
    # Not runs.statement, whose date would make other files of the same pictures at each run of the page.
    made = {"notice": NOTICE, "digitalSourceType": images.SYNTHETIC, "checkpoint": record.checkpoint, "class": record.class_name}
    shown = (
        (_kind(origin.data), origin.given, {"dataset": origin.data, "image_id": origin.image_id}),
        ("Its projection", "Synthetic", made | {"projection_of": origin.given, "z": list(record.z)}),
        ("The nearest of 256 random pictures", "Synthetic", made | {"nearest_to": origin.given}),
    )
    rows = []
    for (label, note, about), picture, place in zip(shown, kept.pictures(), ("image", "projection", "random"), strict=True):
        frame = Frame(data_uri(images.png_bytes(picture, about)), f"{origin.name}-{place}.png")
        rows.append(Row(label, note, len(picture), (frame,)))
    filmstrip.show(Film(origin.name, "still", tuple(rows), (origin.given,), ("",), (False,)), "projection_film", lambda: None)
    for sentence in projections.in_words(kept):
        st.markdown(chrome.plain(sentence))
    if kept.origin.seen is not None:
        st.caption(
            "The generator was trained on this image."
            if kept.origin.seen
            else "The generator was not trained on this image, as far as its training list tells."
        )
