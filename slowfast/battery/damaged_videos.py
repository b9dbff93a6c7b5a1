"""Writes files that are no videos, damaged ones, and some that mean harm."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

PORT = 47391  # of the servers that harmful files name; nobody listens there but the check
CANARY = "canary.ts"  # the file that they name
_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Bad:
    """A file, and within how many seconds and MB the reader must be done with it.

    Attributes:
        refused: it must be refused; else frames may come, if they are right.
    """

    path: Path
    refused: bool
    seconds: float
    megabytes: float


def write_non_videos(folder: Path, *, seed: int) -> Iterator[Bad]:
    """Files and other things with the names of videos."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    content = {
        "empty.mp4": b"",
        "one_byte.mp4": b"\0",
        "list.mp4": b"videos/a.mp4 3\n" * 500,
        "page.mp4": b"<!DOCTYPE html><html><title>404</title><p>Video unavailable</p></html>\n",
        "noise.mp4": random.bytes(200_000),
        "zeros.mp4": bytes(300_000),
        "pointer.mp4": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n",
        "archive.mp4": b"PK\x03\x04" + random.bytes(5000),
        "only_ftyp.mp4": struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 512),
        "nested.mp4": _nested_boxes(20_000),
    }
    for name, data in content.items():
        (folder / name).write_bytes(data)
    _write_sound(folder / "sound.mp4")
    (folder / "folder.mp4").mkdir(exist_ok=True)
    for name, target in (("gone.mp4", "nothing"), ("loop.mp4", "loop.mp4"), ("zero.mp4", "")):
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(target or "/dev/zero")
    os.mkfifo(folder / "pipe.mp4")
    names = [*content, "sound.mp4", "folder.mp4", "gone.mp4", "loop.mp4", "zero.mp4", "pipe.mp4"]
    for name in names:
        yield Bad(folder / name, True, 1.0, 200)


def write_damaged(folder: Path, original: Path, *, other: Path, seed: int) -> Iterator[Bad]:
    """Copies of a valid file, each spoilt in a way of its own, some with parts of another one."""
    folder.mkdir(parents=True, exist_ok=True)
    data = original.read_bytes()
    random = np.random.default_rng([seed, zlib.crc32(original.name.encode())])
    for name, spoilt in _spoil(data, other.read_bytes(), random):
        path = folder / f"{original.stem}_{name}{original.suffix}"
        if spoilt != data:
            path.write_bytes(spoilt)
            yield Bad(path, False, 10.0, 400)


def _spoil(data: bytes, other: bytes, random: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    size = len(data)
    for percent in (1, 25, 50, 90, 99):
        yield f"cut_{percent}", data[: max(1, size * percent // 100)]
    for exponent in (5, 4, 3):
        bits = np.frombuffer(data, np.uint8).copy()
        count = max(1, size * 8 // 10**exponent)
        where = random.integers(0, size * 8, count)
        np.bitwise_xor.at(bits, where // 8, (1 << (where % 8)).astype(np.uint8))
        yield f"flipped_1e-{exponent}", bits.tobytes()
    begin, length = int(random.integers(0, size * 3 // 4)), size // 5
    yield "hole", data[:begin] + bytes(length) + data[begin + length :]
    yield "lost_block", data[:begin] + data[begin + 512 :]
    yield "doubled_block", data[: begin + 512] + data[begin:]
    half = size // 2
    yield "swapped", data[half:] + data[:half]
    yield "other_end", data[:half] + other[len(other) // 2 :]
    yield "appended_noise", data + random.bytes(3000)
    yield "other_header", other[:64] + data[64:]
    yield "noise_header", random.bytes(64) + data[64:]
    for name, value in (("most", 0x7FFFFFFF), ("all_ones", 0xFFFFFFFF), ("none", 0)):
        for box in (b"stts", b"stsz", b"mdhd", b"stco"):
            at = data.find(box)
            if at > 0:
                field = at + (20 if box == b"mdhd" else 12 if box == b"stsz" else 8)
                spoilt = data[:field] + struct.pack(">I", value) + data[field + 4 :]
                yield f"{box.decode()}_{name}", spoilt


def write_bombs(folder: Path) -> Iterator[Bad]:
    """Small files that become very large."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_pngs(folder / "huge.mov", [(16000, 16000)], declared=(16000, 16000))
    yield Bad(folder / "huge.mov", True, 0.5, 200)
    _write_pngs(folder / "lying.mov", [(160, 96)] * 2 + [(9000, 9000)] * 2, declared=(160, 96))
    yield Bad(folder / "lying.mov", True, 0.5, 200)
    _write_pngs(folder / "small_claim.mov", [(12000, 12000)], declared=(160, 96))
    yield Bad(folder / "small_claim.mov", True, 0.5, 200)


def write_playlists(folder: Path) -> Iterator[Bad]:
    """Files that would make a reader open other files, or listen."""
    folder.mkdir(parents=True, exist_ok=True)
    url = f"http://{_HOST}:{PORT}/x.ts"
    texts = {
        "hls.mp4": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\n"
        f"{CANARY}\n#EXTINF:2.0,\n{url}\n#EXT-X-ENDLIST\n",
        "hls_net.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\n" + url + "\n",
        "concat.mp4": f"ffconcat version 1.0\nfile {CANARY}\nfile {CANARY}\n",
        "session.mp4": f"v=0\no=- 0 0 IN IP4 {_HOST}\ns=x\nc=IN IP4 {_HOST}\nt=0 0\n"
        f"m=video {PORT} RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "dash.mp4": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"'
        ' mediaPresentationDuration="PT2S"><Period><AdaptationSet mimeType="video/mp4">'
        f'<Representation id="1" bandwidth="1"><BaseURL>{CANARY}</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>",
        "pictures_%03d.mp4": "x",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
        yield Bad(folder / name, True, 1.0, 200)


def _nested_boxes(depth: int) -> bytes:
    """Boxes in boxes: what a reader that calls itself dies of."""
    sizes = range(8 * depth, 0, -8)
    inner = b"".join(struct.pack(">I4s", size, b"moov") for size in sizes)
    return struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 512) + inner


def _write_sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("aac", rate=16000)
        silence = np.zeros((1, 16000), np.int16)
        piece = av.AudioFrame.from_ndarray(silence, format="s16", layout="mono")
        piece.sample_rate, piece.pts = 16000, 0
        container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


def _write_pngs(path: Path, sizes: list[tuple[int, int]], *, declared: tuple[int, int]) -> None:
    """A QuickTime file of black PNG pictures, whose header claims another size."""
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream: Any = container.add_stream("png", rate=30)
        stream.width, stream.height, stream.pix_fmt = *declared, "rgb24"
        for i, (width, height) in enumerate(sizes):
            packet = av.Packet(_black_png(width, height))
            packet.pts = packet.dts = i
            packet.time_base, packet.is_keyframe = Fraction(1, 30), True
            packet.stream = stream
            container.mux(packet)


def _black_png(width: int, height: int) -> bytes:
    """Put together from compressed pieces: the picture is never held (ISO/IEC 15948)."""
    size, piece = height * (1 + 3 * width), 1 << 20
    data = b"\x78\x01" + _deflated(piece) * (size // piece) + _deflated(size % piece) + b"\3\0"
    data += struct.pack(">HH", size % 65521, 1)  # Adler-32 of zeros (RFC 1950)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _deflated(size: int) -> bytes:
    """Zeros, compressed so that more of them may follow."""
    pack = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return pack.compress(bytes(size)) + pack.flush(zlib.Z_FULL_FLUSH)
