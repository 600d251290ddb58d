"""DiffAugment: differentiable augmentation of what D sees (Zhao et al. 2020, arXiv 2006.10738).

Real and fake images pass the same kind of random change in every D and G step, so D cannot learn a small training set by heart and G is not
asked to generate the change. ``color`` exists for completeness: colour is diagnostic in dermoscopy, so no preset uses it.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad


def diff_augment(images: Tensor, policies: tuple[str, ...], share: Tensor | None = None) -> Tensor:
    """Apply the named policies, each image with its own random draw.

    Parameters
    ----------
    images : Tensor of shape (N, 3, R, R) in [-1, 1]
    policies : of ``color``, ``translation``, ``cutout``; none returns ``images`` itself
    share : 0-d Tensor from 0 to 1, optional
        How likely each policy is to touch an image, each policy for itself; by default all touch all

    Returns
    -------
    Tensor like ``images``, differentiable in it
    """
    for policy in policies:
        changed = _POLICIES[policy](images)
        if share is not None:
            changed = torch.where(torch.rand(images.shape[0], 1, 1, 1, device=images.device) < share, changed, images)
        images = changed
    return images


class AdaptiveShare:
    """The share of images that DiffAugment touches, steered by how much D overfits (Karras et al. 2020, arXiv 2006.06676, section 3).

    A D that knows the training images by heart rates all of them as real, so the mean sign r of its logits of real images nears 1. The
    share grows while r is above ``target`` and shrinks while it is below. As in the paper it starts at 0, and each policy draws for itself;
    the paper moves it by fixed amounts, by the sign of r - target over four batches, and this by r - target itself, which needs no memory
    of earlier batches: off by one, it goes from 0 to 1 in ``KIMG`` thousand images.
    """

    KIMG = 25.0

    def __init__(self, target: float, on: torch.device):
        self.target, self.share = target, torch.zeros((), device=on)

    def update(self, sign: Tensor, n_images: int) -> None:
        """Take in the mean sign of the logits of ``n_images`` real images: 0-d, from -1 to 1. Nothing waits for a GPU."""
        self.share.add_((sign - self.target) * (n_images / (self.KIMG * 1000))).clamp_(0, 1)


def _color(x: Tensor) -> Tensor:
    """Brightness by up to 0.5 either way, saturation times 0 to 2, contrast times 0.5 to 1.5."""

    def draw() -> Tensor:
        return torch.rand(x.shape[0], 1, 1, 1, device=x.device, dtype=x.dtype)

    x = x + (draw() - 0.5)
    grey = x.mean(dim=1, keepdim=True)
    x = grey + (x - grey) * (2 * draw())
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (x - mean) * (0.5 + draw())


def _translation(x: Tensor, share: float = 0.125) -> Tensor:
    """Shift by up to an eighth of the side, filling with mid-grey (zero)."""
    n, channels, side, _ = x.shape
    reach = int(side * share + 0.5)
    shift = torch.randint(-reach, reach + 1, (2, n, 1), device=x.device)
    position = torch.arange(side, device=x.device)
    # One pixel of padding on every side catches all positions that fall outside.
    rows, columns = (position + shift + 1).clamp(0, side + 1)
    # Axis by axis: of an index over both, a GPU computes the gradient by sorting all positions.
    x = pad(x, (1, 1, 1, 1)).gather(2, rows[:, None, :, None].expand(-1, channels, -1, side + 2))
    return x.gather(3, columns[:, None, None, :].expand(-1, channels, side, -1))


def _cutout(x: Tensor, share: float = 0.5) -> Tensor:
    """Blank a square of half the side at a random place, partly outside the image at times."""
    n, _, side, _ = x.shape
    hole = int(side * share + 0.5)
    centre = torch.randint(0, side + 1 - hole % 2, (2, n, 1), device=x.device)
    position = torch.arange(side, device=x.device)
    in_rows, in_columns = ((position >= centre[axis] - hole // 2) & (position < centre[axis] + hole - hole // 2) for axis in (0, 1))
    return x * ~(in_rows[:, None, :, None] & in_columns[:, None, None, :])


_POLICIES = {"color": _color, "translation": _translation, "cutout": _cutout}


def dihedral(images: Tensor) -> Tensor:
    """Turn each image by one of the 8 flips and quarter turns, each as likely as the others.

    Parameters
    ----------
    images : Tensor of shape (N, C, R, R), any dtype
    """
    for change in (lambda x: x.flip(3), lambda x: x.flip(2), lambda x: x.transpose(2, 3)):
        chosen = torch.rand(images.shape[0], 1, 1, 1, device=images.device) < 0.5
        images = torch.where(chosen, change(images), images)
    return images
