"""The pictures of a review batch, written below ``reviews`` in the workspace.

In a blind batch nothing but the pixels may tell a generated picture from a real one. All files have one side, come from one PNG writer
without compression (so that all have the same number of bytes, whatever they show), hold no text, bear one time, and are written in the
order of their names, which are digests that cannot be guessed. Nor may the making tell how many are generated: as many are for every batch
of that size, and those that are not shown are thrown away.
"""

import dataclasses
import functools
import hashlib
import io
import os
import random
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gan_aug import files, images, runs, sample
from gan_aug.batches.facts import measure
from gan_aug.data.dataset import open_dataset
from gan_aug.data.split import load_split
from gan_aug.errors import NotFound
from gan_aug.records import SyntheticImage
from gan_aug.store import ReviewCase

OnProgress = Callable[[int, int, str], None]  # images done, images in all, what is being done

REPEATED = 0.1  # share of a blind batch that is shown twice
SHARES = (0.35, 0.65)  # the share of generated images in a blind batch is drawn from this range, so that counting tells a reader nothing

_BLOCK = 64  # images between two reports
_MOMENT = (946_684_800, 946_684_800)  # the time that all files of a blind batch bear: 2000-01-01 [s]


def make(
    name: str,
    folder: Path,
    reference: str,
    n: int,
    mode: str = "curate",
    *,
    first_seed: int = 0,
    seeds: Sequence[int] = (),
    class_name: str | None = None,
    truncation: float = 1.0,
    data: str | None = None,
    part: str = "train",
    margin: float = 0.1,
    extractor: str | None = None,
    on_progress: OnProgress | None = None,
) -> tuple[list[ReviewCase], dict[str, Any]]:
    """Write the pictures of a batch into ``folder``.

    Parameters
    ----------
    name : str
        Of the batch.
    folder : Path
        An empty one, which will become ``reviews/<name>`` of the workspace.
    reference : str
        ``RUN``, ``RUN@best``, ``RUN@last`` or ``RUN@kimg``.
    n : int
        Pictures: all generated in the mode ``curate``, generated and real ones together in the mode ``blind``, repeats not counted.
    seeds : sequence of int
        In the mode ``curate``: generate these, instead of ``n`` from ``first_seed`` on.
    data, part : str
        Dataset, and part of its split (train or val), from which a blind batch takes its real pictures.
    margin : float
        How far from one half an accuracy may lie and still count as no better than chance; laid down now, before anybody has judged.
    extractor : str, optional
        Network through which pictures to be curated are compared with each other and with the training images.

    Returns
    -------
    cases : list of ReviewCase
        In the order in which they are stored; in the mode ``blind`` each reader has an order of their own.
    settings : dict
        What was laid down, for the batch's record.

    Raises
    ------
    UserError
        If what is named does not exist or does not fit, or there are too few real images.
    """
    run, checkpoint = runs.resolve(reference)
    generated = functools.partial(_generate, checkpoint.id, class_name=class_name, truncation=truncation, on_progress=on_progress)
    if mode == "blind":
        # A secret, so that neither names nor orders follow from what a reader may know of the batch.
        secret = secrets.token_hex(16)
        n_generated = _generated_of(n, random.Random(secret).uniform(*SHARES))
        real = _real(run, class_name, data, part, n - n_generated, secret)
        # The most that could be shown, whatever the draw was: steps, log and time would tell a smaller number to whoever watches the job.
        pixels, names = generated(list(range(first_seed, first_seed + _generated_of(n, SHARES[1]))))
        shown = list(zip(pixels, names, strict=True))[:n_generated]
        cases = _write_blind(name, folder, secret, shown, real)
        settings = {"seed": secrets.randbits(62), "margin": margin, "data": data, "part": part, "checkpoint": checkpoint.id}
        settings["phantom"] = open_dataset(data).record.phantom
        return cases, settings
    pixels, names = generated(list(seeds) or list(range(first_seed, first_seed + n)))
    cases = []
    for picture, origin in zip(pixels, names, strict=True):
        content = images.png_bytes(picture, sample.provenance(run, checkpoint, origin.seed, origin.class_name, origin.truncation))
        cases.append(_write(name, folder, _opaque(name, origin), content, synthetic=origin))
    facts, settings = measure(run, checkpoint, pixels, [case.image for case in cases], extractor, on_progress)
    return [dataclasses.replace(case, facts=fact) for case, fact in zip(cases, facts, strict=True)], settings


