"""gan_aug: train GANs on skin-lesion photographs, look at what they make, and measure whether it helps a classifier."""

__version__ = "0.1.0"
