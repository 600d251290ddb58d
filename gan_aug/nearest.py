"""The nearest training image of any picture, and how near that is, without torch: an extractor as an ONNX graph and features on disk.

A distance alone says nothing, so each stands beside those of held-out real images, which the generator has not seen. What is looked at here
is one picture at a time; whether a generator copies is for the audit to say, which looks at many.

workspace/cache/nearest/KEY/     one for each set of training images, extractor and size; made by gan_aug.nearest_making
    features.npy    (n, d) float32, of every training image, read through a memory map
    rows.npy        (n,) int64, their rows in the dataset's table
    record.json     written last; digests of both, the extractor's graph, and the distances of held-out images
workspace/cache/extractors/      the graphs, each (N, 3, R, R) in [-1, 1] -> (N, d)
"""

import dataclasses
import functools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from gan_aug import files, onnx_session, runs, workspace
from gan_aug.data import training_list
from gan_aug.data.dataset import ImageSet, open_dataset
from gan_aug.errors import CorruptFile, InvalidValue, UserError
from gan_aug.images import to_float
from gan_aug.metrics import copying
from gan_aug.records import Run, from_dict

DERM = "derm"
FEATURES, ROWS, RECORD = "features.npy", "rows.npy", "record.json"

_BLOCK = 4096  # training images compared at a time
_MAX_THREADS = 8
_AGAIN = "Prepare the comparison again; the files are made anew then."


@dataclasses.dataclass(frozen=True)
class Record:
    """What was prepared, and the yardstick."""

    extractor: str
    weights_sha256: str
    dim: int
    resize: str
    size: int  # side at which images are compared [px]
    graph: str  # file name of the extractor's graph
    graph_sha256: str
    features_sha256: str
    rows_sha256: str
    dataset: str
    dataset_fingerprint: str
    split_id: str
    class_name: str | None
    n_train: int
    missing: int  # images that the generator was trained on and the dataset no longer holds
    held_out: tuple[float, ...]  # distance of each held-out real image to its nearest training image, ascending
    created: str

    @property
    def usual(self) -> float:
        """The median distance of held-out real images."""
        return float(np.median(self.held_out))


@dataclasses.dataclass(frozen=True)
class Neighbour:
    """The training image that is nearest to a picture."""

    row: int  # in the dataset's table
    turn: int  # of the picture, in which it is nearest (see metrics.copying.turned)
    distance: float
    nearer: int  # held-out real images that lie nearer to a training image than this picture does


class Eyes:
    """An extractor, ready to look. Threads may share it; features depend on the one image alone, not on what is looked at beside it."""

    def __init__(self, path: Path, sha256: str):
        self._session = onnx_session.open_file(path, sha256, _AGAIN)
        self.dim: int = self._session.get_outputs()[0].shape[1]

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Features (N, d), float32, of pictures (N, R, R, 3) uint8."""
        found = np.empty((len(pictures), self.dim), np.float32)

        def look(place: int) -> None:
            image = np.ascontiguousarray(to_float(pictures[place : place + 1]).transpose(0, 3, 1, 2))
            (found[place],) = self._session.run(["features"], {"images": image})[0]

        with ThreadPoolExecutor(max(1, min(len(pictures), workspace.processors(), _MAX_THREADS))) as pool:
            list(pool.map(look, range(len(pictures))))  # the list raises what a thread raised
        return found


class Space:
    """The training images of a generator as an extractor sees them.

    Attributes
    ----------
    record : Record
    """

    def __init__(self, folder: Path, record: Record):
        self.record = record
        self.features = _array(folder / FEATURES, record.features_sha256, (record.n_train, record.dim))
        self.rows = _array(folder / ROWS, record.rows_sha256, (record.n_train,))
        self._eyes = _eyes(graphs() / record.graph, record.graph_sha256)

    def find(self, pictures: np.ndarray) -> list[Neighbour]:
        """The nearest training image of each picture (N, R, R, 3) uint8, over its 8 flips and turns.

        Raises
        ------
        InvalidValue
            If the pictures are of another size.
        """
        if pictures.shape[1:] != (self.record.size, self.record.size, 3):
            raise InvalidValue(
                f"Pictures of shape {pictures.shape[1:]} cannot be compared at {self.record.size} px.", "Compare pictures of one size."
            )
        found = search(self._eyes, pictures, self.features)
        return [
            Neighbour(int(self.rows[place]), int(turn), float(distance), int(np.searchsorted(self.record.held_out, distance, "left")))
            for place, turn, distance in zip(found.rows, found.turns, found.nearest, strict=True)
        ]

    def picture(self, neighbour: Neighbour) -> np.ndarray:
        """The training image, (R, R, 3) uint8, flipped and turned so that it lies as the picture does."""
        real = np.asarray(self.images.at(self.record.size)[neighbour.row])
        return np.ascontiguousarray(copying.turned(real[None], undone(neighbour.turn))[0])

    @functools.cached_property
    def images(self) -> ImageSet:
        """The dataset that the training images are of."""
        return open_dataset(self.record.dataset)


def search(eyes: Eyes, pictures: np.ndarray, features: np.ndarray) -> copying.Nearest:
    """The nearest of ``features`` (n, d) to each picture, in any of its 8 flips and turns; n must not be 0."""
    queries = np.stack([eyes(np.ascontiguousarray(copying.turned(pictures, turn))) for turn in range(copying.TURNS)])

    def blocks() -> Iterator[tuple[int, np.ndarray]]:
        for start in range(0, len(features), _BLOCK):
            yield start, np.asarray(features[start : start + _BLOCK])

    return copying.nearest(queries, blocks, k=1)


def undone(turn: int) -> int:
    """The turn that takes back another."""
    return turn if not turn & 4 else 4 | (turn & 1) << 1 | (turn & 2) >> 1


def home() -> Path:
    """Where prepared comparisons lie."""
    return workspace.home() / "cache" / "nearest"


def graphs() -> Path:
    """Where the extractors' graphs lie."""
    return workspace.home() / "cache" / "extractors"


