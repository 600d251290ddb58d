"""Features of images, by an extractor that is chosen by name and never replaced by another.

    inception             the network of the FID, from PyTorch's download cache; only the file with the canonical digest is accepted
    inception:FILE        the same network from a file of one's own, called ``inception:custom-...`` if its digest is another
    derm                  the classifier that comes with gan_aug, trained on CC0 dermoscopic images (checkpoints/pretrained/derm)
    classifier:RUN        one of our own classifiers: what it sees, which knows lesions and needs no file from elsewhere
    random-conv[:SEED]    a small network of random weights, for tests: its numbers say nothing about realism

Real and generated images take the same way in: the same batches, the same resize, single precision.
"""

import dataclasses
import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_aug import checkpoint, classifier, device, files, images, latent, runs, workspace
from gan_aug.data import training_list
from gan_aug.errors import CorruptFile, ExtractorUnavailable, InvalidValue, NotFound
from gan_aug.metrics.record import INCEPTION_SHA256
from gan_aug.records import ClassifierConfig, SeenImage, from_dict
from gan_aug.schemes import parse_scheme

DERM = "derm"
INCEPTION_FILE = "pt_inception-2015-12-05-6726825d.pth"

OnProgress = Callable[[int, int, str], None]  # images done, images in all, what is being done

_BATCH = 32  # constant, so that no feature depends on how many images were asked for
_INCEPTION_SIZE = 299  # side of the images that Inception was trained on [px]

# What torch raises for bytes that are no state dict of tensors.
_READ_ERRORS = (OSError, RuntimeError, ValueError, LookupError, EOFError, pickle.UnpicklingError)


@dataclasses.dataclass(frozen=True)
class Extractor:
    """A network that turns images into features, and what identifies it."""

    name: str
    weights_sha256: str
    dim: int
    resize: str  # what happens to images of another size than the network's, in words
    network: nn.Module  # images (N, 3, R, R) float32 in [-1, 1] -> features (N, dim)
    seen: tuple[SeenImage, ...] = ()  # images that its weights were trained on, as far as they are ours

    @torch.inference_mode()
    def __call__(self, pictures: np.ndarray, on_progress: OnProgress | None = None) -> np.ndarray:
        """Features (N, dim), float64, of uint8 images (N, R, R, 3)."""
        where = device.pick("auto")
        network = self.network.to(where, memory_format=torch.channels_last).eval()
        rows = []
        # On a GPU convolutions would by default compute in TF32, whose 10 bits would move the third digit.
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            for start in range(0, len(pictures), _BATCH):
                batch = torch.from_numpy(images.to_float(pictures[start : start + _BATCH])).permute(0, 3, 1, 2)
                rows.append(network(batch.to(where, memory_format=torch.channels_last)).double().cpu().numpy())
                if on_progress:
                    on_progress(min(start + _BATCH, len(pictures)), len(pictures), f"features by {self.name}")
        return np.concatenate(rows)


def open_extractor(name: str) -> Extractor:
    """Load an extractor: ``derm``, ``inception[:FILE]``, ``classifier:RUN`` or ``random-conv[:SEED]``.

    Raises
    ------
    ExtractorUnavailable
        If its weights are not there; the message says where they are expected and with which digest.
    InvalidValue, NotFound, CorruptFile
        If the name is not understood, the run is not a usable classifier, or the weights are damaged.
    """
    kind, _, rest = name.partition(":")
    if kind == "inception":
        return _open_inception(Path(rest) if rest else None)
    if name == DERM:
        return _open_derm()
    if kind == "classifier" and rest:
        return _open_classifier(rest)
    if kind == "random-conv":
        return _open_random_conv(rest or "0")
    raise InvalidValue(
        f"There is no extractor {name!r}.", "Choose derm, inception, inception:FILE, classifier:RUN or, for tests, random-conv."
    )


def fingerprint(pictures: np.ndarray) -> str:
    """SHA-256 over shape and pixels of uint8 images, in their order."""
    return files.sha256_bytes(repr(pictures.shape).encode() + np.ascontiguousarray(pictures).tobytes())


def cached_features(extractor: Extractor, pictures: np.ndarray, on_progress: OnProgress | None = None) -> np.ndarray:
    """Features (N, dim), float64, taken from the workspace's cache if these images went through this extractor before."""
    identity = files.sha256_bytes("\n".join((extractor.name, extractor.weights_sha256, extractor.resize, fingerprint(pictures))).encode())
    path = workspace.home() / "cache" / "features" / f"{identity}.npz"
    features = _read_cached(path, (len(pictures), extractor.dim))
    if features is None:
        features = extractor(pictures, on_progress)
        stream = io.BytesIO()
        np.savez(stream, features=features.astype(np.float32))  # the network computes in float32; nothing is lost
        files.write_bytes(path, stream.getvalue())
    return features


