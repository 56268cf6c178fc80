"""DANN, Ganin et al. 2016 (arXiv 1505.07818): features from which a classifier cannot tell the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from bench.contracts import Context, PluginConfig
from bench.seeds import derive
from refiners.feature_alignment import FeatureAlignment, FeatureAlignmentConfig, prefixed

if TYPE_CHECKING:
    from bench.contracts import State


class DannConfig(FeatureAlignmentConfig):
    """Weight and schedule of the reversed gradient, and the domain classifier's size."""

    width: int = Field(100, ge=1)
    """Units of the domain classifier's hidden layer (100 in the DSN authors' code for digits and LineMod)."""


class Dann(FeatureAlignment):
    """Train a domain classifier on a model's features, and the features against it by reversing its gradient.

    The classifier always learns with the whole loss; ``weight`` times the schedule's share scales only what reaches the
    features (as section 5.2.2 of the paper does with lambda). Domain labels are 0 for synthetic, 1 for real; the log's
    ``alignment`` is the classifier's cross-entropy, ln 2 = 0.693 when it knows nothing.
    """

    name = "dann"
    version = 1
    Config: ClassVar[type[PluginConfig]] = DannConfig

    def __init__(self, config: DannConfig) -> None:
        super().__init__(config)
        self._classifier: DomainClassifier | None = None

    def prepare(self, features: int, context: Context) -> nn.Module:
        """The domain classifier, with initial weights that depend on the seed alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(context.seed, "domain classifier"))
            self._classifier = DomainClassifier(features, self.config.width).to(context.device)
        return self._classifier

    def alignment(self, synthetic: Tensor, real: Tensor, share: float) -> tuple[Tensor, Tensor]:
        """The classifier's loss on reversed features; see `domain_adversarial_loss`."""
        assert self._classifier is not None, "prepare comes first"
        loss = domain_adversarial_loss(self._classifier, synthetic, real, self.config.weight * share)
        return loss, loss

    def state_dict(self) -> State:
        """The domain classifier, as ``domain_classifier.<parameter>``; the trained model is the harness's to keep."""
        return prefixed("domain_classifier", self._classifier) if self._classifier is not None else {}

    def load_state_dict(self, state: State) -> None:
        """Take what `state_dict` returned."""
        if not state:
            return
        named = {name.removeprefix("domain_classifier."): value for name, value in state.items()}
        width, features = named["0.weight"].shape
        self._classifier = DomainClassifier(features, width)
        self._classifier.load_state_dict(named)


class DomainClassifier(nn.Sequential):
    """(B, F) features to one logit each, (B, 1): above 0 says real. Two full layers with a ReLU between."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__(nn.Linear(features, width), nn.ReLU(), nn.Linear(width, 1))


class GradientReversal(torch.autograd.Function):
    """The identity forwards; multiplies the gradient by ``-factor`` backwards (Ganin et al. 2016, section 4.2)."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, factor: float) -> Tensor:
        """Return ``features`` and remember the factor."""
        ctx.factor = factor
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Reverse the gradient."""
        return gradients[0] * -ctx.factor, None


def reverse_gradient(features: Tensor, factor: float) -> Tensor:
    """``features``, whose gradient comes back times ``-factor``."""
    reversed_features: Tensor = GradientReversal.apply(features, factor)
    return reversed_features


def domain_adversarial_loss(classifier: nn.Module, synthetic: Tensor, real: Tensor, factor: float) -> Tensor:
    """Mean binary cross-entropy of the domain over both batches, its gradient reversed at the features.

    Args:
        classifier: (B, F) to (B, 1) logits.
        synthetic, real: (B, F) features; their labels are 0 and 1.
        factor: what the reversed gradient is multiplied with.
    """
    logits = classifier(reverse_gradient(torch.cat([synthetic, real]), factor))
    labels = torch.cat([torch.zeros(len(synthetic), 1), torch.ones(len(real), 1)]).to(logits)
    return binary_cross_entropy_with_logits(logits, labels)
