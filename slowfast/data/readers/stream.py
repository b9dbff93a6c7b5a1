"""The video stream of a file: opened with its guards up, read once, and decoded from any packet."""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import av
from av.stream import Discard

from slowfast.data.readers.container import FilePart
from slowfast.data.readers.packets import PacketInfo
from slowfast.data.readers.timing import PacketTime, declared_seconds, fault_in_times
from slowfast.data.readers.video_error import VideoError

KEPT_BYTES = 64 << 20  # compressed video kept in memory, so that a file is read once

# Containers of video. Playlists, scripts and session descriptions, which make a reader open other
# files or sockets whatever their own name is, are not among them.
_FORMATS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,h264,hevc,m4v,flv,asf,ogg,gif,ivf,obu,nut,"
    "mxf,dv,rm,vc1"
)
_INDEXED = ("mov", "matroska")  # they say reliably which packets are key frames
# They have no presentation times, and what is made up for them is wrong where B-frames share a
# packet with what they are predicted from, as in many old data sets (UCF101, HMDB51).
_UNTIMED = ("avi", "h264", "hevc", "m4v", "mpegvideo", "vc1", "obu")
# Before version 17.1, PyAV crashes on options for files that show no stream before the probe.
_TAKES_LIMITS = tuple(int(part) for part in av.__version__.split(".")[:2]) >= (17, 1)
_COLOURS = ("colorspace", "color_range", "color_primaries", "color_trc")
_FAILURES = (av.FFmpegError, OSError, EOFError, MemoryError)
_ADVICE = "get it again, or leave such videos out (DATA.ON_BAD_SAMPLE)"


