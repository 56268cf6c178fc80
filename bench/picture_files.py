"""Opening pictures that may come from somebody else: few formats, a limit on pixels, one kind of complaint."""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from bench.reading import MIB, read_bytes

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "PPM", "GIF")
"""What is read, whatever a file is called: Pillow hands others (EPS) to programs that it starts."""
MOST_PIXELS = 100_000_000
"""Width times height: a camera of 100 megapixels. It is looked at before any pixel is decoded."""
MOST_BYTES = 1024 * MIB
"""A file that decodes to no more than `MOST_PIXELS` of 16-bit colour, uncompressed."""


def open_picture(source: Path | bytes) -> Image.Image:
    """A decoded picture of a file or of its bytes.

    Raises:
        OSError: the file is not there, or cannot be read.
        ValueError: it is no picture, of none of `FORMATS`, too large, or broken; whatever a decoder raises becomes
            this, in one line.
    """
    data = read_bytes(source, MOST_BYTES) if isinstance(source, Path) else source
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow's own, lower limit and of broken metadata
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            check_pixels(*image.size)
            image.load()
            return image
    except UnidentifiedImageError:
        raise ValueError("not an image (PNG, JPEG, BMP, WebP, TIFF, PPM or GIF)") from None
    except Image.DecompressionBombError as error:  # Pillow's own limit, above ours, is looked at first
        raise _too_many(int((re.findall(r"\d+", str(error)) or [2 * MOST_PIXELS])[0])) from None
    except _TooManyPixels:
        raise
    except Exception as error:  # decoders raise whatever broken bytes lead them to
        raise ValueError((str(error).splitlines() or [""])[0] or type(error).__name__) from None


class _TooManyPixels(ValueError):
    pass


def check_pixels(width: int, height: int) -> None:
    """Raise `ValueError` for a size that is not decoded."""
    if width * height > MOST_PIXELS:
        raise _too_many(width * height)


def _too_many(pixels: int) -> _TooManyPixels:
    million = 10**6
    return _TooManyPixels(
        f"{pixels // million:,} million pixels, at most {MOST_PIXELS // million} million are read; shrink it"
    )
