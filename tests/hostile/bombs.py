"""Files of a few bytes that claim, or unfold to, more than memory holds."""

from __future__ import annotations

import struct
import zlib

SIDE = 60_000


def png(width: int = SIDE, height: int = SIDE, grey16: bool = False, extra: bytes = b"") -> bytes:
    """A header that claims a size, and a little data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 16 if grey16 else 8, 0 if grey16 else 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(b"\0" * 9999)) + chunk(
        b"IEND", b""
    )


def text_chunk(megabytes: int) -> bytes:
    """A compressed comment of a PNG."""
    data = b"Comment\0\0" + zlib.compress(b"\0" * (megabytes << 20), 9)
    return struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))


def jpeg(width: int = SIDE, height: int = SIDE) -> bytes:
    frame = struct.pack(">BHHB", 8, height, width, 3) + bytes((1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0))
    scan = bytes((3, 1, 0, 2, 0, 3, 0, 0, 63, 0))
    table = bytes([0, *[1] * 64])
    parts = [(0xDB, table), (0xC0, frame), (0xDA, scan)]
    body = b"".join(b"\xff" + bytes([mark]) + struct.pack(">H", len(data) + 2) + data for mark, data in parts)
    return b"\xff\xd8" + body + b"\0" * 64 + b"\xff\xd9"


def tiff(width: int = SIDE, height: int = SIDE) -> bytes:
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1),
            (278, 4, height), (279, 4, 16)]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0" + b"\0" * 16


def bmp(width: int = SIDE, height: int = SIDE) -> bytes:
    return b"BM" + struct.pack("<IHHI", 70, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, *[0] * 6)


BOMBS = {"png": png(), "jpg": jpeg(), "tif": tiff(), "bmp": bmp()}
EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 16 12
%%EndComments
showpage
"""
