"""Projection of a real image into latent space: the z whose picture comes nearest to it, and how near that is.

Gradient descent on z through the generator, from several starts at once. A generator that does not know an image cannot produce it. The
distance that is reached stands beside those of random pictures; one far below them means that the generator holds that very image or one
much like it, and of a training image that is a reason to run the audit.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, mse_loss

from gan_aug import device, files, images, latent, randomness, runs, sampled_folder, workspace
from gan_aug.export import load_generator
from gan_aug.metrics.extractors import OnProgress, open_extractor
from gan_aug.projections import PICTURE, RANDOM, RECORD, Projection, check_search
from gan_aug.sample import class_numbers

LENGTH_WEIGHT = 1e-3  # keeps |z| near that of samples, beyond which a generator has not been trained

_BATCH = 32
_REPORT_EVERY = 10  # steps


def project(
    reference: str,
    image: Path,
    *,
    out: Path | None = None,
    class_name: str | None = None,
    extractor: str = "random-conv",
    starts: int = 4,
    steps: int = 300,
    seed: int = 0,
    device_name: str = "auto",
    on_progress: OnProgress | None = None,
) -> Projection:
    """Find the z whose picture comes nearest to an image.

    The loss is the mean squared difference of pixels, averaged over the image at full, half, quarter and eighth size (the small ones lead
    from afar), plus that of the extractor's features, relative to the image's own.

    Parameters
    ----------
    reference : str
        ``RUN``, ``RUN@best``, ``RUN@last`` or ``RUN@kimg``.
    image : Path
        A photograph, prepared as by the import: centre square, one antialiased resize.
    out : Path, optional
        Folder for ``projection.png`` (the image, its projection, the nearest random picture) and ``projection.json``.
    class_name : str, optional
        Needed for a conditional GAN.
    extractor : str
        See :func:`gan_aug.metrics.extractors.open_extractor`. Random convolutions are enough to compare textures.
    starts : int
        How many of 256 random z, the nearest ones, are descended from.
    steps : int
        Of Adam, from each start.
    seed : int
        Decides the random z; one seed, one result on one kind of machine.

    Raises
    ------
    UserError
        If there is no such snapshot, image or class, or ``out`` lies among gan_aug's own files, holds sampled pictures or cannot
        be written.
    """
    check_search(starts, steps, seed)
    if out is not None:
        workspace.refuse_source(out, "the projection")
        sampled_folder.refuse(out, "the projection, which shows the image itself,")
    run, checkpoint = runs.resolve(reference)
    where = device.pick(device_name)
    G, config, _ = load_generator(checkpoint)
    G.to(where)
    classes = class_numbers(run, class_name, 1)
    generate = _Generator(G, None if classes is None else int(classes[0]), where)
    picture = images.read_picture(image, config.resolution)
    eyes = open_extractor(extractor)
    loss = _Loss(eyes.network.to(where).eval().requires_grad_(False), _tensor(picture.pixels[None], where))

    random = _random_pictures(generate, config.z_dim, seed, picture.pixels)
    nearest = np.argsort(random.distances, kind="stable")[:starts]
    z = _descend(generate, loss, random.z[nearest], steps, on_progress)
    found = generate.uint8(z)
    distances = _distances(found, picture.pixels)
    best = int(distances.argmin())
    with torch.no_grad():
        feature_distance = float(loss.features(_tensor(found[best : best + 1], where)))
    result = Projection(
        checkpoint=checkpoint.id,
        class_name=class_name or run.class_name,
        image=image.name,
        image_sha256=picture.byte_sha256,
        z=tuple(float(value) for value in z[best]),
        distance=float(distances[best]),
        feature_distance=feature_distance,
        start_distances=tuple(sorted(float(value) for value in distances)),
        random_least=float(random.distances.min()),
        random_median=float(np.median(random.distances)),
        closer_than_random=float(random.distances.min() / max(distances[best], 1e-3)),
        length=float(np.linalg.norm(z[best]) / np.sqrt(config.z_dim)),
        extractor=eyes.name,
        steps=steps,
        seed=seed,
        created=runs.now(),
    )
    if out is not None:
        _write(out, result, np.stack([picture.pixels, found[best], random.pictures[nearest[0]]]))
    return result


@dataclasses.dataclass(frozen=True)
class _Random:
    """Pictures of random z, with their distances from the image."""

    z: np.ndarray  # (RANDOM, z_dim)
    pictures: np.ndarray  # (RANDOM, R, R, 3) uint8
    distances: np.ndarray  # (RANDOM,)


def _random_pictures(generate: "_Generator", z_dim: int, seed: int, image: np.ndarray) -> _Random:
    """Pictures of random z: the starts, and the measure of a result."""
    z = latent.z_of_seeds([randomness.key(seed, "project", number) for number in range(RANDOM)], z_dim)
    pictures = np.concatenate([generate.uint8(z[start : start + _BATCH]) for start in range(0, RANDOM, _BATCH)])
    return _Random(z, pictures, _distances(pictures, image))


class _Generator:
    """A generator with its class."""

    def __init__(self, G: nn.Module, class_number: int | None, where: torch.device):
        self.G, self.class_number, self.where = G, class_number, where

    def __call__(self, z: Tensor) -> Tensor:
        """Pictures (N, 3, R, R) in [-1, 1], differentiable in z (N, z_dim)."""
        if self.class_number is None:
            return self.G(z)
        return self.G(z, torch.full((len(z),), self.class_number, device=self.where))

    @torch.no_grad()
    def uint8(self, z: np.ndarray) -> np.ndarray:
        """Pictures (N, R, R, 3)."""
        return images.to_uint8(self(torch.from_numpy(z).to(self.where)).permute(0, 2, 3, 1).cpu().numpy())


class _Loss:
    """Distance of pictures from one image, per picture."""

    def __init__(self, network: nn.Module, target: Tensor):
        self.network, self.target = network, target
        with torch.no_grad():
            self.wanted = network(target).float()

    def features(self, pictures: Tensor) -> Tensor:
        """(N,): squared difference of features over the squared length of the image's own."""
        difference = self.network(pictures).float() - self.wanted
        return difference.square().sum(dim=1) / self.wanted.square().sum().clamp_min(1e-12)

    def pixels(self, pictures: Tensor) -> Tensor:
        """(N,): mean squared difference over four sizes."""
        total = torch.zeros(len(pictures), device=pictures.device)
        for size in (1, 2, 4, 8):
            shrunk, wanted = (avg_pool2d(x, size) if size > 1 else x for x in (pictures, self.target))
            total = total + mse_loss(shrunk, wanted.expand_as(shrunk), reduction="none").mean(dim=(1, 2, 3))
        return total / 4

    def __call__(self, pictures: Tensor) -> Tensor:
        return self.pixels(pictures) + self.features(pictures)


