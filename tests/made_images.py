"""Made-up photographs and folders in the layouts that users really have, for the tests of the data modules."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from gan_aug import files
from gan_aug.data.dataset import new_dataset
from gan_aug.data.duplicates import phash
from gan_aug.records import Dataset, ImportReport


def photograph(seed: int, width: int = 80, height: int = 64) -> Image.Image:
    """A colourful picture of smooth structures; two seeds give pictures that do not resemble each other."""
    coarse = np.random.default_rng(seed).integers(40, 215, (14, 14, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def save_photographs(folder: Path, names: list[str], start: int = 0) -> None:
    """Save one photograph per file name; the ending chooses the format."""
    for number, name in enumerate(names, start):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        photograph(number).save(path)


def save_table(path: Path, rows: list[dict[str, object]]) -> None:
    """Write rows of equal keys as a CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def save_dataset(name: str, images: np.ndarray, classes: tuple[str, ...] = ("benign", "malignant"), **columns: list[str]) -> Dataset:
    """Store images (N, S, S, 3) uint8 as a dataset of the workspace; ``columns`` replace what is otherwise made up."""
    count, size = images.shape[:2]
    with new_dataset(name, size) as writer:
        for row, image in enumerate(images):
            digest = files.sha256_bytes(image.tobytes())
            values = {
                "image_id": f"image{row:04d}",
                "label": "malignant" if row % 4 == 0 else "benign",
                "diagnosis": "",
                "patient_id": "",
                "lesion_id": "",
                "source": name,
                "licence": "CC0-1.0",
                "byte_sha256": digest,
                "pixel_sha256": digest,
                "phash": phash(image),
                "file": f"image{row:04d}.png",
            }
            writer.append(image, **(values | {column: texts[row] for column, texts in columns.items()}))
        return writer.finish(name, classes, {"size": size}, ImportReport(("made up",), count, count, 0, 0, 0, 0))


def arrays(count: int, size: int = 32, start: int = 0) -> np.ndarray:
    """``count`` different photographs as (count, size, size, 3) uint8."""
    return np.stack([np.asarray(photograph(seed, size, size)) for seed in range(start, start + count)])
