"""MMD: features with the same distribution in both domains, by a kernel distance (Long et al. 2015, arXiv 1502.02791;
Tzeng et al. 2014, arXiv 1412.3474), in the form that Bousmalis et al. 2016 (DSN, arXiv 1608.06019) compare with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from bench.contracts import Context, PluginConfig
from bench.errors import UsageError
from bench.samples import ImageSet
from refiners.feature_alignment import FeatureAlignment, FeatureAlignmentConfig
from refiners.maximum_mean_discrepancy import squared_discrepancy

if TYPE_CHECKING:
    from bench.learning import Learner

DSN_VARIANCES = (
    1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 100.0, 1e3, 1e4, 1e5, 1e6,
)  # fmt: skip
"""Kernel variances in the code that the DSN authors published."""


class MmdConfig(FeatureAlignmentConfig):
    """Weight and schedule of the discrepancy, and its kernels."""

    schedule: Literal["sigmoid", "constant"] = "constant"
    """As in `FeatureAlignmentConfig`; here fully on from the start."""
    variances: tuple[Annotated[float, Field(gt=0)], ...] = Field(DSN_VARIANCES, min_length=1)
    """Variances of the Gaussian kernels, in squared units of the features; their kernels are summed."""
    estimator: Literal["biased", "unbiased"] = "biased"
    """``biased`` is what the DSN authors used, and never negative (`refiners.maximum_mean_discrepancy`)."""


class Mmd(FeatureAlignment):
    """Minimise the squared maximum mean discrepancy between the domains' features beside the task's losses.

    The log's ``alignment`` is the discrepancy before ``weight``.
    """

    name = "mmd"
    version = 1
    Config: ClassVar[type[PluginConfig]] = MmdConfig

    def fit_jointly(self, learner: Learner, synthetic: ImageSet, real: ImageSet, context: Context) -> None:
        """See `FeatureAlignment.fit_jointly`; raises `UsageError` too where a batch is too small to be unbiased."""
        if self.config.estimator == "unbiased" and learner.batch_size < 2:
            raise UsageError(f"{self.name}: the unbiased estimator takes batches of 2 or more")
        super().fit_jointly(learner, synthetic, real, context)

    def alignment(self, synthetic: Tensor, real: Tensor, share: float) -> tuple[Tensor, Tensor]:
        """The weighted discrepancy, and the plain one."""
        unbiased = self.config.estimator == "unbiased"
        discrepancy = squared_discrepancy(synthetic, real, self.config.variances, unbiased)
        return self.config.weight * share * discrepancy, discrepancy
