"""The one error of all readers: this file is not a video that can be used, and why."""

from __future__ import annotations


class VideoError(ValueError):
    """``path: what was expected, what was found; what to do``.

    Args:
        fault: the message without its end.
        advice: what to do in a run; commands without a config, which has other names for it,
            show ``fault`` alone.
    """

    def __init__(self, fault: str, *, advice: str = "") -> None:
        super().__init__(f"{fault}; {advice}" if advice else fault)
        self.fault = fault
