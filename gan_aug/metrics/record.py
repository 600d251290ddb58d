"""A measured number together with the protocol it was measured by, and the file of them that lies in a run's folder. No torch.

Two numbers may stand in one ranking only if their protocols agree; :func:`differences` says in words where they do not.
"""

import dataclasses
import fcntl
import json
import os
from importlib import metadata
from pathlib import Path
from typing import Any

from gan_aug import __version__, runs
from gan_aug.errors import CorruptFile
from gan_aug.records import from_dict, to_dict

INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"  # pt_inception-2015-12-05-6726825d.pth

ON_WISH = ("frechet_infinity",)  # measured only when asked for, because they need many images
METRICS = ("kid", "frechet", "precision", "recall", "density", "coverage", *ON_WISH)
LOWER_IS_BETTER = ("kid", "frechet", "frechet_infinity")
_DECIMALS = {"kid": 4, "frechet": 2, "frechet_infinity": 2}  # the others are shares


@dataclasses.dataclass(frozen=True)
class MetricRecord:
    """One number and how it came about."""

    metric: str  # one of METRICS
    value: float
    ci: tuple[float, ...]  # (low, high) at 95 %, or empty where the metric has none
    subject: str  # RUN@kimg, or the folder of the images
    extractor: str
    weights_sha256: str  # of the extractor
    dim: int  # features per image
    n_real: int
    n_fake: int
    real_set_fingerprint: str  # sha256 over the pixels, in order
    fake_set_fingerprint: str
    resize: str  # how an image gets from image_size into the extractor
    image_size: int  # side at which both sets were compared [px]
    codec: str  # what the generated images were stored as; "none" if they never were
    dataset: str
    part: str
    class_name: str | None  # None: all classes
    seed: int
    floor_real_real: float | None  # the same metric of two real sets; None where the part is too small for it
    floor_n: int  # images in each of those two sets; 0 where there is no floor
    notes: tuple[str, ...]  # what a reader must know, in sentences
    versions: dict[str, str]
    created: str  # ISO 8601, UTC
    real_groups: int = 0  # patients or lesions that the real images are of; KID leaves pairs of one out. 0: it counted them

    @property
    def title(self) -> str:
        """The metric as it is printed. Only the Frechet distance over the canonical Inception weights is called FID."""
        if self.metric in ("frechet", "frechet_infinity"):
            name = "FID" if self.weights_sha256 == INCEPTION_SHA256 else "Frechet distance"
            return name if self.metric == "frechet" else f"{name}, n to infinity"
        return {"kid": "KID"}.get(self.metric, self.metric.capitalize())

    @property
    def value_text(self) -> str:
        """The value as it is printed, with its interval where it has one: ``0.0339 (0.0057 to 0.0785)``."""
        return self.text_of(self.value) + (f" ({self.interval_text})" if self.ci else "")

    @property
    def interval_text(self) -> str:
        """The interval as it is printed; empty where the metric has none."""
        return " to ".join(map(self.text_of, self.ci))

    @property
    def floor_text(self) -> str:
        """The floor as it is printed, with its number of images where that is another than the value's."""
        if self.floor_real_real is None:
            return "too few images"
        return self.text_of(self.floor_real_real) + ("" if self.floor_at_same_n else f" (n {self.floor_n:,})")

    def text_of(self, number: float) -> str:
        """Numbers of one metric with as many decimals, so that a column of them reads as one."""
        return f"{number:.{_DECIMALS.get(self.metric, 3)}f}"

    @property
    def rank_deficient(self) -> bool:
        """Whether there are no more images than features: a Frechet distance is then mostly bias."""
        return min(self.n_real, self.n_fake) <= self.dim

    @property
    def floor_at_same_n(self) -> bool:
        """Whether the floor was measured with as many images as the value, so that the two can be read side by side."""
        return self.floor_n == self.n_real == self.n_fake


_PROTOCOL = {
    "metric": "metric",
    "extractor": "extractor",
    "weights_sha256": "extractor weights",
    "dim": "number of features",
    "n_real": "number of real images",
    "n_fake": "number of generated images",
    "real_set_fingerprint": "set of real images",
    "resize": "resize",
    "image_size": "image size",
    "codec": "file format of the generated images",
    "dataset": "dataset",
    "part": "part of the split",
    "class_name": "class",
    "real_groups": "patients or lesions among the real images",
}


def differences(a: MetricRecord, b: MetricRecord) -> tuple[str, ...]:
    """Why the two numbers may not be ranked against each other, one phrase per reason; empty if they may."""
    return tuple(
        f"{words}: {_short(getattr(a, name))} and {_short(getattr(b, name))}"
        for name, words in _PROTOCOL.items()
        if getattr(a, name) != getattr(b, name)
    )


def comparable(a: MetricRecord, b: MetricRecord) -> bool:
    """Whether the two numbers may stand in one ranking."""
    return not differences(a, b)


def _short(value: object) -> str:
    """A digest is recognised by its first digits."""
    text = "all classes" if value is None else str(value)
    return text[:12] if len(text) == 64 else text


def versions() -> dict[str, str]:
    """Versions of what a number depends on, without importing it."""
    found = {"gan_aug": __version__}
    for package in ("numpy", "scipy", "torch", "torchvision", "onnxruntime"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def append_records(path: Path, records: list[MetricRecord]) -> None:
    """Add one JSON line per record to a file; see :func:`append_lines`."""
    append_lines(path, [to_dict(record) for record in records])


def append_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    """Add JSON lines to a file in one write, on disk when this returns, safe against other writers and the crash of an earlier one."""
    content = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        stream.truncate(stream.read().rfind(b"\n") + 1)  # a line without its end is what a crash left of a write
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def evaluations(run_id: str) -> list[MetricRecord]:
    """What was measured of a run, oldest first."""
    return read_records(evaluations_file(run_id))


def evaluations_file(run_id: str) -> Path:
    """Where the measurements of a run are kept."""
    return runs.run_folder(run_id) / "evaluations.jsonl"


def read_records(path: Path) -> list[MetricRecord]:
    """The records of a file, oldest first; none if there is no file. A last line without its end was never finished and does not count.

    Raises
    ------
    CorruptFile
        If a finished line is not a record.
    """
    if not path.exists():
        return []
    content = path.read_bytes()
    records = []
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), 1):
        try:
            records.append(from_dict(MetricRecord, json.loads(line)))
        except (ValueError, TypeError) as error:
            raise CorruptFile(f"Line {number} of {path} is not a metric record ({error}).", "Delete that line.") from None
    return records
