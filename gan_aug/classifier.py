"""The classifier: an EfficientNet by efficientnet-pytorch, its initial weights, and the classic augmentation of its training images.

Tan and Le (2019), EfficientNet, arXiv 1905.11946. Images enter as tensors in [-1, 1] like everywhere in gan_aug; the scaling that ImageNet
weights were trained with is done inside, with constants, so nothing is ever fitted on the data.
"""

import math
import pickle
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from efficientnet_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn import functional as F

from gan_aug.backbones import check_backbone
from gan_aug.errors import CorruptFile, InvalidValue, NotFound
from gan_aug.records import ClassifierConfig

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, for images in [0, 1]

# PyTorch's usual value. With the library's own, 0.01, the running averages lag behind the weights in short trainings from scratch.
_BATCH_NORM_SHARE = 0.1

# What the readers of weights raise for bytes that are no such file.
_READ_ERRORS = (OSError, RuntimeError, ValueError, LookupError, EOFError, pickle.UnpicklingError, safetensors.SafetensorError)


class Classifier(nn.Module):
    """EfficientNet with a linear head. ``forward``: images (N, 3, R, R) in [-1, 1] -> logits (N, n_classes)."""

    def __init__(self, config: ClassifierConfig, n_classes: int):
        super().__init__()
        check_backbone(config)
        # Without image_size the padding is laid out for the size the model was published at, and from b1 on that is another function.
        self.net = EfficientNet.from_name(
            config.backbone,
            num_classes=n_classes,
            image_size=config.resolution,
            dropout_rate=config.dropout,
            batch_norm_momentum=1 - _BATCH_NORM_SHARE,
        )
        # Plain SiLU: the memory-saving form has the same values but is slower and cannot be exported.
        self.net.set_swish(memory_efficient=False)
        scale = torch.tensor([0.5 / s for s in _STD]).view(1, 3, 1, 1)
        shift = torch.tensor([(0.5 - m) / s for m, s in zip(_MEAN, _STD, strict=True)]).view(1, 3, 1, 1)
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("shift", shift, persistent=False)
        self.frozen: list[nn.Module] = []  # set by freeze(); a plain list, because these modules belong to net already

    def features(self, x: Tensor) -> Tensor:
        """Pooled features (N, d) of images (N, 3, R, R) in [-1, 1]; d is 1280 for b0 and 1536 for b3."""
        maps = self.net.extract_features(x * self.scale + self.shift)
        return self.net._avg_pooling(maps).flatten(1)

    def depths(self, x: Tensor) -> list[Tensor]:
        """The last feature maps at strides 4, 8, 16 and 32, and those of the head, each (N, c, r, r), of images as for ``features``."""
        return [maps for name, maps in self.net.extract_endpoints(x * self.scale + self.shift).items() if name != "reduction_1"]

    def forward(self, x: Tensor) -> Tensor:
        return self.net._fc(self.net._dropout(self.features(x)))

    def train(self, mode: bool = True) -> "Classifier":
        super().train(mode)
        for module in self.frozen:
            module.eval()  # or their batch statistics would still follow the data
        return self


def build(config: ClassifierConfig, n_classes: int) -> Classifier:
    """A randomly initialised classifier; draw from a seeded torch generator for a repeatable one.

    Raises
    ------
    InvalidValue
        For an unknown backbone; the message lists the known ones.
    """
    return Classifier(config, n_classes)


def freeze(model: Classifier, blocks: int) -> None:
    """Keep the stem and the first ``blocks`` MBConv blocks as they are, batch statistics included (0: train everything).

    The first layers hold general edges and colours; the original project froze 18 of the 26 blocks of b3.
    """
    if blocks == 0:
        return
    model.frozen = [model.net._conv_stem, model.net._bn0, *model.net._blocks[:blocks]]
    for module in model.frozen:
        module.requires_grad_(False)
    model.train(model.training)


