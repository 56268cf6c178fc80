"""From linear radiance to a photograph: lens, sensor, exposure, colour, JPEG. Labels follow the same lens warp.

The order is that of the light: depth of field, distortion and lateral chromatic aberration, vignetting, exposure and
white balance gains, shot and read noise, demosaicing blur, tone curve, sharpening, JPEG.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from bench.samples import U8
from bench.worlds.rendering.mesh import F64
from bench.worlds.rendering.textures import to_u8

Scalar = TypeVar("Scalar", bound=np.generic)
_BLURS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)  # pixels; depth of field mixes these


@dataclass(frozen=True, slots=True)
class CameraBody:
    """Constants of one individual camera.

    Attributes:
        barrel: distortion at the middle of an edge, as a share of its distance from the centre (> 0: barrel).
        shift: optical centre off the image centre, (x, y) in half image widths.
        chromatic: difference of magnification between red and green (and green and blue).
        vignette: loss of light in the corner, 0 to 1.
        focus: distance in metres that is sharp.
        blur: radius of the blur per dioptre off focus, as a share of the image's width.
        sharpening: strength of the camera's unsharp mask.
        read_noise, shot_noise: standard deviations at base sensitivity, at black and at white.
    """

    barrel: float
    shift: tuple[float, float]
    chromatic: float
    vignette: float
    focus: float
    blur: float
    sharpening: float
    read_noise: float = 0.004
    shot_noise: float = 0.010

    @classmethod
    def draw(cls, rng: np.random.Generator, focus: float) -> CameraBody:
        """An individual of a cheap built-in camera, focused at about ``focus`` metres."""
        return cls(
            barrel=float(rng.uniform(0.02, 0.06)), shift=(float(rng.normal(0, 0.012)), float(rng.normal(0, 0.012))),
            chromatic=float(rng.uniform(0.0008, 0.0025)), vignette=float(rng.uniform(0.25, 0.45)),
            focus=focus * float(rng.uniform(0.94, 1.06)), blur=float(rng.uniform(0.012, 0.035)),
            sharpening=float(rng.uniform(0.3, 0.8)),
        )

    def margin(self, size: int) -> int:
        """How many pixels beyond the frame the warp may read for images of ``size`` pixels."""
        corner = self._radial(np.array(2 * (1 + max(map(abs, self.shift))) ** 2))
        return int(np.ceil(size / 2 * (float(corner) * (1 + self.chromatic) - 1))) + 2

    def _radial(self, squared: F64) -> F64:
        """Magnification at squared radius (half image widths); 1 at the middle of an edge."""
        return (1 + self.barrel * squared) / (1 + self.barrel)

    def source(self, size: int, margin: int, scale: float = 1.0) -> F64:
        """(2, size, size): row and column of the ideal image (with ``margin``) that each output pixel shows."""
        half = size / 2
        axis = (np.arange(size) + 0.5 - half) / half
        x, y = axis[None, :] - self.shift[0], axis[:, None] - self.shift[1]
        gain = self._radial(x * x + y * y) * scale
        middle = half + margin - 0.5
        rows, columns = (y * gain + self.shift[1]) * half + middle, (x * gain + self.shift[0]) * half + middle
        return np.stack([rows, columns])


def warp_labels(label: NDArray[Scalar], body: CameraBody, size: int, margin: int) -> NDArray[Scalar]:
    """Bring an (H, W) label map of the ideal image into the photograph's frame (nearest neighbour)."""
    row, column = np.rint(body.source(size, margin)).astype(np.int64)
    return np.asarray(label[row.clip(0, label.shape[0] - 1), column.clip(0, label.shape[1] - 1)])


