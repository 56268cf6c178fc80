"""The part of ``bench claims`` that ranks refiners: realism against gain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.rankings import Ranked


def rankings_text(found: Sequence[Ranked], marks: dict[str, str]) -> str:
    """Each ranking with a line a suite and model, and what its columns mean."""
    from bench.cli.check import aligned, p_text
    from bench.report.words import REAL

    lines: list[str] = []
    for ranking in dict.fromkeys(one.ranking.id for one in found):
        ours = [one for one in found if one.ranking.id == ranking]
        what = ours[0].ranking
        if not lines or what.source not in lines:
            lines += ["", what.source, "=" * len(what.source)]
        lines += ["", f"{what.id}: {what.sentence}"]
        lines.append(
            f"  rank correlation of realism ({what.measure}, {what.by}) and gain over {what.reference}, over refiners; "
            f"margin {what.margin:g}"
        )
        table = [("", "suite", "model", "rho", "95 % interval", "refiners", "p", "p Holm", "verdict")]
        for one in ours:
            interval = "—" if math.isnan(one.rho.low) else f"{one.rho.low:+.2f} to {one.rho.high:+.2f}"
            rho = "—" if math.isnan(one.rho.mean) else f"{one.rho.mean:+.2f}"
            parts = [one.verdict + (f": {one.reason}" if one.reason else "")]
            if one.profile:
                parts.append(f"profile {one.profile}" + (f", {REAL[one.real_kind]}" if one.real_kind else ""))
            count = str(len(one.refiners))
            table.append(
                (marks[one.verdict], f"{one.suite} ({one.metric})", one.model, rho, interval, count, p_text(one.p),
                 p_text(one.p_holm), "; ".join(parts))
            )  # fmt: skip
        lines += [f"  {line}" for line in aligned(table)]
    lines += [
        "",
        "rho: above 0, what looks more real gains more. The claim fails where that is shown (permutation p <= .05),",
        "holds where the whole interval lies below the margin, else it is inconclusive. Together: refiners are ranked",
        "within each suite, by their mean rank over its models, and never against those of another suite.",
    ]
    return "\n".join(lines)


def ranked_json(one: Ranked) -> dict[str, Any]:
    """A verdict for programs; null where there is no number."""

    def number(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        "id": one.ranking.id, "kind": "ranking", "source": one.ranking.source, "sentence": one.ranking.sentence,
        "suite": one.suite, "metric": one.metric, "measure": one.ranking.measure, "by": one.ranking.by,
        "reference": one.ranking.reference, "margin": one.ranking.margin, "model": one.model, "profile": one.profile,
        "real_kind": one.real_kind, "verdict": one.verdict, "rho": number(one.rho.mean), "low": number(one.rho.low),
        "high": number(one.rho.high), "p": number(one.p), "p_holm": number(one.p_holm),
        "refiners": list(one.refiners), "reason": one.reason,
    }  # fmt: skip
