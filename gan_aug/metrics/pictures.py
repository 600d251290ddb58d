"""Picture-to-picture metrics: PSNR, SSIM, MS-GMSD, MDSI and HaarPSI of pairs of images, by ``piq``.

They were made to compare an image with a damaged copy of itself. Two lesions of two people score badly however good the photographs are,
and a shift by two pixels costs as much as heavy noise. So averages over random pairs say nothing about a generator; what these metrics can
say is how alike an image and its nearest training image are, and how alike the images of one set are, both beside real images.
"""

import dataclasses

import numpy as np
import torch
from torch import Tensor

from gan_aug import images
from gan_aug.errors import InvalidValue

_BATCH = 32  # pairs at a time


@dataclasses.dataclass(frozen=True)
class PictureMetric:
    """What is to be known of a metric."""

    name: str
    title: str
    paper: str
    higher_is_alike: bool
    least_side: int  # smallest images that it is defined for [px]
    identical: float  # value of an image with itself


METRICS = {
    metric.name: metric
    for metric in (
        PictureMetric("psnr", "PSNR [dB]", "peak signal-to-noise ratio", True, 1, 80.0),  # infinite in theory; piq adds 1e-8
        PictureMetric("ssim", "SSIM", "Wang et al. 2004, doi 10.1109/TIP.2003.819861", True, 11, 1.0),
        PictureMetric("ms_gmsd", "MS-GMSD", "Zhang et al. 2017", False, 17, 0.0),
        PictureMetric("mdsi", "MDSI", "Nafchi et al. 2016, arXiv 1608.07433", False, 8, 0.0),
        PictureMetric("haarpsi", "HaarPSI", "Reisenhofer et al. 2018, arXiv 1607.06140", True, 16, 1.0),
    )
}


def compare(a: np.ndarray, b: np.ndarray, rescale: bool = False) -> dict[str, np.ndarray]:
    """Every metric of pairs of images.

    Parameters
    ----------
    a, b : ndarray of shape (N, R, R, 3), uint8
    rescale : bool
        Stretch each image to the whole range first, all channels together, as the AIDL21 project did. It hides differences of brightness.

    Returns
    -------
    dict
        Metric -> (N,) float64.

    Raises
    ------
    InvalidValue
        If the shapes differ, or the images are too small for a metric; the message names it.
    """
    if a.shape != b.shape or a.ndim != 4 or a.shape[3] != 3:
        raise InvalidValue(f"Images of shape {a.shape} and {b.shape} are no pairs.", "Give as many images of one size on either side.")
    side = min(a.shape[1:3])
    for metric in METRICS.values():
        if side < metric.least_side:
            raise InvalidValue(
                f"{metric.title} is not defined for images of {side} px.", f"Use images of at least {metric.least_side} px a side."
            )
    rows: dict[str, list[np.ndarray]] = {name: [np.zeros(0)] for name in METRICS}
    for start in range(0, len(a), _BATCH):
        x, y = (_unit(pictures[start : start + _BATCH], rescale) for pictures in (a, b))
        for name, values in _measure(x, y).items():
            rows[name].append(values.double().numpy())
    return {name: np.concatenate(values) for name, values in rows.items()}


@torch.inference_mode()
def _measure(x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Every metric of pairs (N, 3, R, R) in [0, 1]."""
    import piq  # loads torchvision, which takes seconds

    options = {"data_range": 1.0, "reduction": "none"}
    return {
        "psnr": piq.psnr(x, y, **options),
        "ssim": piq.ssim(x, y, downsample=False, **options),  # at 256 px and below nothing would be lost, but let it be the same above
        "ms_gmsd": piq.multi_scale_gmsd(x, y, **options),
        "mdsi": piq.mdsi(x, y, **options),
        "haarpsi": piq.haarpsi(x, y, **options),
    }


def _unit(pictures: np.ndarray, rescale: bool) -> Tensor:
    """uint8 images (N, R, R, 3) as (N, 3, R, R) in [0, 1]."""
    x = torch.from_numpy((images.to_float(pictures) + 1) / 2).permute(0, 3, 1, 2)
    if rescale:
        low, high = x.amin(dim=(1, 2, 3), keepdim=True), x.amax(dim=(1, 2, 3), keepdim=True)
        x = (x - low) / (high - low).clamp_min(1e-6)
    return x.clamp(0, 1)


def best_of(values: dict[str, np.ndarray], candidates: int) -> dict[str, np.ndarray]:
    """Of each image's candidates the most alike, metric by metric.

    Parameters
    ----------
    values : dict
        Metric -> (N * candidates,): of the first image all candidates, then of the second, ...

    Returns
    -------
    dict
        Metric -> (N,).
    """
    found = {}
    for name, some in values.items():
        table = some.reshape(-1, candidates)
        found[name] = table.max(axis=1) if METRICS[name].higher_is_alike else table.min(axis=1)
    return found
