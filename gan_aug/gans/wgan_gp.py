"""W-GAN with gradient penalty (Gulrajani et al. 2017, arXiv 1704.00028; W-GAN: Arjovsky et al. 2017, arXiv 1701.07875).

| preset ``paper``, beside the paper and its authors' 64 px code       | followed                                      |
|----------------------------------------------------------------------|-----------------------------------------------|
| critic loss, one-centred penalty on lines between real and fake      | yes; 1e-12 under the root, without which its  |
|                                                                      | gradient at zero is not a number              |
| lambda 10; five critic steps; Adam 1e-4, betas (0, 0.9); batch 64    | yes                                           |
| no learning-rate decay (at 64 px)                                    | yes                                           |
| residual G and critic, four doublings, 512 to 64 channels            | yes                                           |
| BatchNorm in G only; LayerNorm in the critic                         | yes, as a GroupNorm of one group              |
| 1x1 shortcut in every block; its first convolution without bias, its | yes                                           |
| last as wide as the output                                           |                                               |
| uniform He-like start                                                | no: N(0, 0.02), as in the other GANs here     |

The other presets use DCGAN-sized networks, the critic still with layer normalisation and never BatchNorm: the penalty is per image.
``small-data`` adds DiffAugment (the penalty's lines then join augmented images) and an averaged G, and takes one critic step with a
fourfold rate in the place of five with one rate (two time scales: Heusel et al. 2017, arXiv 1706.08500), which learned far more of the
same images (docs/experiments.md).

``aidl21``: z 256, batch 16, five critic steps, lambda 10, both learning rates 2e-4 with beta1 0.5. Mended against the original: it can be
imported, fakes are detached in the critic step, the G step draws its own z, and images are mapped to [-1, 1] in one place. Not kept: a
critic without any normalisation, which has the layer normalisation of the paper here, and 1,024 channels at 128 px, which are 512.
"""

import torch
from torch import Tensor, nn

from gan_aug.gans.blocks import ConvDiscriminator, ConvGenerator, ResidualBlock, channel_plan, init_weights
from gan_aug.records import GanConfig, GanSpec


class ResidualGenerator(nn.Module):
    """z (N, z_dim) to images (N, 3, R, R) in [-1, 1]: a linear layer to 4x4, one residual block per doubling, BatchNorm, ReLU, tanh."""

    def __init__(self, config: GanConfig):
        super().__init__()
        channels = channel_plan(config.resolution, config.width)
        self.first = channels[0]
        self.linear = nn.Linear(config.z_dim, 16 * channels[0])
        steps = zip([channels[0], *channels], channels, strict=False)
        self.blocks = nn.Sequential(*(ResidualBlock(inputs, outputs, "up", nn.BatchNorm2d) for inputs, outputs in steps))
        self.image = nn.Sequential(nn.BatchNorm2d(channels[-1]), nn.ReLU(), nn.Conv2d(channels[-1], 3, 3, 1, 1), nn.Tanh())
        init_weights(self)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.image(self.blocks(self.linear(z).view(-1, self.first, 4, 4)))


class ResidualCritic(nn.Module):
    """Images (N, 3, R, R) in [-1, 1] to scores (N,): residual blocks with layer normalisation, one per halving, and a linear layer."""

    def __init__(self, config: GanConfig):
        super().__init__()
        channels = channel_plan(config.resolution, config.width)[::-1]
        steps = zip(channels, [*channels[1:], channels[-1]], strict=True)
        self.blocks = nn.Sequential(
            nn.Conv2d(3, channels[0], 3, 1, 1),
            *(ResidualBlock(inputs, outputs, "down", lambda width: nn.GroupNorm(1, width)) for inputs, outputs in steps),
        )
        self.linear = nn.Linear(16 * channels[-1], 1)
        init_weights(self)

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(self.blocks(images).flatten(1)).flatten()


def gradient_penalty(D: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """E[(||grad D(x_hat)||_2 - 1)^2] with x_hat uniform on the line between a real and a fake image (paper, section 4).

    The critic runs in the precision of its surroundings; the norm is taken in float32 over all components of an image.

    Parameters
    ----------
    D : module
        Images to scores (N,).
    real, fake : Tensor of shape (N, 3, R, R)

    Returns
    -------
    Tensor, 0-d, differentiable in D's weights
    """
    t = torch.rand(real.shape[0], 1, 1, 1, device=real.device)
    x_hat = torch.lerp(real.detach(), fake.detach(), t).requires_grad_(True)
    (gradient,) = torch.autograd.grad(D(x_hat).float().sum(), x_hat, create_graph=True)
    norm = (gradient.float().square().sum(dim=(1, 2, 3)) + 1e-12).sqrt()
    return (norm - 1).square().mean()


def d_loss(D: nn.Module, real: Tensor, fake: Tensor, y: Tensor | None, config: GanConfig) -> tuple[Tensor, dict[str, Tensor]]:
    """E[D(G(z))] - E[D(x)] + lambda * penalty. ``D/distance`` is the estimate of the Wasserstein distance, E[D(x)] - E[D(G(z))]."""
    real_scores, fake_scores = D(real).float(), D(fake).float()
    distance = real_scores.mean() - fake_scores.mean()
    penalty = gradient_penalty(D, real, fake)
    return config.gp_weight * penalty - distance, {
        "D/real": real_scores.detach().mean(),
        "D/fake": fake_scores.detach().mean(),
        "D/distance": distance.detach(),
        "D/penalty": penalty.detach(),
        # A critic has no zero point; its accuracy is how often a real image scores above a fake one.
        "D/accuracy": (real_scores[:, None] > fake_scores[None, :]).float().mean(),
    }


def g_loss(D: nn.Module, real: Tensor, fake: Tensor, y: Tensor | None, config: GanConfig) -> tuple[Tensor, dict[str, Tensor]]:
    """-E[D(G(z))]."""
    return -D(fake).float().mean(), {}


def build(config: GanConfig, n_classes: int) -> tuple[nn.Module, nn.Module]:
    """G and the critic for ``config``; the classes play no part."""
    if config.architecture == "paper":
        return ResidualGenerator(config), ResidualCritic(config)
    return (
        ConvGenerator(config.z_dim, config.width, config.resolution, upsampling=config.upsampling),
        ConvDiscriminator(config.width, config.resolution, norm="layer"),
    )


SPEC = GanSpec("wgan_gp", build, d_loss, g_loss)