def folder_of(run: Run, extractor: str) -> Path:
    """Where the comparison with the training images of a run lies, or would.

    Two runs that have seen the same images share it.

    Raises
    ------
    NotFound
        If the run's dataset is not in the workspace, or there is no such extractor or training list.
    """
    known = {
        "extractor": extractor,
        "weights": weights_of(extractor),
        "seen": files.sha256_file(runs.run_folder(run.id) / training_list.FILE),
        "dataset": open_dataset(run.dataset).record.fingerprint,
        "split": run.split_id,
        "size": run.config["resolution"],
    }
    return home() / files.sha256_bytes(repr(sorted(known.items())).encode())[:16]


def weights_of(extractor: str) -> str:
    """The digest of an extractor's weights; empty for one that has no file of weights of its own here."""
    if extractor == DERM or extractor.startswith("classifier:"):
        return runs.resolve(extractor.removeprefix("classifier:"))[1].weights_sha256
    return ""


def opened(run: Run, extractor: str = DERM) -> Space | None:
    """The comparison with the training images of a run, or None if it is not prepared, or its files are damaged.

    Raises
    ------
    NotFound
        As :func:`folder_of`.
    """
    folder = folder_of(run, extractor)
    try:
        return _open(folder, (folder / RECORD).stat().st_mtime_ns)
    except (FileNotFoundError, CorruptFile):
        return None


@functools.lru_cache(2)
def _eyes(path: Path, sha256: str) -> Eyes:
    """The generators that are looked at side by side share an extractor."""
    if not path.exists():
        raise CorruptFile(f"{path} is missing.", _AGAIN)
    return Eyes(path, sha256)


@functools.lru_cache(8)
def _open(folder: Path, modified: int) -> Space:
    """The digests are checked once for each version of the record."""
    try:
        record = from_dict(Record, files.read_json(folder / RECORD))
    except (ValueError, TypeError, AttributeError, UserError) as error:
        raise CorruptFile(f"{folder / RECORD} cannot be read ({error}).", _AGAIN) from None
    return Space(folder, record)


def _array(path: Path, sha256: str, shape: tuple[int, ...]) -> np.ndarray:
    """A memory map whose bytes and shape are as recorded."""
    if not os.path.exists(path) or files.sha256_file(path) != sha256:
        raise CorruptFile(f"{path} is missing or does not have the bytes that were written.", _AGAIN)
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.shape != shape:
        raise CorruptFile(f"{path} holds {array.shape}, not {shape}.", _AGAIN)
    return array