class VideoStream:
    """The first video stream of a container that is not a cover picture.

    Attributes:
        packets: what the container says of each packet, in decoding order.
        rate: frames per second by the header, None if it says nothing.
        time_base: seconds per unit of time stamps.
        indexed: whether key frames are marked reliably.
        timed: whether packets have presentation times.
        codec, settings: the decoder's name, and the header of the stream that it gets.
    """

    def __init__(
        self, path: str, container: Any, *, max_pixels: int, part: FilePart | None = None
    ) -> None:
        self.path, self.max_pixels, self.part = path, max_pixels, part
        self.number, stream = self._choose(container)
        rate = stream.average_rate or stream.guessed_rate
        self.rate = float(rate) if rate else None
        self.time_base = float(stream.time_base or 0)
        container_name = container.format.name.split(",")[0]
        self.indexed, self.timed = container_name in _INDEXED, container_name not in _UNTIMED
        self._codec = stream.codec_context
        # Decoder threads and the processes of a loader get into each other's way.
        self._codec.thread_type, self._codec.thread_count = "NONE", 1
        self.codec, self.settings = self._codec.name, bytes(self._codec.extradata or b"")
        # "explode" reports damage that the decoder would else paint over.
        self._codec.options = {"max_pixels": str(max_pixels), "err_detect": "explode"}
        self._colours = {name: getattr(self._codec, name) for name in _COLOURS}
        self._kept: list[Any] | None = []
        declared = declared_seconds(stream.metadata) if container_name == "matroska" else None
        self.packets = self._read(container, declared)

    def frames(
        self,
        first: int,
        *,
        begin: int | None = None,
        wanted: Collection[int] = (),
    ) -> Iterator[tuple[int, Any]]:
        """(packets used, decoded frame) in order of presentation, from packet ``first`` on.

        Args:
            begin: packets shown before this time may fail: they are predicted from what came
                before packet ``first``.
            wanted: packets whose frames are wanted; frames that no other is predicted from are
                then left out, and what comes after the last. Empty: all frames are.

        Raises:
            VideoError: the decoder reports damage, or a frame is too large.
        """
        self._codec.flush_buffers()
        # A decoder keeps those it saw last, for parts of a stream that say nothing of theirs.
        for name, value in self._colours.items():
            setattr(self._codec, name, value)
        self._codec.skip_frame = "DEFAULT"
        used, end = first, max(wanted, default=len(self.packets)) + 1
        skips = False
        for packet in self._from(first, end):
            if wanted and (used in wanted) == skips:
                skips = not skips
                self._codec.skip_frame = "NONREF" if skips else "DEFAULT"
            used += packet is not None
            try:
                frames = self._codec.decode(packet)
            except _FAILURES as error:
                if begin is not None and packet is not None and packet.pts < begin:
                    continue
                raise self.error(
                    f"packet {used - 1} can't be decoded ({_reason(error)})"
                ) from error
            for frame in frames:
                self._check_pixels(frame.width, frame.height)
                if frame.is_corrupt:
                    raise self.error("a frame is damaged")
                yield used, frame

    def compressed(self) -> Iterator[Any]:
        """All packets in decoding order, as PyAV gives them."""
        return (packet for packet in self._from(0, len(self.packets)) if packet is not None)

    def error(self, found: str, *, advice: str = _ADVICE) -> VideoError:
        return VideoError(f"{self.path}: {found}", advice=advice)

    def _choose(self, container: Any) -> tuple[int, Any]:
        for number, stream in enumerate(container.streams.video):
            if "attached_pic" in str(stream.disposition):
                continue
            codec = stream.codec_context
            if codec is None:
                raise self.error("its video codec is unknown", advice="convert it to H.264")
            self._check_pixels(codec.width or 0, codec.height or 0)
            return number, stream
        raise self.error("expected a video stream, found none", advice="take it off the list")

    def _check_pixels(self, width: int, height: int) -> None:
        if width * height > self.max_pixels:
            raise self.error(
                f"expected frames of at most {self.max_pixels} pixels, found {width}x{height}",
                advice="raise DATA.MAX_PIXELS if that is no mistake",
            )

    def _read(self, container: Any, declared: float | None) -> list[PacketInfo]:
        """Read all packets without decoding; keep them unless there is too much."""
        infos, times, size = [], [], 0
        is_shown = _is_shown_vp8 if self._codec.name in ("vp8", "libvpx") else _is_shown
        for packet in self._demux(container):
            infos.append(PacketInfo(packet.pts, packet.is_keyframe, is_shown(packet)))
            times.append(PacketTime(packet.pts, packet.dts, packet.duration or 0))
            size += packet.size
            if size > KEPT_BYTES:
                self._kept = None
            if self._kept is not None:
                self._kept.append(packet)
        fault = fault_in_times(times, self.time_base, declared=declared) if self.timed else ""
        if fault:
            raise self.error(fault)
        return infos

    def _from(self, first: int, end: int) -> Iterator[Any]:
        """Packets ``first`` to ``end`` in decoding order, and None for the end of the stream."""
        if self._kept is not None:
            yield from self._kept[first:end]
        else:
            options: Any = {"max_pixels": self.max_pixels, "part": self.part}
            with open_container(self.path, **options) as container:
                for i, packet in enumerate(islice(self._demux(container), end)):
                    if i >= first:
                        yield packet
        yield None

    def _demux(self, container: Any) -> Iterator[Any]:
        chosen = container.streams.video[self.number]
        if self.indexed:  # so that sound is not even read
            for stream in container.streams:
                if stream.index != chosen.index:
                    stream.discard = Discard.all
        try:
            for packet in container.demux(chosen):
                if packet.is_corrupt:
                    raise self.error("a packet is cut off or lost")
                if packet.size:  # the last one, which tells the end, is empty
                    yield packet
        except _FAILURES as error:
            raise self.error(f"it can't be read to its end ({_reason(error)})") from error


@contextmanager
def open_container(path: str, *, max_pixels: int, part: FilePart | None = None) -> Iterator[Any]:
    """A PyAV container of the file, and of nothing else.

    Args:
        part: where in which file the video is; ``path`` only names it then.

    Raises:
        VideoError: it is no video.
    """
    try:
        container = av.open(
            # "file:" keeps names like "concat:a.mp4" and "10:30.mp4" plain names.
            part.url if part else f"file:{path}",
            container_options={
                "format_whitelist": _FORMATS,
                "protocol_whitelist": "file,subfile" if part else "file",
            },
            # Given at open, or the probe already decodes a frame of any size.
            options={"max_pixels": str(max_pixels)} if _TAKES_LIMITS else {},
            metadata_errors="ignore",
        )
    except _FAILURES as error:
        raise VideoError(
            f"{path}: expected a video file, found none that can be read ({_reason(error)})",
            advice=_ADVICE,
        ) from error
    try:
        yield container
    finally:
        container.close()


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error)
    if getattr(error, "errno", None) == errno.EINVAL:
        text += ", perhaps no container of videos, or frames larger than DATA.MAX_PIXELS"
    return text


def _is_shown(packet: Any) -> bool:
    return not packet.is_discard


def _is_shown_vp8(packet: Any) -> bool:
    """VP8 has packets that are only referred to (RFC 6386, Sec. 9.1, show_frame)."""
    return not packet.is_discard and bool(memoryview(packet)[0] >> 4 & 1)