def load_weights(model: Classifier, file: Path) -> bool:
    """Load initial weights from a local file: our own snapshot, or a state dict of efficientnet-pytorch. Nothing is ever downloaded.

    Nothing is unpickled but tensors.

    Returns
    -------
    bool
        Whether the head was taken over too; with another number of classes it keeps its random values.

    Raises
    ------
    NotFound, CorruptFile
        If the file is absent, or holds no tensors, or values that are not finite.
    InvalidValue
        If its tensors are not those of this backbone; the message names some.
    """
    tensors = {name.removeprefix("net."): value for name, value in _read_tensors(file).items()}
    broken = [name for name, value in tensors.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise CorruptFile(f"{file} holds values that are not finite, in {broken[0]}.", "Use another file with weights.")
    wanted = model.net.state_dict()
    head = all(name in tensors and tensors[name].shape == wanted[name].shape for name in ("_fc.weight", "_fc.bias"))
    if not head:
        tensors |= {name: wanted[name] for name in ("_fc.weight", "_fc.bias")}
    strange = sorted(set(wanted) ^ set(tensors)) or [name for name in wanted if wanted[name].shape != tensors[name].shape]
    if strange:
        raise InvalidValue(
            f"{file} does not hold the weights of this backbone: {len(strange)} tensors differ, such as {strange[0]}.",
            "Give a file that was made for the same backbone by efficientnet-pytorch or by gan_aug.",
        )
    model.net.load_state_dict(tensors)
    return head


def _read_tensors(file: Path) -> dict[str, Tensor]:
    if not file.is_file():
        raise NotFound(f"There is no file {file} with weights.", "Give the path of a local .safetensors, .pth or .pt file.")
    try:
        if file.suffix == ".safetensors":
            return safetensors.torch.load_file(str(file))
        content = torch.load(str(file), map_location="cpu", weights_only=True)
    except _READ_ERRORS as error:
        raise CorruptFile(
            f"{file} cannot be read as weights ({type(error).__name__}).",
            "Give a .safetensors file or a plain state dict saved by torch.save; whole pickled models are refused.",
        ) from error
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise CorruptFile(f"{file} is not a plain state dict.", "Give a file that holds only named tensors.")
    return content


@torch.inference_mode()
def probabilities(model: Classifier, images: np.ndarray, rows: np.ndarray, device: torch.device, batch_size: int = 64) -> np.ndarray:
    """Class probabilities of some images, in evaluation mode and single precision.

    Parameters
    ----------
    images : ndarray of shape (N, R, R, 3), uint8
        May be a memory map; a batch is read at a time.
    rows : ndarray of shape (n,)
        Which of them.

    Returns
    -------
    ndarray of shape (n, n_classes), float64; each row sums to 1
    """
    was_training = model.training
    model.eval()
    batches = (images[rows[start : start + batch_size]] for start in range(0, len(rows), batch_size))
    found = [model(to_tensor(batch, device)).double().softmax(1).cpu().numpy() for batch in batches]
    model.train(was_training)
    return np.concatenate(found)


def to_tensor(images: np.ndarray, device: torch.device) -> Tensor:
    """uint8 images (N, R, R, 3) as a float32 tensor (N, 3, R, R) in [-1, 1] on ``device``, channels last in memory."""
    pixels = torch.from_numpy(np.ascontiguousarray(images)).to(device)
    return pixels.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def augment(x: Tensor, generator: torch.Generator) -> Tensor:
    """Classic augmentation: random flip, quarter turn, resized crop, and mild changes of brightness, contrast and saturation.

    A dermoscopy has no up, so all 8 flips and turns are equally right; crops keep 70 to 100 % of the area, so that a lesion stays in the
    picture; colour moves by at most 10 %, because colour is diagnostic.

    Parameters
    ----------
    x : Tensor of shape (N, 3, R, R), in [-1, 1]
    generator : torch.Generator
        On the CPU, so that the same draws are made on every device.

    Returns
    -------
    Tensor of shape (N, 3, R, R), in [-1, 1]
    """
    n = len(x)
    draws = torch.rand(10, n, generator=generator).to(x.device)
    turns, flips = (draws[0] * 4).long(), draws[1] < 0.5
    area, aspect = 0.7 + 0.3 * draws[2], torch.exp((2 * draws[3] - 1) * math.log(1.15))
    width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    centre_x, centre_y = (2 * draws[4] - 1) * (1 - width), (2 * draws[5] - 1) * (1 - height)
    x = warp(x, turns, flips, width, height, centre_x, centre_y)
    brightness, contrast, saturation = (0.9 + 0.2 * draws[6:9]).view(3, n, 1, 1, 1)
    x = (x + 1) * brightness - 1
    mean = x.mean((1, 2, 3), keepdim=True)
    x = (x - mean) * contrast + mean
    grey = x.mean(1, keepdim=True)
    return ((x - grey) * saturation + grey).clamp(-1, 1)


def warp(x: Tensor, turns: Tensor, flips: Tensor, width: Tensor, height: Tensor, centre_x: Tensor, centre_y: Tensor) -> Tensor:
    """Cut a rectangle out of each image, flip and turn it, and bring it back to full size, in one bilinear interpolation.

    Parameters
    ----------
    x : Tensor of shape (N, 3, R, R)
    turns : int Tensor of shape (N,)
        Quarter turns, 0 to 3.
    flips : bool Tensor of shape (N,)
        Left-right mirroring, before the turn.
    width, height : Tensor of shape (N,)
        Sides of the rectangle as a share of the image's.
    centre_x, centre_y : Tensor of shape (N,)
        Its centre, from -1 to 1 across the image.
    """
    cosine = torch.tensor([1.0, 0.0, -1.0, 0.0], device=x.device)[turns]
    sine = torch.tensor([0.0, 1.0, 0.0, -1.0], device=x.device)[turns]
    sign = 1 - 2 * flips.float()
    # Rows of the map from output to input coordinates: rectangle after (mirror after turn).
    theta = torch.stack(
        [
            torch.stack([width * sign * cosine, -width * sign * sine, centre_x], 1),
            torch.stack([height * sine, height * cosine, centre_y], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
