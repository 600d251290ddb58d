"""The GANs, one file each. A new one is a new file that ends in ``SPEC``, and an entry in ``gan_aug.catalog``."""

import importlib

from gan_aug import catalog
from gan_aug.records import GanSpec


def spec(name: str) -> GanSpec:
    """The SPEC of a GAN, by its name or an alias."""
    return importlib.import_module(f"gan_aug.gans.{catalog.entry(name).name}").SPEC
