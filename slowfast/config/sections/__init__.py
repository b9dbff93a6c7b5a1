"""The sections of a config, in the order of the reference page."""

from __future__ import annotations

from slowfast.config.schema import Section
from slowfast.config.sections.augmentation import AUG
from slowfast.config.sections.data import DATA, DATA_LOADER
from slowfast.config.sections.demo import DEMO
from slowfast.config.sections.detection import AVA, DETECTION
from slowfast.config.sections.ema import EMA
from slowfast.config.sections.model import BN, MIXUP, MODEL
from slowfast.config.sections.mvit import MVIT, REV
from slowfast.config.sections.resnet import NONLOCAL, RESNET, SLOWFAST, X3D
from slowfast.config.sections.run import BENCHMARK, REPORT, RUN
from slowfast.config.sections.selfsup import CONTRASTIVE, MASK, VIS_MASK
from slowfast.config.sections.solver import MULTIGRID, SOLVER
from slowfast.config.sections.tensorboard import (
    CONFUSION_MATRIX,
    GRAD_CAM,
    HISTOGRAM,
    MODEL_VIS,
    TENSORBOARD,
    WRONG_PRED_VIS,
)
from slowfast.config.sections.train import TEST, TRAIN

SECTIONS: tuple[Section, ...] = (
    RUN,
    TRAIN,
    TEST,
    DATA,
    DATA_LOADER,
    AUG,
    MIXUP,
    MODEL,
    BN,
    SLOWFAST,
    RESNET,
    NONLOCAL,
    X3D,
    MVIT,
    REV,
    SOLVER,
    EMA,
    MULTIGRID,
    DETECTION,
    AVA,
    CONTRASTIVE,
    MASK,
    VIS_MASK,
    TENSORBOARD,
    CONFUSION_MATRIX,
    HISTOGRAM,
    MODEL_VIS,
    GRAD_CAM,
    WRONG_PRED_VIS,
    REPORT,
    BENCHMARK,
    DEMO,
)
