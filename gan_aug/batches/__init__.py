"""Review batches: the pictures that people are to judge, generated, mixed with real ones where wished, and measured."""

from gan_aug.batches.facts import FACTS, measure
from gan_aug.batches.making import make

__all__ = ["FACTS", "make", "measure"]
