"""Mirrors slowfast/data/bad_samples.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slowfast.data.bad_samples import BadSampleLog
from slowfast.data.batch import BadSample

BAD = BadSample(7, "é.mp4", "é.mp4: cut off", replaced_by=3)


def test_a_name_that_is_no_text_comes_back_as_it_was(tmp_path: Path) -> None:
    name = b"bad\xe8.mp4".decode("utf-8", "surrogateescape")
    log = BadSampleLog(tmp_path, max_fraction=1.0)
    log.add([BadSample(7, name, "gone", replaced_by=None)], seen=1)
    assert json.loads(log.path.read_text(encoding="utf-8"))["path"] == name


def test_each_is_a_line_of_json(tmp_path: Path) -> None:
    log = BadSampleLog(tmp_path / "out", max_fraction=1.0, rank=1)
    log.add([], seen=8, epoch=0)
    assert not log.path.exists()
    log.add([BAD], seen=8, epoch=2, batch=4)
    log.add([BAD], seen=8)
    first, second = map(json.loads, (tmp_path / "out/bad_samples.jsonl").read_text().splitlines())
    assert first == {
        "path": "é.mp4",
        "video": 7,
        "cause": "é.mp4: cut off",
        "replaced_by": 3,
        "epoch": 2,
        "batch": 4,
        "evaluation": None,
        "rank": 1,
    }
    assert second["epoch"] is None


def test_a_share_above_the_limit_stops(tmp_path: Path) -> None:
    log = BadSampleLog(tmp_path, max_fraction=0.01)
    log.add([BAD], seen=3)  # one of the first three is no sign of anything
    log.add([], seen=197)
    log.add([BAD], seen=100)
    log.add([BAD], seen=100)
    with pytest.raises(ValueError, match=r"5 of 401 samples could not be read, more than DATA.MAX"):
        log.add([BAD, BAD], seen=1)
    assert len(log.path.read_text().splitlines()) == 5  # the last ones are recorded too


def test_a_wrong_prefix_stops_soon_and_a_limit_of_zero_at_once(tmp_path: Path) -> None:
    log = BadSampleLog(tmp_path, max_fraction=0.01)
    log.add([BAD, BAD], seen=2)
    with pytest.raises(ValueError, match=r"Check DATA.PATH_PREFIX and the files"):
        log.add([BAD], seen=1)
    with pytest.raises(ValueError, match="1 of 1 samples"):
        BadSampleLog(tmp_path, max_fraction=0.0).add([BAD], seen=1)


def test_what_a_resumed_run_notes_again_is_dropped_first(tmp_path: Path) -> None:
    log = BadSampleLog(tmp_path, max_fraction=1.0)
    for epoch, batch in ((0, 5), (1, 1), (1, 2), (1, 3)):
        log.add([BAD], seen=1, epoch=epoch, batch=batch)
    log.begin_evaluation(1)
    log.add([BAD], seen=1)
    with log.path.open("a") as file:
        file.write('{"epoch": 0, "pa')  # a crash

    def noted() -> list[tuple[int | None, int | None]]:
        records = map(json.loads, log.path.read_text().splitlines())
        return [(each["epoch"], each["batch"]) for each in records]

    BadSampleLog(tmp_path, max_fraction=1.0, rank=1).rewind(epoch=0, batch=0)  # not its file
    assert len(log.path.read_text().splitlines()) == 6
    log.rewind(epoch=1, batch=2)
    assert noted() == [(0, 5), (1, 1), (None, None)]
    log.begin_evaluation(2)
    assert noted() == [(0, 5), (1, 1), (None, None)]
    log.begin_evaluation(1)  # again: the first one was cut off
    assert noted() == [(0, 5), (1, 1)]