def _generate(
    checkpoint: str, seeds: list[int], *, class_name: str | None, truncation: float, on_progress: OnProgress | None
) -> tuple[np.ndarray, list[SyntheticImage]]:
    """Pictures (n, R, R, 3) uint8, and their names."""
    pixels, names = [], []
    for start in range(0, len(seeds), _BLOCK):
        if on_progress:
            on_progress(start, len(seeds), f"Generating with {checkpoint}.")
        generated, named = sample.sample(checkpoint, seeds[start : start + _BLOCK], class_name, truncation)
        pixels.append(generated)
        names += named
    return np.concatenate(pixels), names


def _generated_of(n: int, share: float) -> int:
    """How many of n pictures are generated: at least one, and not all."""
    return min(max(1, round(n * share)), n - 1)


def _real(run: Any, class_name: str | None, data: str, part: str, n: int, secret: str) -> list[tuple[np.ndarray, dict[str, str]]]:
    """Real pictures at the generator's size, with their origin, of the class that is generated.

    By default they come from the train part, which the generator has seen anyway: showing them costs no study its held-out images.
    """
    image_set = open_dataset(data)
    class_name = class_name or run.class_name
    split = load_split(data, run.split_id if data == run.dataset else None)
    table = image_set.table
    rows = [row for row in split.rows(part) if class_name in (None, table["label"][row])]
    if len(rows) < n:
        raise NotFound(
            f"{data} has {len(rows)} {'training' if part == 'train' else part} images of class {class_name or 'any'}, and {n} are needed.",
            f"Ask for at most {int(len(rows) / (1 - SHARES[0]))} images in all.",
        )
    pictures = image_set.at(run.config["resolution"])
    chosen = random.Random(f"{secret} real").sample(rows, n)
    return [(np.asarray(pictures[row]), {"dataset": data, "image_id": str(table["image_id"][row])}) for row in chosen]


def _write_blind(
    batch: str,
    folder: Path,
    secret: str,
    generated: list[tuple[np.ndarray, SyntheticImage]],
    real: list[tuple[np.ndarray, dict[str, str]]],
) -> list[ReviewCase]:
    """The files of a blind batch, some of them twice, and its cases in the order of their names."""
    planned = {_opaque(secret, origin): (pixels, {"synthetic": origin}) for pixels, origin in generated}
    planned |= {_opaque(secret, origin): (pixels, {"real": origin}) for pixels, origin in real}
    for image in random.Random(f"{secret} again").sample(sorted(planned), round(len(planned) * REPEATED)):
        pixels, origin = planned[image]
        planned[_opaque(secret, f"again {image}")] = (pixels, {**origin, "repeat_of": image})
    cases = []
    for image in sorted(planned):
        pixels, origin = planned[image]
        case = _write(batch, folder, image, _plain_png(pixels), **origin)
        os.utime(folder / f"{image}.png", _MOMENT)
        cases.append(case)
    return cases


def _plain_png(pixels: np.ndarray) -> bytes:
    """A PNG file whose number of bytes depends on the picture's size alone: how well a picture packs tells how smooth it is."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=0)
    return stream.getvalue()


def _opaque(key: str, what: Any) -> str:
    """A name that says nothing of what it names."""
    return hashlib.sha256(f"{key} {what}".encode()).hexdigest()[:16]


def _write(batch: str, folder: Path, image: str, content: bytes, **origin: Any) -> ReviewCase:
    (folder / f"{image}.png").write_bytes(content)
    return ReviewCase(image, f"reviews/{batch}/{image}.png", files.sha256_bytes(content), **origin)
