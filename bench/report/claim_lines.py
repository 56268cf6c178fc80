"""What a run says to the papers' sentences, ready to show on the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.claims import MOST_REPLICATES, Verdict
from bench.report.words import MARKS, Numbers

STATES = {"holds": "better", "fails": "worse", "inconclusive": "inconclusive"}
"""Verdicts that have a mark of their own; any other is a claim without a value."""


@dataclass(frozen=True, slots=True)
class ClaimLine:
    """One claim for one model."""

    paper: str
    sentence: str
    comparison: str
    model: str
    verdict: str
    state: str
    gain: str
    p: str
    reported: str

    @property
    def mark(self) -> str:
        """The sign of the verdict."""
        return MARKS[self.state]


def claim_lines(verdicts: Sequence[Verdict]) -> list[ClaimLine]:
    """A line for each claim and model, in the files' order."""
    return [_line(verdict) for verdict in verdicts]


def _line(verdict: Verdict) -> ClaimLine:
    claim, (mean, low, _) = verdict.claim, verdict.gain
    numbers = Numbers.for_values([mean])
    gain = "—"
    if math.isfinite(mean):
        gain = f"{numbers.signed(mean)} {numbers.bounds(verdict.gain) or 'no interval'} (n={verdict.n})"
    relation = "above" if claim.direction == "above" else "at least"
    margin = f", margin {claim.margin:g}" if claim.margin else ""
    text = verdict.verdict + (f": {verdict.reason}" if verdict.reason else "")
    if verdict.verdict == "inconclusive" and math.isfinite(low):
        text += f": about {verdict.needed or f'more than {MOST_REPLICATES}'} replicates would settle it"
    return ClaimLine(
        paper=verdict.paper, sentence=claim.sentence, model=verdict.model, verdict=text,
        comparison=f"{claim.metric}: {claim.arm} {relation} {claim.reference}{margin}",
        state=STATES.get(verdict.verdict, "none"), gain=gain, reported=verdict.reported or "—",
        p=f"{_p(verdict.p)}, Holm {_p(verdict.p_holm)}",
    )  # fmt: skip


def _p(p: float) -> str:
    return "—" if math.isnan(p) else "<.001" if p < 0.001 else f"{p:.3f}"
