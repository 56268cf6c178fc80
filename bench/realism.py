"""How far two sets of images lie apart in features: pure functions, each with its reference.

Which features is somebody else's business (`bench.features`); the name of the extractor stands beside every number.
None of these numbers is the published "FID": that name belongs to the Frechet distance on features of Inception v3
over 50,000 images, and other features, or fewer images, give another number.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def kernel_distance(x: ArrayLike, y: ArrayLike) -> float:
    """KID: the unbiased estimate of the squared maximum mean discrepancy, with the kernel (a . b / d + 1)^3.

    Its expectation is 0 for two sets of one distribution, whatever their sizes, so sets of different sizes compare;
    an estimate near 0 can be below it. Over all pairs at once: the published code averages over random subsets instead,
    which estimates the same with more noise.

    Reference: Binkowski, Sutherland, Arbel, Gretton (2018), Demystifying MMD GANs, arXiv:1801.01401, section 4;
    Gretton et al. (2012), A kernel two-sample test, JMLR 13, lemma 6.

    Args:
        x: (M, D) features of one set, M at least 2.
        y: (N, D) features of the other, N at least 2.

    Returns:
        The estimate, 0 or more in expectation, without a unit; lower is more alike.
    """
    a, b = _pair(x, y)
    m, n = len(a), len(b)
    within_a, within_b, between = _kernel(a, a), _kernel(b, b), _kernel(a, b)
    # Of a set with itself the pairs of an image with itself are left out: they are what makes the plain mean biased.
    same_a = (within_a.sum() - np.trace(within_a)) / (m * (m - 1))
    same_b = (within_b.sum() - np.trace(within_b)) / (n * (n - 1))
    return float(same_a + same_b - 2 * between.mean())


def frechet_distance(x: ArrayLike, y: ArrayLike) -> float:
    """Squared Frechet distance of the two normal distributions with the sets' means and covariances.

    |mu_x - mu_y|^2 + tr(C_x + C_y - 2 (C_x C_y)^(1/2)). It is biased upwards by an amount that falls with the number of
    images (Binkowski et al. 2018, section 3), so only sets of one size compare, and it is not 0 for two samples of one
    distribution.

    Reference: Dowson and Landau (1982), The Frechet distance between multivariate normal distributions, J. Multivariate
    Anal. 12(3); on features of images: Heusel et al. (2017), arXiv:1706.08500.

    Args:
        x: (M, D) features of one set, M at least 2.
        y: (N, D) features of the other, N at least 2.

    Returns:
        The distance, 0 or more, in squared units of the features; lower is more alike.
    """
    a, b = _pair(x, y)
    # tr((C_x C_y)^(1/2)) is the sum of the singular values of A B^T, with C_x = A^T A and C_y = B^T B: no matrix root,
    # so nothing complex or indefinite can come of fewer images than features.
    centred_a = (a - a.mean(0)) / np.sqrt(len(a) - 1)
    centred_b = (b - b.mean(0)) / np.sqrt(len(b) - 1)
    root = np.linalg.svd(centred_a @ centred_b.T, compute_uv=False).sum()
    shift = a.mean(0) - b.mean(0)
    return float(max(0.0, shift @ shift + (centred_a**2).sum() + (centred_b**2).sum() - 2 * root))


def _kernel(a: Floats, b: Floats) -> Floats:
    return np.asarray((a @ b.T / a.shape[1] + 1) ** 3, np.float64)


def _pair(x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    """Both as (images, features) of doubles; raises `ValueError` for what cannot be compared."""
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or not a.shape[1]:
        raise ValueError(f"features of shape {a.shape} and {b.shape}: both must be (images, features) with as many")
    if min(len(a), len(b)) < 2:
        raise ValueError(f"{len(a)} and {len(b)} images: each set needs at least 2")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("features must be finite numbers")
    return a, b
