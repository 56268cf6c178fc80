"""Foreground masks: of renders from their labels, of real images by subtracting pictures of the empty scene.

Wang et al. 2019 (arXiv 1904.12294) take the real foreground from a library of background templates, since the camera is
fixed and real labels must not be read. How they subtract is not published; here the empty scene behind an image is
estimated as a mixture of all templates (lamps brighten and age apart, so no single one fits), by a regression that pays
little heed to pixels that disagree, which are the products and their shadows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from bench.errors import DataError
from bench.samples import U8, ImageSet
from bench.spool import Rows, spooled

Mask = NDArray[np.bool_]
F64 = NDArray[np.float64]
ROUNDS = 6
"""Reweighted least squares: residuals settle after four to six rounds."""
CHROMA = 5.0
"""Weight of a change of colour against one of brightness, which shadows and reflections cause as well."""
QUIET = 0.25
"""Quantile of the residuals that is taken as the scale of noise: a quarter of every image shows the empty scene."""


def rendered_masks(images: ImageSet) -> tuple[Rows, str]:
    """Foreground of rendered images from their labels.

    Returns:
        (N, H, W) bool, and the kind of label that it came from: "foreground", or "boxes" (filled) without masks.

    Raises:
        DataError: the set has neither.
    """
    height, width = images.size
    kind = next((kind for kind in ("foreground", "boxes") if kind in images.has), None)
    if kind is None:
        raise DataError("the synthetic set has neither foreground masks nor boxes; import it with its labels")

    def one(index: int) -> Mask:
        labels = replace(images, has=images.has & {"foreground", "boxes"}).labels(index)
        if labels.foreground is not None:
            return labels.foreground
        out = np.zeros((height, width), np.bool_)
        for x0, y0, x1, y1 in [] if labels.boxes is None else labels.boxes.tolist():
            out[max(0, int(y0)) : int(np.ceil(y1)), max(0, int(x0)) : int(np.ceil(x1))] = True
        return out

    return spooled(len(images), (height, width), np.bool_, one), kind


def subtracted_masks(images: Rows, templates: Sequence[U8], threshold: float = 3.5) -> Rows:
    """Foreground of photographs of one fixed camera.

    Args:
        images: (N, H, W, 3) uint8.
        templates: empty scenes, (h, w, 3) uint8 each; resized where they differ.
        threshold: how many times the scale of noise (`QUIET`) a residual must be to count as foreground.

    Returns:
        (N, H, W) bool.
    """
    height, width = images.shape[1:3]
    scaled = []
    for template in templates:
        picture = Image.fromarray(template)
        if picture.size != (width, height):
            picture = picture.resize((width, height), Image.Resampling.BICUBIC)
        scaled.append(smooth(np.asarray(picture)))
    basis = design(np.stack(scaled))

    def one(index: int) -> Mask:
        distance = residual(smooth(images[index]), basis)
        return cleaned(distance > threshold * max(float(np.quantile(distance, QUIET)), 0.5 / 255))

    return spooled(len(images), (height, width), np.bool_, one)


def smooth(image: U8) -> F64:
    """Blur away sensor noise and compression: (H, W, 3) in [0, 1]."""
    return np.asarray(ndimage.gaussian_filter(image.astype(np.float64) / 255, (0.7, 0.7, 0)))


def design(templates: F64) -> F64:
    """What an empty scene may be mixed from: every template, and their mean tilted across and down.

    (K, H, W, 3) to (3, H * W, K + 2).
    """
    down, across = np.mgrid[-1 : 1 : templates.shape[1] * 1j, -1 : 1 : templates.shape[2] * 1j]
    mean = templates.mean(axis=0)
    layers = np.stack([*templates, mean * across[..., None], mean * down[..., None]])
    return np.ascontiguousarray(layers.reshape(len(layers), -1, 3).transpose(2, 1, 0))


def residual(image: F64, basis: F64) -> F64:
    """Distance of an image to the mixture that fits it best, channel by channel: (H, W).

    Reweighted least squares with the weights of Geman and McClure, 1 / (1 + (r / scale)^2)^2: a product of any size
    below half of the image hardly moves the fit.
    """
    weight = np.ones(image.shape[0] * image.shape[1])
    distance = np.zeros(image.shape[:2])
    for _ in range(ROUNDS):
        error = np.empty_like(image)
        for channel, layers in enumerate(basis):
            weighted = layers * weight[:, None]
            target = image[..., channel].ravel()
            # The small ridge decides between templates that are alike; it moves the mixture itself by nothing visible.
            mixture = np.linalg.solve(weighted.T @ layers + 1e-3 * np.eye(layers.shape[1]), weighted.T @ target)
            error[..., channel] = (target - layers @ mixture).reshape(image.shape[:2])
        brightness = error.mean(axis=2, keepdims=True)
        distance = np.sqrt(brightness[..., 0] ** 2 + CHROMA * np.square(error - brightness).sum(axis=2))
        scale = max(float(np.quantile(distance, QUIET)), 1e-4)
        weight = (1 + np.square(distance.ravel() / scale)) ** -2.0
    return np.asarray(distance)


def cleaned(mask: Mask) -> Mask:
    """Open, close, fill holes, and drop specks of under 0.2 % of the image."""
    cross = ndimage.generate_binary_structure(2, 1)
    closed = ndimage.binary_closing(ndimage.binary_opening(mask, cross), cross, iterations=2)
    filled = ndimage.binary_fill_holes(closed)
    pieces, count = ndimage.label(filled)
    sizes = ndimage.sum_labels(filled, pieces, np.arange(count + 1))
    kept: Mask = (sizes >= mask.size / 500)[pieces] & filled
    return kept
