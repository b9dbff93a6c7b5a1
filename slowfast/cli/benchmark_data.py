"""Benchmark of the data layer: items in every mode, beside a plain decode and other libraries."""

from __future__ import annotations

import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from torch.utils.data import DataLoader, Dataset

from slowfast.cli.benchmark_decoders import Request, rival_items
from slowfast.cli.benchmark_video import write_benchmark_video
from slowfast.cli.machine import Machine
from slowfast.config import with_values
from slowfast.data.batch import Batch
from slowfast.data.collate import collate
from slowfast.data.datasets.build import dataset_from_cfg, input_stage_from_cfg, make_manifest
from slowfast.data.readers.pyav import open_video
from slowfast.data.window import Window
from slowfast.process_cost import measured
from slowfast.randomness import generator_for

Row = dict[str, Any]
Case = tuple[str, Callable[[int], Any]]  # what it is, and the action in a round

MODES = ("rgb", "yuv", "strict")
LONG_LIST = 2_400_000  # videos
_ITEMS_READ = {"train": 10, "test": 2}  # by the worker whose memory is measured
ALL, NEEDED = "plain decode of all frames", "plain decode of the clip's frames"
# name: width, height, group of pictures, tune
MADE = {
    "kinetics_340x256.mp4": (340, 256, 250, ""),
    "hd_1280x720.mp4": (1280, 720, 250, ""),
    "prepared_340x256.mp4": (340, 256, 32, "fastdecode"),
}


def measure_data(cfg: Any, videos: str | None, repeats: int) -> list[Row]:
    """CPU time of training and test items against plain decoding; then memory."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for path in _videos(videos, Path(folder)):
            rows += _measure_video(path, cfg, repeats)
        rows += _measure_memory(_videos(videos, Path(folder))[0], cfg)
    return rows


def _measure_video(path: Path, cfg: Any, repeats: int) -> list[Row]:
    """All cases in turns, round by round: each round has another random clip, the same for all."""
    requests = [_request(path, cfg, epoch) for epoch in range(repeats + 1)]
    train, test = _train_cases(path, cfg), _test_cases(path, cfg)
    rivals, missing = rival_items(path, cfg.DATA.TRAIN_CROP_SIZE, probe=requests[0])
    plain: list[Case] = [
        (ALL, lambda _: _decode(path, 0, None)),
        (NEEDED, lambda r: _decode(path, requests[r].first, requests[r].indices[-1])),
    ]
    named = [(name, lambda r, run=run: run(requests[r])) for name, run in rivals.items()]
    seconds: dict[str, list[float]] = {}
    sent: dict[str, float] = {}
    for r in range(repeats + 1):
        for what, action in [*plain, *train, *named, *test]:
            since = time.process_time()
            result = action(r)
            spent = time.process_time() - since
            if r:  # the first round pays for what is only done once
                seconds.setdefault(what, []).append(spent)
            if isinstance(result, int):
                sent[what] = result / 1e6
    rows = []
    for what, values in seconds.items():
        base = ALL if what.startswith(("test", ALL)) else NEEDED
        ratios = [a / b for a, b in zip(values, seconds[base], strict=True)]
        row = {
            "source": path.name,
            "what": what,
            "ms": 1000 * statistics.median(values),
            "ratio": statistics.median(ratios),
            "clips_per_s": 1 / statistics.median(values),
        }
        rows.append(row | ({"mb_to_device": sent[what]} if what in sent else {}))
    return rows + [{"source": path.name, "what": name, "missing": why} for name, why in missing]


def _train_cases(path: Path, cfg: Any) -> list[Case]:
    """The item alone, and with all that the device does, on the CPU; they return bytes."""
    cases: list[Case] = []
    for mode in MODES:
        mode_cfg = with_values(cfg, {"DATA.PIXELS": mode})
        data = dataset_from_cfg(mode_cfg, "train", make_manifest([(str(path), 0)]))
        inputs = input_stage_from_cfg(mode_cfg)

        def item(r: int, data: Any = data) -> int:
            return data.read(0, epoch=r).frames.nbytes  # type: ignore[no-any-return]

        def whole(r: int, data: Any = data, inputs: Any = inputs) -> None:
            inputs(collate([data.read(0, epoch=r)]).to("cpu").clips)

        cases += [
            (f"training item, {mode}", item),
            (f"training item, {mode}, and device stage", whole),
        ]
    return cases


def _test_cases(path: Path, cfg: Any) -> list[Case]:
    """The same of an item with all views of a video, which the device gets one by one."""
    cases: list[Case] = []
    for mode in MODES:
        mode_cfg = with_values(cfg, {"DATA.PIXELS": mode})
        data = dataset_from_cfg(mode_cfg, "test", make_manifest([(str(path), 0)]))
        inputs = input_stage_from_cfg(mode_cfg)
        views = len(data.clips.views)  # type: ignore[attr-defined]

        def item(_: int, data: Any = data) -> int:
            return data.read(0).frames.nbytes  # type: ignore[no-any-return]

        def whole(_: int, data: Any = data, inputs: Any = inputs, views: int = views) -> None:
            sample = data.read(0).to("cpu")
            for view in range(views):
                inputs(Batch.of_views(sample, view, view + 1).clips)

        what = f"test item, {views} views, {mode}"
        cases += [(what, item), (f"{what}, and device stage", whole)]
    return cases


def _request(path: Path, cfg: Any, epoch: int) -> Request:
    """What the training item of this epoch reads: the numbers and the window that it draws."""
    clips: Any = dataset_from_cfg(cfg, "train", make_manifest([])).clips
    key = (clips.seed, clips.split, epoch, 0)
    with open_video(path) as source:
        drawn = clips.sampler(source.num_frames, source.fps, generator_for(*key, "clip", 0))
        plan = clips.crop(source.height, source.width, generator_for(*key, "crop", 0))
        indices = drawn.unique().tolist()
        return Request(indices, source.group_of(indices[0]), Window.of(plan))


def _decode(path: Path, first: int, last: int | None) -> None:
    """What any loader must at least do: decode frames ``first`` to ``last``, convert none."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        if first:
            times = sorted(p.pts for p in container.demux(stream) if p.pts is not None)
            container.seek(times[first], stream=stream)
        for number, _ in enumerate(container.decode(stream), first):
            if last is not None and number >= last:
                return


