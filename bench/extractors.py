"""Names of the feature extractors of the measures of realism: what planning, configuration and reports know of them.

What they compute is in `bench.features`, which imports torch; this module does not.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Extractor:
    """A feature extractor, by name.

    Attributes:
        version: raise it when its features change; part of the stage's key.
        words: what it is, for people.
        package: what must be importable for it, or "".
    """

    version: int
    words: str
    package: str = ""

    def skip(self) -> str | None:
        """Why it cannot run here, or None."""
        if self.package and importlib.util.find_spec(self.package) is None:
            return f"the package {self.package.replace('_', '-')} is not installed"
        return None


EXTRACTORS = {
    "random-convolutions": Extractor(
        1,
        "mean and deviation of the maps of a random, untrained two-layer network at three scales, and of the colours; "
        "its weights come from a fixed seed",
    ),
    "inception": Extractor(1, "the 2048 pooled features of Inception v3, by torch-fidelity", "torch_fidelity"),
}
"""Name -> extractor. The first needs nothing; the other fetches its weights when it is first used."""
