"""Keys that public files and checkpoints still hold and that nothing reads any more."""

from __future__ import annotations

# A section name stands for all its keys. They are ignored with a warning that gives the reason.
RETIRED = {
    "PREFETCH": "batches are always prefetched; DATA_LOADER.PREFETCH_FACTOR sets how many",
    "TENSORBOARD.MODEL_VIS.TOPK": "renamed; set TENSORBOARD.MODEL_VIS.TOPK_PREDS",
    "DEMO.DATA_SOURCE": "divided in two; set DEMO.WEBCAM or DEMO.INPUT_VIDEO",
    "DEMO.DETECTRON2_OBJECT_DETECTION_MODEL_CFG": "renamed; set DEMO.DETECTRON2_CFG",
    "DEMO.DETECTRON2_OBJECT_DETECTION_MODEL_WEIGHTS": "renamed; set DEMO.DETECTRON2_WEIGHTS",
}


def why_retired(path: str) -> str | None:
    """The reason if the key or a section it lies in is retired, else None."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        reason = RETIRED.get(".".join(parts[:end]))
        if reason:
            return reason
    return None
