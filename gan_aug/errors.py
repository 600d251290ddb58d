"""Errors that a user can act on.

Everything that can go wrong because of what a user gave (a file, a name, an option) is raised as a :class:`UserError`, which carries two
sentences: what happened, and what to do. The console prints them as two lines and exits 1; a page shows them in ``st.error``. Any other
exception is a bug in gan_aug and keeps its traceback.
"""

import os
from pathlib import Path


class UserError(Exception):
    """A mistake or a missing thing that the user can mend.

    Parameters
    ----------
    what : str
        What happened, one plain sentence that names the value at fault.
    todo : str
        What to do about it, one plain sentence.
    """

    def __init__(self, what: str, todo: str):
        super().__init__(what)
        self.what = what
        self.todo = todo

    def __str__(self) -> str:
        return f"{self.what}\n{self.todo}"

    def __reduce__(self):
        # Exceptions are rebuilt from ``args`` when they cross a process boundary (import workers), and ours takes two arguments.
        return type(self), (self.what, self.todo)


class UnknownKey(UserError):
    """A configuration names a key that does not exist."""


class InvalidValue(UserError):
    """A value is of the wrong type, out of range, or contradicts another."""


class NotFound(UserError):
    """A dataset, run, checkpoint, study, image or file that was named does not exist."""


class Busy(UserError):
    """Another living process is at this very work."""


class LeakError(UserError):
    """Something that was trained has seen images of the val or test part at hand."""


class CorruptFile(UserError):
    """A file does not have the bytes that were recorded when it was written."""


class Diverged(UserError):
    """A training statistic became infinite or not a number; the last good snapshot is kept."""


class ExtractorUnavailable(UserError):
    """The feature extractor that was asked for cannot be loaded; another one is never put in its place."""


def refusal(error: OSError) -> str:
    """What the system refuses, as a sentence; see :func:`place_of`."""
    return f"{place_of(error)} cannot be used: {error.strerror or error}."


def place_of(error: OSError) -> str:
    """The file or folder that an error of the system is about, as a message names it; of a temporary file of ours, its folder."""
    name = error.filename2 or error.filename
    if not isinstance(name, (str, bytes)):
        return "A file"  # who writes to a full disk is not told which
    path = Path(os.fsdecode(name))
    return str(path.parent if path.name.startswith(".") and path.suffix == ".tmp" else path)
