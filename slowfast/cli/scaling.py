"""What many GPUs bring: a model of communication, input and checkpoints, computed, not measured."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from slowfast.cli.arguments import positive
from slowfast.cli.errors import explain_errors
from slowfast.cli.machine import Machine
from slowfast.cli.roofline import step_cost
from slowfast.models.input_spec import example_input
from slowfast.models.zoo import create_model

EXAMPLE = """examples:
  %(prog)s                                      the tables of docs/scaling.md
  %(prog)s --networks mvit_v1_b_16x4 --batch 4 --gpus 8 64
"""
NETWORKS = ("slow_r50_8x8", "slowfast_r50_8x8", "slowfast_r101_8x8", "x3d_m", "mvit_v1_b_16x4")
GPUS = (1, 8, 64, 256)
_BACKWARD = 2 / 3  # of a step, during which gradients are on their way
_LAST_BUCKET = 25 * 2**20  # bytes that DistributedDataParallel sends when backward is over
_MOMENTS = {True: 2, False: 1}  # numbers that the optimizer keeps a weight: AdamW, SGD


@dataclass(frozen=True)
class Cluster:
    """Figures of machines; bytes a second are those of one GPU, one way.

    Args:
        inside, between: to GPUs of the same machine, and of others (NVLink 4; 400 Gbit/s a GPU).
        gpu_hours_between_faults: 50,000 as reported for 16,384 H100 (2407.21783, Sec. 3.3.4).
        disk: bytes a second that rank 0 writes.
    """

    gpu: str = "NVIDIA H100 80GB HBM3"
    gpus_per_machine: int = 8
    inside: float = 450e9
    between: float = 50e9
    gpu_hours_between_faults: float = 50_000.0
    disk: float = 1e9


@dataclass(frozen=True)
class Network:
    """What of a network decides how it scales."""

    name: str
    params: int
    clips_per_s: float  # of one GPU, at the bound of `step_cost`
    adam: bool = False

    @property
    def checkpoint_bytes(self) -> int:
        return 4 * self.params * (1 + _MOMENTS[self.adam])


def exchange_seconds(params: int, gpus: int, cluster: Cluster, *, bytes_each: int = 4) -> float:
    """Time of a ring all-reduce of all gradients: each GPU sends 2 (n - 1) / n of them."""
    if gpus == 1:
        return 0.0
    slowest = cluster.inside if gpus <= cluster.gpus_per_machine else cluster.between
    return 2 * (gpus - 1) / gpus * params * bytes_each / slowest


def efficiency(network: Network, gpus: int, clips: int, cluster: Cluster) -> float:
    """Share of ``gpus`` times one GPU's speed, with ``clips`` a GPU and step.

    Gradients travel while the backward pass makes more of them; only what does not fit into it,
    and the last bucket, are waited for. Slower ranks and slow data come on top.
    """
    step = clips / network.clips_per_s
    whole = exchange_seconds(network.params, gpus, cluster)
    last = min(whole, whole * _LAST_BUCKET / (4 * network.params))
    exposed = max(whole - _BACKWARD * step, last)
    return step / (step + exposed)


def seconds_between_saves(network: Network, gpus: int, cluster: Cluster) -> float:
    """Interval that costs least, sqrt(2 x time of saving x time between faults) (Young, 1974)."""
    saving = network.checkpoint_bytes / cluster.disk
    return math.sqrt(2 * saving * 3600 * cluster.gpu_hours_between_faults / gpus)


def lost_share(network: Network, gpus: int, cluster: Cluster) -> float:
    """Share of the time that saving at that interval and doing steps again take (Daly, 2006)."""
    interval = seconds_between_saves(network, gpus, cluster)
    faults = 3600 * cluster.gpu_hours_between_faults / gpus
    return network.checkpoint_bytes / cluster.disk / interval + interval / 2 / faults


def network_of_zoo(name: str, cluster: Cluster) -> Network:
    """A network of the zoo, as fast as the GPU's memory and arithmetic allow."""
    with torch.device("meta"):
        net = create_model(name)
    cost = step_cost(net, example_input(net))
    bound = cost.bound(Machine("", [], 1, "", cluster.gpu), fused=False)
    assert bound is not None, f"no figures of {cluster.gpu}"
    params = sum(parameter.numel() for parameter in net.parameters())
    return Network(name, params, bound, adam=name.startswith(("mvit", "rev")))


def table(networks: Sequence[Network], gpus: Sequence[int], clips: int, cluster: Cluster) -> str:
    """Markdown, a line for each network and number of GPUs."""
    lines = [
        "| network | GPUs | clips a step | sent a GPU and step, MB | exchange, ms | step, ms | "
        "efficiency | clips/s | save every | lost to faults and saves |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for network in networks:
        for number in gpus:
            sent = 2 * (number - 1) / number * 4 * network.params / 1e6
            share = efficiency(network, number, clips, cluster)
            minutes = seconds_between_saves(network, number, cluster) / 60
            lines.append(
                f"| {network.name} | {number} | {number * clips} | {sent:.0f} | "
                f"{1000 * exchange_seconds(network.params, number, cluster):.1f} | "
                f"{1000 * clips / network.clips_per_s:.1f} | {share:.1%} | "
                f"{number * share * network.clips_per_s:,.0f} | {minutes:.0f} min | "
                f"{lost_share(network, number, cluster):.2%} |"
            )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast scaling") -> int:
    args = parse_args(argv, program)
    return explain_errors(program, lambda: _show(args))


def _show(args: argparse.Namespace) -> int:
    cluster = Cluster(between=args.network_gbit * 1e9 / 8)
    networks = [network_of_zoo(name, cluster) for name in args.networks]
    print(table(networks, args.gpus, args.batch, cluster))
    return 0


def parse_args(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--networks", nargs="+", default=NETWORKS, metavar="NAME", help="of the zoo"
    )
    parser.add_argument("--gpus", nargs="+", type=positive, default=GPUS, metavar="N")
    parser.add_argument("--batch", type=positive, default=8, metavar="N", help="clips a GPU (8)")
    parser.add_argument(
        "--network-gbit",
        type=positive,
        default=400,
        metavar="N",
        help="between machines, Gbit/s a GPU (400)",
    )
    return parser.parse_args(argv)
