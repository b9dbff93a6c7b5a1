"""Names that other programs give to the same weights, translated to the public ones."""
