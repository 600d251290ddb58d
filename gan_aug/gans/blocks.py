"""Networks that several GANs share: the DCGAN pair, residual blocks, and how classes enter G.

All weights start as the DCGAN paper says: N(0, 0.02) for convolutions and linear layers, N(1, 0.02) for BatchNorm scales, zero for biases.
"""

import itertools
import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

Norm = Literal["batch", "layer", "spectral", "none"]
Upsampling = Literal["transposed", "resize"]


def init_weights(network: nn.Module) -> None:
    """DCGAN's initialisation, in place. Runs before spectral normalisation wraps a layer: afterwards it would write to a derived tensor."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)


def normalise_spectrally(network: nn.Module) -> None:
    """Wrap every convolution and linear layer in spectral normalisation (Miyato et al. 2018), one power iteration per forward pass."""
    for module in list(network.modules()):
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            spectral_norm(module, n_power_iterations=1)


def condition(z: Tensor, y: Tensor | None, n_classes: int) -> Tensor:
    """Append the class to z as AC-GAN does: one-hot for class numbers (N,), as it is for class mixtures (N, n_classes)."""
    if n_classes == 0:
        return z
    if y is None:
        raise ValueError("a conditional generator needs y")
    mixture = y if y.ndim == 2 else nn.functional.one_hot(y, n_classes)
    return torch.cat([z, mixture.to(z.dtype)], dim=1)


def channel_plan(resolution: int, width: int) -> list[int]:
    """Channels from the 4 px layer to the one nearest the image: doubling towards the small end, at most 8 x width as in the paper."""
    levels = int(math.log2(resolution)) - 2
    return [width * min(8, 2**level) for level in reversed(range(levels))]


class ResizeConvolution(nn.Module):
    """Twice the side by repeating pixels, then a 3x3 convolution: (N, C, S, S) to (N, C', 2S, 2S) without a chequered pattern.

    A transposed convolution treats odd and even pixels by different weights, which shows as a fine chequerboard (Odena, Dumoulin and Olah
    2016, "Deconvolution and checkerboard artifacts"). Computed as a transposed 4x4 convolution whose kernel is the 3x3 one summed over a
    2x2 window: the same result for 16 products a pixel of the small plane in place of 36.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs, 3, 3))  # as a transposed convolution holds it: inputs first, kernel turned
        nn.init.normal_(self.weight, 0.0, 0.02)
        window = torch.tensor([[1.0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]])  # where each of three products goes among four
        self.register_buffer("windows", torch.kron(window, window).T.contiguous(), persistent=False)  # (16, 9)

    def forward(self, x: Tensor) -> Tensor:
        # One product, because sums of shifted copies are many launches; channels last, as the weights usually lie.
        by_place = self.windows @ self.weight.permute(0, 2, 3, 1).flatten(1, 2)
        kernel = by_place.unflatten(1, (4, 4)).permute(0, 3, 1, 2)
        return nn.functional.conv_transpose2d(x, kernel, stride=2, padding=1)


