"""Videos in folders of classes, from the command line to predictions with names."""

from __future__ import annotations

import json
from pathlib import Path

from slowfast.cli.run import main

CONFIG = Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml"


def test_a_folder_of_classes_is_trained_and_tested(
    motions: Path, tiny: list[str], tmp_path: Path
) -> None:
    names = (motions / "classes.txt").read_text().split()[:2]
    for split in ("train", "val", "test"):
        for line in (motions / f"{split}.csv").read_text().splitlines():
            path, label = line.rsplit(" ", 1)
            if int(label) < len(names):
                folder = tmp_path / "mine" / split / names[int(label)]
                folder.mkdir(parents=True, exist_ok=True)
                (folder / Path(path).name).symlink_to(motions / path)
    keys = {
        "TRAIN.DATASET": "folder",
        "TEST.DATASET": "folder",
        "DATA.PATH_TO_DATA_DIR": str(tmp_path / "mine"),
        "MODEL.NUM_CLASSES": "2",
        "SOLVER.MAX_EPOCH": "1",
        "TRAIN.BATCH_SIZE": "2",
        "TEST.BATCH_SIZE": "2",
    }
    overrides = [part for pair in keys.items() for part in pair]
    assert main(["--cfg", str(CONFIG), *tiny, *overrides]) == 0
    lines = (tmp_path / "run" / "predictions.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert [each["label_name"] for each in found] == sorted(names)
    assert [Path(each["video"]).parent.name for each in found] == sorted(names)
    data = json.loads((tmp_path / "run" / "data.json").read_text())
    assert (data["train"]["videos"], data["train"]["classes"]) == (4, 2)
