"""Where things are: the folders of a workspace, from three environment variables.

``GAN_AUG_HOME`` (default ``./workspace``) holds datasets, studies, the database and exports; ``GAN_AUG_CHECKPOINTS`` (default
``./checkpoints``) holds run folders; ``GAN_AUG_DATABASE_URL`` names another database. They are read at each call, so that tests and jobs
can point a process elsewhere.
"""

import os
import re
from pathlib import Path

from gan_aug.errors import InvalidValue

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def home() -> Path:
    """Folder of the workspace (created by whoever writes into it).

    Raises
    ------
    InvalidValue
        If something else than a folder is there.
    """
    return _folder("GAN_AUG_HOME", "workspace")


def checkpoints() -> Path:
    """Folder of the run folders.

    Raises
    ------
    InvalidValue
        If something else than a folder is there.
    """
    return _folder("GAN_AUG_CHECKPOINTS", "checkpoints")


def _folder(variable: str, usual: str) -> Path:
    path = Path(os.environ.get(variable) or usual).resolve()
    if path.exists() and not path.is_dir():  # a list of what is in it would be empty, as if nothing had been made yet
        raise InvalidValue(f"{path} is not a folder.", f"Point {variable} at a folder, or move away what is in its place.")
    return path


def pretrained() -> Path:
    """Folder of the runs that come with gan_aug."""
    return checkpoints() / "pretrained"


def datasets() -> Path:
    """Folder that holds one folder per dataset."""
    return home() / "datasets"


def studies() -> Path:
    """Folder that holds one folder per study."""
    return home() / "studies"


def check_name(name: str, what: str = "name") -> str:
    """Return ``name`` if it can safely be part of a path, else raise.

    Raises
    ------
    InvalidValue
        If it is not 1 to 100 letters, digits, ``.``, ``_`` or ``-`` that begin with a letter or digit and do not end in ``.tmp``.
    """
    if not _NAME.fullmatch(name) or name.endswith(".tmp"):
        raise InvalidValue(
            f"{name!r} cannot be a {what}.",
            "Use 1 to 100 letters, digits, '.', '_' or '-', beginning with a letter or a digit and not ending in '.tmp'.",
        )
    return name


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def refuse_source(path: Path, what: str) -> None:
    """Refuse to write ``what``, which shows real images, among the files of a checkout of gan_aug: from there it might be published.

    Raises
    ------
    InvalidValue
        If ``path`` lies in the checkout that this module runs from, and not in the workspace.
    """
    checkout = Path(__file__).resolve().parent.parent
    inside = (checkout / ".git").exists() and path.resolve().is_relative_to(checkout)
    if inside and not path.resolve().is_relative_to(home()):
        raise InvalidValue(
            f"{path} lies among gan_aug's own files, and {what} shows real images.", "Choose a folder elsewhere, or one in the workspace."
        )