def _read_cached(path: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """Features from the cache, or None if they are not there or their file is damaged (the archive holds a checksum)."""
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            features = archive["features"].astype(np.float64)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return features if features.shape == shape else None


# --- Inception ---------------------------------------------------------------------------------------------------------------------------


def _open_inception(file: Path | None) -> Extractor:
    path = file or Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION_FILE
    if not path.is_file():
        raise ExtractorUnavailable(
            f"The Inception weights are not at {path}.",
            f"Put {INCEPTION_FILE}, of the releases of pytorch-fid, there (sha256 {INCEPTION_SHA256}), or name a file by inception:FILE.",
        )
    content = path.read_bytes()
    sha256 = files.sha256_bytes(content)
    if sha256 != INCEPTION_SHA256 and file is None:
        raise ExtractorUnavailable(
            f"{path} is not the canonical Inception file: its sha256 is {sha256}.",
            f"Replace it by the file with sha256 {INCEPTION_SHA256}, or name it by inception:FILE to use it as custom weights.",
        )
    name = "inception" if sha256 == INCEPTION_SHA256 else f"inception:custom-{sha256[:8]}"
    resize = f"bilinear to {_INCEPTION_SIZE}, antialiased when reducing"
    return Extractor(name, sha256, 2048, resize, Inception(_read_state_dict(path, content)))


def _read_state_dict(path: Path, content: bytes) -> dict[str, Tensor]:
    try:
        weights = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except _READ_ERRORS as error:
        raise CorruptFile(
            f"{path} cannot be read as weights ({type(error).__name__}).", "Give a plain state dict saved by torch.save."
        ) from error
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise CorruptFile(f"{path} is not a plain state dict.", "Give a file that holds only named tensors.")
    return weights


class Inception(nn.Module):
    """Inception v3 as the FID uses it, up to its pooled features: torchvision's network with the blocks that pytorch-fid patches.

    Built here because pytorch-fid's own constructor downloads weights, and takes any file of the right name for them.
    """

    def __init__(self, weights: dict[str, Tensor]):
        super().__init__()
        # Imported late: torchvision takes seconds, and no other extractor needs it.
        from pytorch_fid.inception import FIDInceptionA, FIDInceptionC, FIDInceptionE_1, FIDInceptionE_2
        from torchvision.models import inception_v3

        net = inception_v3(weights=None, num_classes=1008, aux_logits=False, init_weights=False)
        net.Mixed_5b, net.Mixed_5c, net.Mixed_5d = (FIDInceptionA(n, pool_features=p) for n, p in ((192, 32), (256, 64), (288, 64)))
        net.Mixed_6b, net.Mixed_6c, net.Mixed_6d, net.Mixed_6e = (FIDInceptionC(768, channels_7x7=n) for n in (128, 160, 160, 192))
        net.Mixed_7b, net.Mixed_7c = FIDInceptionE_1(1280), FIDInceptionE_2(2048)
        try:
            net.load_state_dict(weights)
        except RuntimeError as error:
            raise InvalidValue(
                f"The file does not hold the weights of the FID's Inception network: {str(error).splitlines()[-1].strip()[:200]}",
                f"Use {INCEPTION_FILE}, of the releases of pytorch-fid.",
            ) from error
        self.layers = nn.Sequential(
            *(net.Conv2d_1a_3x3, net.Conv2d_2a_3x3, net.Conv2d_2b_3x3, nn.MaxPool2d(3, stride=2)),
            *(net.Conv2d_3b_1x1, net.Conv2d_4a_3x3, nn.MaxPool2d(3, stride=2)),
            *(net.Mixed_5b, net.Mixed_5c, net.Mixed_5d, net.Mixed_6a, net.Mixed_6b, net.Mixed_6c, net.Mixed_6d, net.Mixed_6e),
            *(net.Mixed_7a, net.Mixed_7b, net.Mixed_7c, nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(_resized(x, _INCEPTION_SIZE))


# --- our own classifiers -----------------------------------------------------------------------------------------------------------------


def _open_derm() -> Extractor:
    try:
        return dataclasses.replace(_open_classifier(DERM), name=DERM)
    except NotFound:
        raise ExtractorUnavailable(
            f"The extractor derm is not in {workspace.pretrained()}.",
            "It comes with the repository under checkpoints/pretrained/derm: copy it there, or name a classifier by classifier:RUN.",
        ) from None


def _open_classifier(reference: str) -> Extractor:
    run, snapshot = runs.resolve(reference)
    if run.kind != "classifier":
        raise InvalidValue(f"Run {run.id} is a {run.kind}, not a classifier.", "See the classifiers with: gan-aug runs --kind classifier")
    scheme = parse_scheme(run.scheme or "none")
    if scheme.checkpoint or scheme.curated:
        raise InvalidValue(
            f"Classifier {run.id} was trained on generated images ({scheme.name}), and its features would favour their kind.",
            "Use a classifier that was trained on real images alone.",
        )
    config = from_dict(ClassifierConfig, run.config)
    model = classifier.build(config, len(run.classes))
    model.load_state_dict(checkpoint.load_sampled(snapshot))
    seen = tuple(training_list.read(runs.run_folder(run.id)))
    resize = f"bilinear to {config.resolution}, antialiased when reducing; five depths, each of one length"
    network = ClassifierFeatures(model.eval(), config.resolution)
    with torch.inference_mode():
        dim = network(torch.zeros(1, 3, config.resolution, config.resolution)).shape[1]
    return Extractor(f"classifier:{snapshot.id}", snapshot.weights_sha256, dim, resize, network, seen)


class ClassifierFeatures(nn.Module):
    """What a classifier sees at five depths: mean and deviation of every channel at strides 4 to 32, and the pooled features of its head.

    Each depth's vector is scaled to one length, the whole to sqrt(dim). Unscaled, a few images that the network has never seen the like of
    have features ten times as long as others, and the cube in KID's kernel makes them the whole of it. Measured with ``derm``, 214 images a
    side: KID of a GAN's first snapshot is 3 standard deviations from that of two real sets by pooled features scaled, 8 by all depths, and
    below 1 by unscaled ones.
    """

    def __init__(self, model: classifier.Classifier, resolution: int):
        super().__init__()
        self.model = model
        self.resolution = resolution

    def forward(self, x: Tensor) -> Tensor:
        *depths, head = self.model.depths(_resized(x, self.resolution))
        parts = [torch.cat([maps.mean((2, 3)), (maps.var((2, 3), correction=0) + 1e-12).sqrt()], 1) for maps in depths]
        whole = torch.cat([F.normalize(part) for part in (*parts, head.mean((2, 3)))], 1)
        return whole * (whole.shape[1] / (len(parts) + 1)) ** 0.5


# --- random weights, for tests -----------------------------------------------------------------------------------------------------------


def _open_random_conv(seed: str) -> Extractor:
    if not seed.isdecimal() or len(seed) > 19:
        raise InvalidValue(f"random-conv cannot have the seed {seed!r}.", "Use a whole number, as in random-conv:0.")
    network = RandomConv(int(seed))
    return Extractor(f"random-conv:{int(seed)}", network.sha256, network.dim, "none", network)


class RandomConv(nn.Module):
    """Three strided convolutions of random weights; features are mean and standard deviation of every channel, at any image size.

    The weights are a function of the seed alone, through the bits that also make z (:func:`gan_aug.latent.z_of_seed`).
    """

    widths = (3, 16, 32, 64)
    dim = 2 * sum(widths[1:])

    def __init__(self, seed: int):
        super().__init__()
        shapes = [(after, before, 4, 4) for before, after in zip(self.widths, self.widths[1:], strict=False)]
        sizes = [int(np.prod(shape)) for shape in shapes]
        draws = latent.z_of_seed(seed, sum(sizes))
        self.sha256 = files.sha256_bytes(draws.astype("<f4").tobytes())
        pieces = np.split(draws, np.cumsum(sizes)[:-1])
        scaled = (
            torch.from_numpy(piece).view(shape) * np.sqrt(2.0 / np.prod(shape[1:])) for piece, shape in zip(pieces, shapes, strict=True)
        )
        self.kernels = nn.ParameterList(nn.Parameter(kernel.float(), requires_grad=False) for kernel in scaled)

    def forward(self, x: Tensor) -> Tensor:
        pooled = []
        for kernel in self.kernels:
            x = F.leaky_relu(F.conv2d(x, kernel, stride=2, padding=1), 0.2)
            pooled += [x.mean((2, 3)), x.std((2, 3), correction=0)]
        return torch.cat(pooled, 1)


def _resized(x: Tensor, size: int) -> Tensor:
    """Square images (N, C, R, R) at another size: the one resize of all extractors. Enlarging, it is that of pytorch-fid."""
    if x.shape[-1] == size:
        return x
    return F.interpolate(x, (size, size), mode="bilinear", align_corners=False, antialias=x.shape[-1] > size)
