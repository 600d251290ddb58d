"""Pieces that several pages share, one module per noun."""
