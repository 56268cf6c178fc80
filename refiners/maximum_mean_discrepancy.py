"""The maximum mean discrepancy between two samples, with a sum of Gaussian kernels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def gaussian_kernels(first: Tensor, second: Tensor, variances: Sequence[float]) -> Tensor:
    """Sum over ``variances`` s of exp(-|x - y|^2 / (2 s)), (N, M), for (N, F) and (M, F) samples.

    Distances come from differences, not from products: the narrowest kernels would see the rounding of the latter.
    """
    squared = (first[:, None] - second[None]).square().sum(-1)
    return torch.stack([torch.exp(squared / (-2 * variance)) for variance in variances]).sum(0)


def squared_discrepancy(first: Tensor, second: Tensor, variances: Sequence[float], unbiased: bool = False) -> Tensor:
    """Squared maximum mean discrepancy of two samples, a scalar (Gretton et al. 2012, JMLR 13).

    Args:
        first, second: (N, F) and (M, F).
        variances: of the kernels, in squared units of the features.
        unbiased: equation 3 of the paper, which leaves out each sample's pair with itself and may be negative (it takes
            two samples a side); else equation 5, which is never negative.
    """
    within = _mean(gaussian_kernels(first, first, variances), unbiased)
    within = within + _mean(gaussian_kernels(second, second, variances), unbiased)
    return within - 2 * gaussian_kernels(first, second, variances).mean()


def _mean(kernel: Tensor, unbiased: bool) -> Tensor:
    if not unbiased:
        return kernel.mean()
    count = len(kernel)
    return (kernel.sum() - kernel.diagonal().sum()) / (count * (count - 1))