class ConvGenerator(nn.Module):
    """DCGAN's generator: z (N, z_dim) [and y] to images (N, 3, R, R) in [-1, 1], with BatchNorm and ReLU between its layers.

    The layers that double the side are transposed 4x4 convolutions as in the paper, or ``ResizeConvolution`` with ``upsampling`` "resize".
    """

    def __init__(self, z_dim: int, width: int, resolution: int, n_classes: int = 0, upsampling: Upsampling = "transposed"):
        super().__init__()
        self.n_classes = n_classes
        channels = channel_plan(resolution, width)

        def double(inputs: int, outputs: int) -> nn.Module:
            if upsampling == "resize":
                return ResizeConvolution(inputs, outputs)
            return nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)

        layers: list[nn.Module] = [nn.ConvTranspose2d(z_dim + n_classes, channels[0], 4, 1, 0, bias=False)]
        for wide, narrow in itertools.pairwise(channels):
            layers += [nn.BatchNorm2d(wide), nn.ReLU(inplace=True), double(wide, narrow)]
        layers += [nn.BatchNorm2d(channels[-1]), nn.ReLU(inplace=True), double(channels[-1], 3), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        init_weights(self)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.layers(condition(z, y, self.n_classes)[:, :, None, None])


class ConvDiscriminator(nn.Module):
    """DCGAN's discriminator with a choice of normalisation: images (N, 3, R, R) to logits (N,).

    ``batch`` leaves the first layer bare, as the paper says; ``layer`` normalises each image by itself (a GroupNorm of one group), because
    a gradient penalty is defined per image and BatchNorm would mix them; ``spectral`` wraps every layer and uses no other normalisation;
    ``none`` has nothing that brings signals back to size, and starts with He et al.'s weights (2015, arXiv 1502.01852) instead.
    With ``n_classes`` a second head returns class logits (N, n_classes), and the result is the pair.
    """

    def __init__(self, width: int, resolution: int, norm: Norm, slope: float = 0.2, n_classes: int = 0):
        super().__init__()
        channels = channel_plan(resolution, width)[::-1]
        bias = norm in ("spectral", "none")
        layers: list[nn.Module] = [nn.Conv2d(3, channels[0], 4, 2, 1, bias=bias), nn.LeakyReLU(slope, inplace=True)]
        for narrow, wide in itertools.pairwise(channels):
            layers.append(nn.Conv2d(narrow, wide, 4, 2, 1, bias=bias))
            if norm == "batch":
                layers.append(nn.BatchNorm2d(wide))
            elif norm == "layer":
                layers.append(nn.GroupNorm(1, wide))
            layers.append(nn.LeakyReLU(slope, inplace=True))
        self.layers = nn.Sequential(*layers)
        self.logit = nn.Conv2d(channels[-1], 1, 4, 1, 0, bias=bias)
        self.class_logits = nn.Conv2d(channels[-1], n_classes, 4, 1, 0) if n_classes else None
        init_weights(self)
        if norm == "spectral":
            normalise_spectrally(self)
        elif norm == "none":
            for convolution in self.modules():
                if isinstance(convolution, nn.Conv2d):
                    nn.init.kaiming_normal_(convolution.weight, slope)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        features = self.layers(images)
        logits = self.logit(features).flatten()
        if self.class_logits is None:
            return logits
        return logits, self.class_logits(features).flatten(1)


class ResidualBlock(nn.Module):
    """A pre-activation residual block of two 3x3 convolutions that doubles or halves the side (He et al. 2016, as in WGAN-GP).

    ``norm`` makes the normalisation before each convolution from a number of channels.
    """

    def __init__(self, inputs: int, outputs: int, resample: Literal["up", "down"], norm: Callable[[int], nn.Module]):
        super().__init__()
        self.resample = resample
        hidden = outputs if resample == "up" else inputs
        self.norm1, self.norm2 = norm(inputs), norm(hidden)
        self.conv1 = nn.Conv2d(inputs, hidden, 3, 1, 1, bias=False)
        self.conv2 = nn.Conv2d(hidden, outputs, 3, 1, 1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def _resize(self, x: Tensor, when: str) -> Tensor:
        if self.resample != when:
            return x
        return nn.functional.interpolate(x, scale_factor=2, mode="nearest") if when == "up" else nn.functional.avg_pool2d(x, 2)

    def forward(self, x: Tensor) -> Tensor:
        residual = self.conv1(self._resize(torch.relu(self.norm1(x)), "up"))
        residual = self._resize(self.conv2(torch.relu(self.norm2(residual))), "down")
        return residual + self._resize(self.shortcut(self._resize(x, "up")), "down")


def signed_ratings(real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
    """What is told of a D whose logits (N,) say real above zero and generated below: detached, 0-d.

    The accuracy is the share of images on the right side of zero, real and fake weighing the same.
    """
    real, fake = real_logits.detach(), fake_logits.detach()
    return {
        "D/real": real.mean(),
        "D/fake": fake.mean(),
        "D/accuracy": ((real > 0).float().mean() + (fake < 0).float().mean()) / 2,
        "D/real_sign": real.sign().mean(),
    }


def r1_penalty(D: nn.Module, real: Tensor) -> Tensor:
    """R1: the mean squared norm of D's gradient at real images (Mescheder et al. 2018, arXiv 1801.04406, eq. 9, without gamma / 2).

    At generated images it is R2 (eq. 10).

    Parameters
    ----------
    D : module
        Returns logits (N,), or a pair whose first item is that.
    real : Tensor of shape (N, 3, R, R)

    Returns
    -------
    Tensor, 0-d, differentiable in D's weights
    """
    real = real.detach().requires_grad_(True)
    logits = D(real)
    logits = logits[0] if isinstance(logits, tuple) else logits
    (gradient,) = torch.autograd.grad(logits.float().sum(), real, create_graph=True)
    return gradient.float().square().sum(dim=(1, 2, 3)).mean()