def _descend(generate: _Generator, loss: _Loss, z: np.ndarray, steps: int, on_progress: OnProgress | None) -> np.ndarray:
    """The best z on the way from each start, (starts, z_dim): Adam with a rate that falls along a cosine."""
    moving = torch.from_numpy(z.copy()).to(generate.where).requires_grad_(True)
    optimiser = torch.optim.Adam([moving], lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    best, best_loss = moving.detach().clone(), torch.full((len(z),), torch.inf, device=generate.where)
    for step in range(steps + 1):
        losses = loss(generate(moving))
        better = losses.detach() < best_loss
        best[better], best_loss[better] = moving.detach()[better], losses.detach()[better]
        if step == steps:
            break
        length = moving.square().mean(dim=1)
        optimiser.zero_grad()
        # The starts do not meet: the gradient of a sum is that of each alone.
        (losses + LENGTH_WEIGHT * (length - 1).square()).sum().backward()
        optimiser.step()
        schedule.step()
        if on_progress and (step + 1) % _REPORT_EVERY == 0:
            on_progress(step + 1, steps, "descending")
    return best.cpu().numpy()


def _tensor(pictures: np.ndarray, where: torch.device) -> Tensor:
    return torch.from_numpy(images.to_float(pictures)).permute(0, 3, 1, 2).to(where)


def _distances(pictures: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Root mean square difference of each picture from one image [grey levels]."""
    return np.sqrt(np.mean((pictures.astype(np.float64) - image) ** 2, axis=(1, 2, 3)))


def _write(out: Path, result: Projection, pictures: np.ndarray) -> None:
    origin: dict[str, Any] = {
        **runs.statement(images.PARTLY_SYNTHETIC),
        "checkpoint": result.checkpoint,
        "shows": "the image, its projection, nearest random picture",
    }
    with files.writing(out):
        files.write_bytes(out / PICTURE, images.png_bytes(images.strip(pictures), origin))
        files.write_json(out / RECORD, dataclasses.asdict(result))
