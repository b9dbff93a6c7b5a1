"""Mirrors slowfast/data/readers/packets.py."""

from __future__ import annotations

from slowfast.data.readers.packets import PacketInfo, index_frames


def packets(*times: int | None, keys: tuple[int, ...] = (0,), hidden: tuple[int, ...] = ()) -> list:
    return [PacketInfo(pts, i in keys, i not in hidden) for i, pts in enumerate(times)]


def test_frames_are_in_order_of_presentation() -> None:
    index = index_frames(packets(0, 30, 10, 20))
    assert index is not None
    assert index.pts == [0, 10, 20, 30]
    assert index.packet == [0, 2, 3, 1]


def test_a_clean_key_frame_is_a_start_and_an_open_group_is_not() -> None:
    closed = index_frames(packets(0, 20, 10, 30, 50, 40, keys=(0, 3)))
    assert closed is not None
    assert closed.sync == [0, 3]
    assert [closed.start_for(frame) for frame in range(6)] == [0, 0, 0, 3, 3, 3]
    # Time 20 is shown before the key frame at 30 and depends on the group before it.
    opened = index_frames(packets(0, 10, 30, 20, 40, keys=(0, 2)))
    assert opened is not None
    assert opened.sync == [0]


def test_what_comes_before_the_first_key_frame_is_left_out() -> None:
    index = index_frames(packets(0, 10, 40, 30, 50, keys=(2,)))
    assert index is not None
    assert index.pts == [40, 50]  # 30 is shown before the key frame, so it needs what is missing
    assert index.first == 2


def test_hidden_packets_are_no_frames() -> None:
    index = index_frames(packets(-10, 0, 10, hidden=(0,)))
    assert index is not None
    assert index.pts == [0, 10]
    assert index.first == 0  # it is still decoded


def test_times_that_tell_nothing_are_no_index() -> None:
    assert index_frames(packets(None, None)) is None
    assert index_frames(packets(0, 10, 10)) is None
    assert index_frames([]) is None
