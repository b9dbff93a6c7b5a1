"""The one place where a config becomes objects: device, network, task, optimizer, loaders."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import torch
from torch import nn

from slowfast import dist
from slowfast.config import clips_per_process
from slowfast.data.augmentation_from_cfg import augment_stage_from_cfg
from slowfast.data.datasets.ava import clock_from_cfg
from slowfast.data.datasets.build import (
    build_loader,
    class_names_from_cfg,
    input_stage_from_cfg,
)
from slowfast.data.loader import EvalLoader, TrainLoader
from slowfast.data.transforms.augment_stage import AugmentStage
from slowfast.engine.ddp import BucketOrder, compression_from_cfg
from slowfast.engine.ema import Average, average_from_cfg
from slowfast.engine.freeze import freeze
from slowfast.engine.guard import Guard, KeptBuffers
from slowfast.engine.meters import Means
from slowfast.engine.multigrid import Phase
from slowfast.engine.optim import optimizer_from_cfg
from slowfast.engine.parallel import (
    buffers_of_first,
    is_sharded,
    whole,
    without_exchange,
    wrap_model,
)
from slowfast.engine.saves import Saves, saves_from_cfg
from slowfast.engine.schedule import Policy, schedule_from_cfg
from slowfast.engine.step import Stepper
from slowfast.models.build import build_model
from slowfast.models.memory_layout import channels_last
from slowfast.tasks.base import Task
from slowfast.tasks.classification import Classification
from slowfast.tasks.detection import Detection
from slowfast.tasks.frame_truth import truth_from_cfg
from slowfast.tasks.losses import make_loss
from slowfast.tasks.multi_label import MultiLabel


@dataclass
class Position:
    """How far training is: whole epochs done, and batches done of the one under way."""

    epoch: int = 0
    batch: int = 0


@dataclass
class Trainer:
    """Everything that training changes or calls; `build_trainer` makes it from a config."""

    net: nn.Module  # the bare network: its names are the checkpoint's
    model: nn.Module  # what is called: the network, or it compiled and wrapped
    task: Task
    stepper: Stepper
    average: Average  # the network that is evaluated
    schedule: Policy
    loader: TrainLoader
    val_loader: EvalLoader | None
    augment: AugmentStage  # of training batches, on the device
    device: torch.device
    class_names: list[str]
    phase: Phase  # the epochs that it is for
    position: Position = field(default_factory=Position)
    best: dict[str, float] = field(default_factory=dict)  # best value so far, by name
    epoch_means: Means = field(default_factory=Means)
    window_means: Means = field(default_factory=Means)  # since the last log line
    saves: Saves = field(default_factory=Saves)


def device_from_cfg(cfg: Any) -> torch.device:
    """The CPU for ``NUM_GPUS 0``, else this process's GPU.

    Raises:
        ValueError: more GPUs are asked for than this machine has.
    """
    if not cfg.NUM_GPUS:
        return torch.device("cpu")
    found = torch.cuda.device_count()
    if found < (1 if dist.has_own_gpu() else cfg.NUM_GPUS):
        raise ValueError(
            f"NUM_GPUS is {cfg.NUM_GPUS}, but PyTorch finds {found} CUDA device(s) here; "
            "set NUM_GPUS 0 to run on the CPU, or to the number you have (and TRAIN.BATCH_SIZE "
            "to fit, with SOLVER.BASE_LR scaled by the same factor)"
        )
    return torch.device("cuda", dist.gpu())


def amp_dtype_from_cfg(cfg: Any, *, enabled: bool) -> torch.dtype | None:
    """Precision of the forward pass; None for float32.

    Raises:
        ValueError: ``TRAIN.AMP_DTYPE`` names no half-precision type.
    """
    if not enabled:
        return None
    kinds = {"float16": torch.float16, "bfloat16": torch.bfloat16}
    if cfg.TRAIN.AMP_DTYPE not in kinds:
        raise ValueError(f"TRAIN.AMP_DTYPE is {cfg.TRAIN.AMP_DTYPE!r}; use one of {list(kinds)}")
    return kinds[cfg.TRAIN.AMP_DTYPE]


def build_network(cfg: Any, device: torch.device) -> nn.Module:
    """The network of MODEL with the initial weights of ``RNG_SEED``, on the device."""
    torch.manual_seed(cfg.RNG_SEED)
    net = build_model(cfg).to(device)
    freeze(net, cfg.MODEL.FREEZE)
    if cfg.MODEL.CHANNELS_LAST:
        net = channels_last(net)
    return net


def network_to_evaluate(net: nn.Module, cfg: Any, device: torch.device) -> nn.Module:
    """`net`, or a whole copy of one that is trained in parts; all ranks call it together.

    Running statistics are those of rank 0 everywhere: the ones that are saved. Parts are gathered
    by all ranks together at every forward pass, and ranks have different numbers of videos to
    evaluate.
    """
    if not is_sharded(net):
        for name, value in buffers_of_first(net).items():
            net.get_buffer(name).copy_(value)
        return net
    state = {name: whole(value) for name, value in net.state_dict().items()}
    copy = build_network(cfg, device)
    copy.load_state_dict(state)
    return copy


def build_task(cfg: Any) -> Task:
    """What MODEL.LOSS_FUNC and its like ask for.

    Raises:
        ValueError: another loss is asked for than the labels allow.
    """
    if cfg.DETECTION.ENABLE:
        return _detection_from_cfg(cfg)
    if cfg.MODEL.LOSS_FUNC == "bce":
        raise ValueError(
            "MODEL.LOSS_FUNC is 'bce', the loss of boxes (DETECTION.ENABLE), but clips are "
            "classified; set it to 'cross_entropy', or to 'bce_logit' if they have several labels "
            "(DATA.MULTI_LABEL)"
        )
    kind = MultiLabel if cfg.DATA.MULTI_LABEL else Classification
    if kind is MultiLabel:
        _check_multi_label(cfg)
    return kind(
        inputs=input_stage_from_cfg(cfg),
        criterion=make_loss(cfg.MODEL.LOSS_FUNC, label_smoothing=cfg.MODEL.LABEL_SMOOTHING),
        num_classes=cfg.MODEL.NUM_CLASSES,
    )


def _check_multi_label(cfg: Any) -> None:
    """Raise for what lets classes depend on each other, or would be passed over in silence."""
    model = cfg.MODEL
    for key, value, wrong, right in (
        ("LOSS_FUNC", model.LOSS_FUNC, model.LOSS_FUNC != "bce_logit", "bce_logit"),
        ("HEAD_ACT", model.HEAD_ACT, model.HEAD_ACT == "softmax", "sigmoid"),
    ):
        if wrong:
            raise ValueError(
                f"MODEL.{key} is {value!r}, but with DATA.MULTI_LABEL each class is a question of "
                f"its own; set it to {right!r} (MODEL.LOSS_FUNC bce_logit MODEL.HEAD_ACT sigmoid)"
            )
    if model.LABEL_SMOOTHING:
        raise ValueError(
            f"MODEL.LABEL_SMOOTHING is {model.LABEL_SMOOTHING:g}, which spreads the one label of a "
            "video over all classes, but with DATA.MULTI_LABEL there may be several; set it to 0.0"
        )


def _detection_from_cfg(cfg: Any) -> Detection:
    if cfg.MODEL.LOSS_FUNC != "bce" or cfg.MODEL.HEAD_ACT != "sigmoid":
        raise ValueError(
            f"DETECTION.ENABLE is True, MODEL.LOSS_FUNC {cfg.MODEL.LOSS_FUNC!r} and HEAD_ACT "
            f"{cfg.MODEL.HEAD_ACT!r}, but a person in a box may do several things at once, and "
            "heads of boxes give scores while training, too; set them to 'bce' and 'sigmoid'"
        )
    return Detection(
        inputs=input_stage_from_cfg(cfg),
        criterion=make_loss("bce"),
        num_classes=cfg.MODEL.NUM_CLASSES,
        truth=cache(partial(truth_from_cfg, cfg)),
        validated=clock_from_cfg(cfg, "val").takes,
        tested=clock_from_cfg(cfg, "test").takes,
    )


def build_stepper(
    net: nn.Module, model: nn.Module, task: Task, cfg: Any, device: torch.device
) -> Stepper:
    amp = amp_dtype_from_cfg(cfg, enabled=cfg.TRAIN.MIXED_PRECISION)
    limit = float("inf")
    return Stepper(
        model=model,
        loss_fn=task.loss,
        optimizer=optimizer_from_cfg(net, cfg),
        # bfloat16 has the range of float32, so only float16 needs its gradients scaled.
        scaler=torch.amp.GradScaler(device.type, enabled=amp is torch.float16),
        amp_dtype=amp,
        clip_norm=cfg.SOLVER.CLIP_GRAD_L2NORM or limit,
        clip_value=cfg.SOLVER.CLIP_GRAD_VAL or limit,
        parts=min(cfg.TRAIN.GRAD_ACCUM_STEPS, clips_per_process(cfg, "TRAIN")),
        without_exchange=without_exchange(model),
        before_first=BucketOrder(model),
        guard=guard_from_cfg(net, cfg),
    )


def guard_from_cfg(net: nn.Module, cfg: Any) -> Guard:
    """What ON_NONFINITE, MAX_NONFINITE and KILL_LOSS_EXPLOSION_FACTOR of TRAIN ask for."""
    skip = cfg.TRAIN.ON_NONFINITE == "skip"
    return Guard(
        max_skipped=cfg.TRAIN.MAX_NONFINITE if skip else None,
        explosion=cfg.TRAIN.KILL_LOSS_EXPLOSION_FACTOR or float("inf"),
        kept=KeptBuffers(net.buffers() if skip else ()),
    )


def build_trainer(cfg: Any) -> Trainer:
    device = device_from_cfg(cfg)
    task = build_task(cfg)
    net = build_network(cfg, device)
    average = average_from_cfg(net, cfg)  # copies it whole
    model = wrap_model(
        net,
        device=device,
        parallel=cfg.TRAIN.PARALLEL,
        compiled=cfg.MODEL.COMPILE,
        amp_dtype=amp_dtype_from_cfg(cfg, enabled=cfg.TRAIN.MIXED_PRECISION),
        compression=compression_from_cfg(cfg),
        detached=cfg.MODEL.DETACH_FINAL_FC,
    )
    shard = {"rank": dist.rank(), "world": dist.world_size()}
    loader = build_loader(cfg, "train", **shard)
    stepper = build_stepper(net, model, task, cfg, device)
    stepper.after = average.update
    return Trainer(
        net=net,
        model=model,
        task=task,
        stepper=stepper,
        average=average,
        schedule=schedule_from_cfg(cfg),
        loader=loader,
        val_loader=build_loader(cfg, "val", **shard),
        augment=augment_stage_from_cfg(cfg),
        device=device,
        class_names=class_names_from_cfg(cfg),
        phase=Phase(cfg, cfg, 0, cfg.SOLVER.MAX_EPOCH),
        saves=saves_from_cfg(cfg),
    )
