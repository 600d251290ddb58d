"""Importing images from a folder of the server, and what an import reported."""

import os
from pathlib import Path

import pandas as pd
import streamlit as st

from gan_aug import jobs, workspace
from gan_aug.data import dataset
from gan_aug.data.dataset import ImageSet
from gan_aug.errors import InvalidValue, NotFound, UserError
from pages.components import chrome, visitors

SIZES = (64, 128, 256)
LABELS = {"binary": "benign or malignant", "diagnosis": "the diagnosis"}


def import_form() -> None:
    """The form; a job does the import."""
    with st.form("import", border=False):
        paths = st.text_area(
            "Folders or tables on this machine",
            height=80,
            help="One a line; several make one dataset. ISIC, HAM10000 and SIIM-ISIC downloads, a folder per class, and tables with file "
            "names are recognised by themselves.",
            placeholder="/data/ISIC_2019",
        )
        columns = st.columns(3)
        name = columns[0].text_input("Name of the dataset", placeholder="isic2019")
        size = columns[1].selectbox(
            "Stored size", SIZES, 1, format_func=lambda size: f"{size} px", help="GANs train at this size or below."
        )
        labels = columns[2].selectbox("Classes", list(LABELS), format_func=LABELS.get)
        if st.form_submit_button("Import", type="primary", icon=":material/upload_file:"):
            with chrome.guard():
                jobs.submit("import", checked(paths, name) | {"size": size, "labels": labels})
                st.rerun()


def checked(paths: str, name: str) -> dict[str, object]:
    """Paths and name of an import, as a job takes them.

    Raises
    ------
    UserError
        If a path does not exist or may not be read from here, or the name is taken or not a name.
    """
    found = [_checked_path(line.strip()) for line in paths.splitlines() if line.strip()]
    if not found:
        raise InvalidValue("There is no folder to import.", "Write the path of a folder or table on this machine.")
    workspace.check_name(name, "name of a dataset")
    if any(record.name == name for record in dataset.list_datasets()):
        raise InvalidValue(f"There already is a dataset {name!r}.", "Choose another name.")
    return {"paths": [str(path) for path in found], "name": name}


def _checked_path(text: str) -> Path:
    """A path that is there and may be imported from."""
    try:
        path = Path(text).expanduser()
        _refuse_outside(path)
        there = path.exists()
    except (OSError, RuntimeError, ValueError) as error:  # no permission or too long a name, no such user, a sign that no path has
        reason = str(getattr(error, "strerror", None) or error).rstrip(".")
        raise UserError(f"{text} cannot be read on this machine: {reason}.", "Check the spelling, and who may read it.") from None
    if not there:
        raise NotFound(f"{path} does not exist on this machine.", "Check the spelling; the path is read where the app runs.")
    return path


def _refuse_outside(path: Path) -> None:
    """Who reaches the app over a network may only import from below the folders that its owner has named."""
    named = os.environ.get("GAN_AUG_IMPORT_ROOTS")
    if not named and not visitors.remote():
        return
    roots = [Path(root).resolve() for root in (named or "").split(os.pathsep) if root]
    if not any(path.resolve().is_relative_to(root) for root in roots):
        raise UserError(
            f"{path} may not be imported from a page.",
            f"Use a folder below {' or '.join(map(str, roots))}." if roots else "The app's owner names folders in GAN_AUG_IMPORT_ROOTS.",
        )


def import_report(image_set: ImageSet) -> None:
    """What the import of a dataset found, took and left."""
    report = image_set.record.report
    facts = {
        "Recognised as": ", ".join(report.formats),
        "Rows in the tables": f"{report.n_rows:,}",
        "Images stored": f"{report.n_images:,}",
        "Rows without an image": f"{report.n_rows_without_image:,}",
        "Images without a row": f"{report.n_images_without_row:,}",
        "Without a usable label": f"{report.n_without_label:,}",
        "Files that could not be used": f"{report.n_rejected:,}",
        "Imported": chrome.ago(image_set.record.created),
        "Fingerprint": image_set.record.fingerprint[:16],
    }
    st.table(pd.Series(facts), border="horizontal", hide_header=True, width=640)
    for note in report.notes:
        st.caption(chrome.plain(note))
    _list("Files that could not be used", dataset.rejected(image_set.record.name))
    _list("Rows, images and labels that do not meet", dataset.unmatched(image_set.record.name))


def _list(title: str, table: pd.DataFrame) -> None:
    if len(table):
        st.markdown(f"**{title}**")
        st.dataframe(table, hide_index=True, height=min(38 + 35 * len(table), 320))
