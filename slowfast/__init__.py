"""Video understanding in PyTorch: SlowFast networks and their family."""

from slowfast.version import __version__

__all__ = ["__version__"]
