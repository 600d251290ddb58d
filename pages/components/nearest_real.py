"""The training image that is nearest to each picture on the Explore page: prepared by a job, looked up once the pictures are there."""

import collections
import itertools
from collections.abc import Iterator, Sequence

import streamlit as st

from gan_aug import images, jobs, nearest, runs
from gan_aug.data.dataset import list_datasets
from gan_aug.errors import UserError
from gan_aug.nearest import Neighbour, Space
from gan_aug.records import Run
from gan_aug.study import history
from pages.components import address, chrome, generators, job_cards
from pages.components.filmstrip import Real
from pages.components.generation import Generated
from pages.components.pictures import data_uri

MOST = 384  # pictures that are compared in one view; each is looked at in 8 flips and turns

_BLOCK = 8  # pictures between two moments at which a newer wish of the user can break in
_KEPT = 1000  # real images in memory, of all answers together, the newest ones; one of 256 px takes a tenth of a megabyte
_MOST_CLASSIFIERS = 20  # offered as extractors; a study leaves hundreds


def asked() -> bool:
    """The switch, held in the address."""
    return st.toggle(
        "Nearest real images", key="near", bind="query-params",
        help="Shows under each picture the image of the generator's training data that is nearest to it, as the extractor sees them: the "
        "eyes' check for copied patients. These are photographs where the training data are.",
    )  # fmt: skip


def panel(generated: Sequence[Generated]) -> dict[str, Space]:
    """What is ready to be compared with, by run id; for other runs, words and the button that prepares them."""
    extractor = _pick_extractor()
    known = {record.name for record in list_datasets()}
    found: dict[str, Space] = {}
    missing: list[Run] = []
    for each in {each.run.id: each for each in generated}.values():
        run = each.run
        if run.dataset not in known:
            _without_dataset(each)
        elif (space := nearest.opened(run, extractor)) is None:
            missing.append(run)
        else:
            found[run.id] = space
    if missing:
        _offer(missing, extractor)
    for space in {id(space): space for space in found.values()}.values():
        _yardstick(space)
    return found


def _pick_extractor() -> str:
    offered = extractors()
    if len(offered) == 1:
        return offered[0]
    return address.pick(
        st.selectbox, "Compared by", offered, key="eyes", width=420,
        format_func=lambda name: "derm, the extractor that comes with gan_aug" if name == nearest.DERM else name,
    )  # fmt: skip


def extractors() -> list[str]:
    """``derm``, and our own classifiers that were trained on real images alone."""
    own = (
        f"classifier:{run.id}"
        for run in runs.list_runs("classifier")
        if run.id != nearest.DERM and "synthetic" not in (run.scheme or "") and "curated" not in (run.scheme or "")
        if runs.list_checkpoints(run.id)
    )
    return [nearest.DERM, *itertools.islice(own, _MOST_CLASSIFIERS)]


def _without_dataset(generated: Generated) -> None:
    """Without the training images there is nothing to show; an audit that travelled with the run may still tell."""
    run, checkpoint = generated.run, next((name.checkpoint for name in generated.names if name), None)
    name = chrome.plain(generators.short(run))
    st.info(
        f"The images that {name} was trained on (dataset {chrome.plain(run.dataset)}) are not in this workspace, so the nearest of them "
        "cannot be shown.",
        icon=":material/image_not_supported:",
    )
    audit = history.last_audit(checkpoint) if checkpoint else None
    if audit is None:
        st.caption("There is no audit of this snapshot either, which would say whether it copies its training images.")
        return
    reasons = " ".join(chrome.plain(str(reason)) for reason in audit["reasons"])
    st.markdown(
        f"Its audit of {chrome.plain(str(audit['created'])[:10])} says: **{chrome.plain(str(audit['verdict']))}**. {reasons}",
    )


def _offer(missing: list[Run], extractor: str) -> None:
    """The jobs that prepare, and the button that starts them."""
    names = {run.id for run in missing}

    def ours(job: jobs.Job) -> bool:
        return job.arguments.get("run_id") in names and job.arguments.get("extractor") == extractor

    active = any(job.kind == "nearest" and job.status in jobs.OPEN and ours(job) for job in jobs.list_jobs())
    if not active:
        which = "this generator" if len(missing) == 1 else f"{len(missing)} of these generators"
        count = max(run.n_images for run in missing)
        st.info(
            f"The training images of {which} have not been compared yet. A job looks at them once (up to {count:,} images, some "
            "hundredths of a second each); after that, every picture is compared while you look.",
            icon=":material/search:",
        )
        if st.button("Prepare the nearest real images", icon=":material/play_arrow:"):
            for run in missing:
                jobs.submit("nearest", {"run_id": run.id, "extractor": extractor})
            st.rerun()
    job_cards.panel("nearest", recent=3, only=ours)


def _yardstick(space: Space) -> None:
    record = space.record
    kind = f"{record.class_name} " if record.class_name else ""
    words = (
        f"Distances are between features by {record.extractor}, over the 8 flips and turns of a picture, to {record.n_train:,} training "
        f"images of {record.dataset}. The yardstick: of {len(record.held_out)} {kind}real images that the generator has not seen, half lie "
        f"nearer than {record.usual:.2f} to a training image. One near picture is no proof of copying; the audit counts many."
    )
    if record.missing:
        words += f" {record.missing} training images are no longer in the dataset."
    st.caption(chrome.plain(words))


# --- looking up --------------------------------------------------------------------------------------------------------------------------


@st.cache_resource
def _answers() -> collections.OrderedDict[tuple[str, str], tuple[Real, ...]]:
    """What was found, by comparison and pictures; for all sessions, the newest ones."""
    return collections.OrderedDict()


def known(space: Space, generated: Generated) -> tuple[Real, ...] | None:
    """The nearest real images of pictures, if they were looked up already."""
    return _answers().get((space.record.features_sha256, generated.digest))


def look_up(space: Space, generated: Generated) -> Iterator[float]:
    """Find them; yields how far it is, and :func:`known` has them at the end."""
    found: list[Neighbour] = []
    for start in range(0, len(generated.images), _BLOCK):
        found += space.find(generated.images[start : start + _BLOCK])
        yield min(1.0, (start + _BLOCK) / len(generated.images))
    answers = _answers()
    answers[(space.record.features_sha256, generated.digest)] = tuple(_real(space, each) for each in found)
    while len(answers) > 1 and sum(map(len, list(answers.values()))) > _KEPT:
        answers.popitem(last=False)


def _real(space: Space, found: Neighbour) -> Real:
    record = space.record
    identity = str(space.images.table["image_id"].iat[found.row]) + (" (phantom: drawn, not skin)" if space.images.record.phantom else "")
    picture = data_uri(images.png_bytes(space.picture(found)))
    return Real(picture, identity, f"{found.distance:.2f}", words(found, len(record.held_out), record.usual))


def words(found: Neighbour, held_out: int, usual: float) -> str:
    """A distance beside the yardstick."""
    if found.distance == 0:
        return "The same in every feature: as good as the training image itself."
    if found.nearer == 0:
        place = f"nearer than any of {held_out} unseen real images"
    elif found.nearer == held_out:
        place = f"farther than all of {held_out} unseen real images"
    else:
        place = f"{found.nearer} of {held_out} unseen real images lie nearer"
    return f"Distance {found.distance:.2f} (usual: {usual:.2f}); {place}."


def unavailable(error: UserError) -> None:
    """Why nothing can be compared."""
    st.info(f"{chrome.plain(error.what)} {chrome.plain(error.todo)}", icon=":material/info:")
