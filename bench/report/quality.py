"""Refined sets in figures: do their labels still fit, how real do they look, and, beside that, what do they gain?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.arms import parse_arm
from bench.extractors import EXTRACTORS
from bench.quality import QualityRow
from bench.report.answer import numbers_of
from bench.report.cells import Cells
from bench.report.words import Numbers, arm_label
from bench.statistics import Interval, t_interval

TITLE = "Refined sets: label preservation and realism"


@dataclass(frozen=True, slots=True)
class SetLine:
    """One line of the table, ready to show: the set, a text for each of `headings`, and what went wrong."""

    arm: str
    control: bool
    texts: tuple[str, ...]
    trouble: str


class Sets:
    """What is measured of the training sets of a run; every figure of table, CSV and plot comes from here."""

    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        rows: Sequence[QualityRow] = cells.summary.quality
        self._values: dict[tuple[str, str, str, str], dict[int, float]] = {}
        self._troubles: dict[str, dict[str, None]] = {}
        for row in rows:
            key = (row.arm, row.measure, row.by, row.metric)
            if row.usable:
                self._values.setdefault(key, {})[row.replicate] = row.value
            elif row.status != "ok":
                self._troubles.setdefault(row.arm, {})[f"{row.status}: {row.reason}"] = None
        known = dict.fromkeys(row.arm for row in rows)
        # The reference stands last, as in every table.
        self.arms = [arm for arm in known if arm != "real"] + [arm for arm in known if arm == "real"]
        self.model = next((row.by for row in rows if row.measure == "label_score"), "")
        self.extractors = list(dict.fromkeys(row.by for row in rows if row.measure == "kid"))
        self.agrees = any(row.measure == "agreement" for row in rows)

    @property
    def measured(self) -> bool:
        """Whether there is anything to show of a training set: a value, or a failure that must not be hidden."""
        sets = {arm for arm, *_ in self._values if arm != "real"}
        return bool(sets) or any("failed" in text for texts in self._troubles.values() for text in texts)

    def values(self, arm: str, measure: str, by: str = "", metric: str = "") -> dict[int, float]:
        """Replicate -> usable value; ``by`` and ``metric`` as in `bench.quality.QualityRow`."""
        if measure in ("label_score", "agreement"):
            by = self.model
        return self._values.get((arm, measure, by, metric), {})

    def mean(self, arm: str, measure: str, by: str = "", metric: str = "") -> Interval:
        """Mean over replicates with its t interval; NaN where there is no value."""
        values = list(self.values(arm, measure, by, metric).values())
        # The unrefined images are the same in every replicate: one distance, which no interval belongs to.
        same = measure in ("kid", "frechet") and len(set(values)) == 1
        return t_interval(values[:1] if same else values)

    def change(self, arm: str) -> Interval:
        """What refining did to the label score: mean paired difference to the unrefined set, positive is better."""
        metric = self.cells.metric
        ours, plain = (self.values(name, "label_score", metric=metric) for name in (arm, "synthetic"))
        sign = 1 if self.cells.higher_is_better(metric) else -1
        return t_interval([sign * (ours[r] - plain[r]) for r in sorted(ours) if r in plain])

    def trouble(self, arm: str) -> str:
        """Why values are missing; "" where none is."""
        return "; ".join(self._troubles.get(arm, {}))

    def headings(self) -> list[str]:
        """Names of the columns after the set's."""
        names = [f"label score ({self.cells.metric})", "change of it"]
        names += ["label agreement"] if self.agrees else []
        for extractor in self.extractors:
            names += [f"KID ({extractor})", f"Frechet ({extractor})"]
        return [*names, f"gain of {self.model}" if self.model else "gain"]

    def lines(self) -> list[SetLine]:
        """The table, a line a set; the last one is the real test images, on which every score of the run is taken."""
        score, kind = numbers_of(self.cells), self.cells.summary.real_kind
        out = []
        for arm in self.arms:
            parsed, change = parse_arm(arm), self.change(arm)
            texts = [score.mean(self.mean(arm, "label_score", metric=self.cells.metric))]
            compared = arm not in ("synthetic", "real") and not math.isnan(change.mean)
            texts.append(f"{score.signed(change.mean)} {score.bounds(change)}".strip() if compared else "—")
            if self.agrees:
                texts.append(Numbers(3).mean(self.mean(arm, "agreement")))
            for extractor in self.extractors:
                for measure in ("kid", "frechet"):
                    texts.append(self._digits(measure, extractor).mean(self.mean(arm, measure, extractor)))
            gain = self.cells.entry(self.model, arm).gain if parsed.refiner and self.model else None
            texts.append(score.gain(gain))
            label = f"{arm_label(arm, kind)} test images" if arm == "real" else arm
            control = self.cells.is_control(parsed)
            name = label + (" (control)" if control else "")
            out.append(SetLine(name, control, tuple(texts), self.trouble(arm)))
        return out

    def _digits(self, measure: str, extractor: str) -> Numbers:
        """Three figures of the smallest distance of a column, so that all can be told apart; 4 decimals at most."""
        means = [abs(self.mean(arm, measure, extractor).mean) for arm in self.arms]
        smallest = min((value for value in means if value > 0), default=1.0)
        return Numbers(min(4, max(0, 2 - math.floor(math.log10(smallest)))))


def quality_words(sets: Sets) -> dict[str, str]:
    """Column -> meaning, for this run."""
    cells, count = sets.cells, max((row.images for row in sets.cells.summary.quality if row.arm != "real"), default=0)
    words = {
        "label score": f"{cells.metric} of {sets.model or 'the first model'}, trained on real images, on this set "
        f"against its synthetic labels (at most {count} images, the same samples of every set). What a set scores "
        "below the unrefined images was lost by refining: the image no longer shows what its label says, or it has "
        "become strange to a model that knows real images. The last line is the same model on the real test images.",
        "change of it": "Mean paired difference to the unrefined set, signed so that positive is better, with its 95 % "
        "t interval over replicates.",
    }
    if sets.agrees:
        words["label agreement"] = (
            "The same predictions against the same labels image by image, mean over images; 1 is best. "
            "Detection: F1 at an overlap of .5. Classes: share of images, pixels or distances that are right."
        )
    for extractor in sets.extractors:
        words[f"KID ({extractor})"] = (
            "Kernel distance of Binkowski et al. 2018 between features of this set and of real training images; lower "
            "is more alike, about 0 is no difference, whatever the number of images. Never of test images. Features: "
            f"{EXTRACTORS[extractor].words if extractor in EXTRACTORS else extractor}."
        )
        words[f"Frechet ({extractor})"] = (
            "Frechet distance between the same features; lower is more alike. It depends on the number of images and "
            "is not 0 for two sets of one kind. Neither is the published FID, which rests on other features and 50,000 "
            "images."
        )
    words["realism"] = (
        "How alike to real images a set is. It stands beside the gain and never in its place: a set may look real and "
        "teach nothing, or look strange and help."
    )
    return words
