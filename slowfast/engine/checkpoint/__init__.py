"""Checkpoints: the public layout, written atomically, loaded strictly."""