def _measure_memory(path: Path, cfg: Any) -> list[Row]:
    """Memory of a loader's worker beside what it sends, and of one that reads a long list."""
    if sys.platform != "linux":
        return []
    rows = []
    for mode in MODES[:2]:
        for split in ("train", "test"):
            mode_cfg = with_values(cfg, {"DATA.PIXELS": mode})
            data = dataset_from_cfg(mode_cfg, split, make_manifest([(str(path), 0)]))
            (grown,) = DataLoader(_Reading(data, split), batch_size=None, num_workers=1)
            what = f"worker, {split} items, {mode}"
            rows.append({"source": path.name, "what": what, "mb_memory": grown})
    _make_long_list_known()
    with multiprocessing.get_context("fork").Pool(1) as pool:  # as loaders do
        private = pool.apply(_private_of_long_list)
    what = f"worker, list of {LONG_LIST:,} videos"
    return [*rows, {"source": "", "what": what, "mb_memory": private}]


@dataclass
class _Reading(Dataset):
    """One item: the memory that reading takes of the worker that is asked for it."""

    data: Any
    split: str

    def __len__(self) -> int:
        return 1

    def __getitem__(self, _: int) -> float:
        with measured() as cost:
            for epoch in range(_ITEMS_READ[self.split]):
                sent: Any = None  # the training process has taken the last one
                sent = self.data[epoch, 0]
                if self.split == "train":
                    sent = collate([sent])
        del sent
        return cost.megabytes


_long_list: Any = None


def _make_long_list_known() -> None:
    """Before a process forks, as a loader does."""
    global _long_list
    _long_list = make_manifest((f"abseiling/video_{i:08d}.mp4", i % 400) for i in range(LONG_LIST))


def _private_of_long_list() -> float:
    before = _private_mb()
    for row in range(0, LONG_LIST, LONG_LIST // 20_000):
        _long_list[row]
    return _private_mb() - before


def _private_mb() -> float:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private")) / 1024


def _videos(folder: str | None, scratch: Path) -> list[Path]:
    if folder is not None:
        files = sorted(p for p in Path(folder).iterdir() if p.is_file())
        if not files:
            raise ValueError(f"--videos {folder}: expected a folder with videos, found none")
        return files
    for name, (width, height, gop, tune) in MADE.items():
        if not (scratch / name).exists():
            write_benchmark_video(scratch / name, width=width, height=height, gop=gop, tune=tune)
    return [scratch / name for name in MADE]


def print_data(rows: list[Row], machine: Machine) -> None:
    print(machine)
    print(
        f"{'source':<22} {'what':<44} {'ms':>8} {'ratio':>6} {'per s':>7} {'MB sent':>8} MB grown"
    )
    for row in rows:
        line = f"{row['source'][:22]:<22} {row['what']:<44} "
        if "missing" in row:
            line += row["missing"]
        elif "ms" in row:
            line += f"{row['ms']:8.1f} {row['ratio']:6.2f} {row['clips_per_s']:7.1f} "
        line += f"{row['mb_to_device']:8.1f}" if "mb_to_device" in row else ""
        line += f"{row['mb_memory']:41.1f}" if "mb_memory" in row else ""
        print(line.rstrip())
    print("ratio: to a plain decode, of the clip's frames for training, of all frames for test")
