"""Mirrors slowfast/battery/*video*.py and watch.py: a small battery, and whether it can fail."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import av
import pytest

from slowfast.battery.damaged_videos import (
    CANARY,
    PORT,
    Bad,
    write_bombs,
    write_damaged,
    write_non_videos,
    write_playlists,
)
from slowfast.battery.valid_videos import KINDS, Valid, draw, number_of, write_kind, write_valid
from slowfast.battery.video_checks import (
    check_bad,
    check_playlist,
    check_valid,
    decode_often,
)
from slowfast.battery.watch import Watch
from slowfast.data.content import sha256_of
from slowfast.data.record import Record

QUICK = ["open_gop.mp4", "turned.mp4", "piped.avi", "bursts.mkv", "odd_size.webm", "plain.ts"]
linux = pytest.mark.skipif(sys.platform != "linux", reason="inotify and /proc are Linux's")


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Valid]:
    folder = tmp_path_factory.mktemp("valid")
    files = list(write_valid(folder, seed=3, names=[*QUICK, "plain.mkv", "index_first.mp4"]))
    return {each.path.name: each for each in files}


def test_frames_say_which_they_are() -> None:
    for number in (0, 1, 511, 1023):
        assert number_of(draw(number, width=96, height=48, seed=0)) == number
    grey = draw(0, width=96, height=48, seed=0) * 0 + 120
    assert number_of(grey) is None


@pytest.mark.parametrize("name", QUICK)
def test_odd_files_are_read_right(name: str, valid: dict[str, Valid]) -> None:
    assert check_valid(valid[name], seed=0).fault == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_all_odd_files_are_read_right(name: str, tmp_path: Path) -> None:
    for each in write_valid(tmp_path, seed=1, names=[name]):
        assert check_valid(each, seed=1).fault == ""


def test_a_wrong_frame_would_be_noticed(valid: dict[str, Valid]) -> None:
    path = valid["turned.mp4"].path
    assert "in order, found" in check_valid(Valid(path, 40, (160, 96), False), seed=0).fault
    assert "expected 39 frames" in check_valid(Valid(path, 39, (160, 96), True), seed=0).fault
    gone = Valid(path.with_name("gone.mp4"), 40, (160, 96), False)
    assert check_valid(gone, seed=0).fault.startswith("refused: ")


def test_what_is_no_video_is_refused_at_once(tmp_path: Path) -> None:
    files = list(write_non_videos(tmp_path, seed=0))
    assert len(files) >= 14
    verdicts = [check_bad(each, frames=0, sha256="") for each in files]
    assert {v.name: (v.outcome, v.fault) for v in verdicts} == {
        each.path.name: ("refused", "") for each in files
    }


@pytest.mark.parametrize(
    "name",
    [
        "plain.mkv",
        pytest.param("index_first.mp4", marks=pytest.mark.slow),
        pytest.param("plain.ts", marks=pytest.mark.slow),
    ],
)
def test_damage_ends_in_an_error_or_is_known_by_its_hash(
    name: str, valid: dict[str, Valid], tmp_path: Path
) -> None:
    original = valid[name]
    sha256 = sha256_of(Record(str(original.path)))
    other = valid["turned.mp4"].path
    files = list(write_damaged(tmp_path, original.path, other=other, seed=5))
    assert len(files) >= 14
    verdicts = [check_bad(each, frames=original.frames, sha256=sha256) for each in files]
    assert [verdict for verdict in verdicts if verdict.fault] == []
    assert sum(verdict.outcome == "refused" for verdict in verdicts) > len(files) // 2


def test_bombs_are_refused_before_they_go_off(tmp_path: Path) -> None:
    for each in write_bombs(tmp_path):
        verdict = check_bad(each, frames=0, sha256="")
        assert (verdict.outcome, verdict.fault) == ("refused", "")


def test_limits_are_held_against_the_reader(valid: dict[str, Valid]) -> None:
    path = valid["plain.mkv"].path
    assert check_bad(Bad(path, True, 9, 900), frames=40, sha256="").fault == (
        "expected it to be refused, found 40 frames"
    )
    assert "s, more than 0" in check_bad(Bad(path, False, 0, 900), frames=40, sha256="").fault
    same = sha256_of(Record(str(path)))
    assert check_bad(Bad(path, False, 9, 900), frames=40, sha256=same).fault == (
        "its hash is that of the valid file"
    )


@pytest.fixture(scope="module")
def playlists(tmp_path_factory: pytest.TempPathFactory) -> list[Bad]:
    folder = tmp_path_factory.mktemp("playlists")
    write_kind(folder / CANARY, KINDS["plain.ts"], seed=0)
    return list(write_playlists(folder))


@linux
def test_playlists_open_nothing(playlists: list[Bad]) -> None:
    for each in playlists:
        verdict = check_playlist(each)
        assert (verdict.outcome, verdict.fault) == ("refused", ""), each.path.name


@linux
def test_an_open_without_guards_would_be_noticed(playlists: list[Bad]) -> None:
    """The same files, as FFmpeg opens them when it is left alone."""
    seen: dict[str, str] = {}
    unsafe = {"safe": "0", "extension_picky": "0", "allowed_extensions": "ALL"}
    for name in ("hls.mp4", "hls_net.mp4", "concat.mp4", "session.mp4"):
        path = next(each.path for each in playlists if each.path.name == name)
        options = {"protocol_whitelist": "file,http,tcp,udp,rtp", **unsafe}
        with Watch(path.parent / CANARY, PORT) as watch:
            try:
                kind = "hls" if name.startswith("hls") else None
                with av.open(
                    str(path), format=kind, container_options=options, timeout=1.0
                ) as container:
                    next(container.decode(video=0), None)
            except (av.FFmpegError, OSError):
                pass  # what counts is what was opened on the way
        seen[name] = ", ".join(watch.seen)
    assert f"{CANARY} was opened" in seen["hls.mp4"]
    assert f"TCP port {PORT} was connected to" in seen["hls_net.mp4"]
    assert f"{CANARY} was opened" in seen["concat.mp4"]
    assert f"UDP port {PORT} was opened" in seen["session.mp4"]
    with Watch(path.parent / CANARY, PORT) as watch, socket.socket(type=socket.SOCK_DGRAM) as own:
        own.bind(("127.0.0.1", PORT))
        watch._ended.wait(0.05)
    assert watch.seen == [f"UDP port {PORT} was opened"]


def test_decoding_often_leaves_nothing_behind(valid: dict[str, Valid], tmp_path: Path) -> None:
    broken = tmp_path / "cut.mp4"
    broken.write_bytes(valid["turned.mp4"].path.read_bytes()[:-500])
    paths = (*(valid[name].path for name in ("plain.ts", "bursts.mkv", "piped.avi")), broken)
    found = decode_often((paths, 300))
    assert found.files_after == found.files_before
    assert found.slope / 10_000 * 150 < 8  # MB; what 150 decodes gain and lose by chance