def photograph(linear: F64, depth: F64, body: CameraBody, size: int, rng: np.random.Generator) -> bytes:
    """Take a picture: JPEG bytes, (size, size).

    ``linear`` is (size + 2 m, size + 2 m, 3) linear RGB radiance >= 0 with a margin m, ``depth`` its depth in metres
    (0 = far away). ``rng`` draws what differs from picture to picture: errors of exposure and white balance,
    sensitivity, camera shake and JPEG quality.
    """
    margin = (linear.shape[0] - size) // 2
    light = _lens(_defocus(linear, depth, body.focus, body.blur * size), body, size, margin)
    light = _expose(light, rng)
    sensitivity = 2.0 ** rng.uniform(-1.0, 1.2)
    spread = np.sqrt((body.read_noise * sensitivity) ** 2 + body.shot_noise**2 * sensitivity * light)
    light = light + rng.normal(0, 1, light.shape) * spread
    light = ndimage.gaussian_filter(light, (0.35, 0.35, 0))
    if rng.random() < 0.2:
        light = _shaken(light, float(rng.uniform(0, np.pi)), size * float(rng.uniform(0.006, 0.014)))
    encoded = _tone(light.clip(0))
    encoded += body.sharpening * (encoded - ndimage.gaussian_filter(encoded, (1.0, 1.0, 0)))
    encoded = 0.5 + (encoded - 0.5) * rng.uniform(0.98, 1.10)
    buffer = io.BytesIO()
    Image.fromarray(to_u8(encoded)).save(buffer, "JPEG", quality=int(rng.integers(62, 93)), subsampling=2)
    return buffer.getvalue()


def decode(data: bytes) -> U8:
    """The (H, W, 3) picture that a viewer sees."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB")).astype(np.uint8)


def _defocus(light: F64, depth: F64, focus: float, strength: float) -> F64:
    """Blur by ``strength`` pixels per dioptre off focus, mixing two of a few Gaussian levels in each pixel."""
    dioptres = np.abs(1 / np.where(depth > 0, depth, 10.0) - 1 / focus)
    radius = ndimage.gaussian_filter(dioptres * strength, 1.0).clip(0, _BLURS[-1])
    out = np.zeros_like(light)
    for level, sigma in enumerate(_BLURS):
        weight = np.interp(radius, _BLURS, np.eye(len(_BLURS))[level])
        if weight.any():
            out += weight[..., None] * (ndimage.gaussian_filter(light, (sigma, sigma, 0)) if sigma else light)
    return out


def _lens(light: F64, body: CameraBody, size: int, margin: int) -> F64:
    """Distort each colour at its own magnification, then darken towards the corners."""
    channels = [
        ndimage.map_coordinates(light[..., channel], body.source(size, margin, scale), order=1, mode="nearest")
        for channel, scale in enumerate((1 + body.chromatic, 1.0, 1 - body.chromatic))
    ]
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    corner = (axis[:, None] ** 2 + axis[None, :] ** 2) / 2
    return np.stack(channels, -1) * (1 - body.vignette * corner)[..., None]


def _expose(light: F64, rng: np.random.Generator) -> F64:
    """Automatic exposure (log mean to middle grey, with an error) and a half-hearted grey-world white balance."""
    luminance = light @ np.array([0.2126, 0.7152, 0.0722])
    light = light * (0.17 * 2 ** rng.normal(0, 0.25) / np.exp(np.log(luminance + 1e-3).mean()))
    mean = light.mean((0, 1)) + 1e-6
    balance = (mean.mean() / mean) ** rng.uniform(0.25, 0.75)
    return np.asarray(light * balance * np.array([2 ** rng.normal(0, 0.07), 1.0, 2 ** rng.normal(0, 0.07)]))


def _shaken(light: F64, angle: float, length: float) -> F64:
    """Blur along a short line of ``length`` pixels to either side."""
    reach = int(np.ceil(length))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    for t in np.linspace(-length, length, 8 * reach + 1):
        kernel[reach + round(t * np.sin(angle)), reach + round(t * np.cos(angle))] += 1
    kernel /= kernel.sum()
    return np.stack([ndimage.convolve(light[..., channel], kernel) for channel in range(3)], -1)


def _tone(light: F64) -> F64:
    """Linear light to display values 0 to 1: a shoulder that rolls off highlights, gamma 2.2, a gentle S-curve."""
    rolled = (light * (1 + light / 6.0) / (1 + light) * 1.22).clip(0, 1)
    encoded = rolled ** (1 / 2.2)
    return encoded + 0.5 * encoded * (1 - encoded) * (2 * encoded - 1)
