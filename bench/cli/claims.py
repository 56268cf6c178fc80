"""``bench claims``: what the papers claim, and whether it holds in measured rows."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.claims_rankings import ranked_json, rankings_text

if TYPE_CHECKING:
    from bench.claims import Verdict

MARKS = {"holds": "▲", "fails": "▼", "inconclusive": "?", "not comparable": "≠", "missing": "✗"}


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "claims",
        help="what the papers claim, and whether it holds in the committed results",
        description="Each claim of the papers with its verdict, gain, interval, p after Holm, and the reported figure.",
    )
    parser.add_argument("--suite", metavar="S", help="claims that are tested in this suite (default: all)")
    parser.add_argument(
        "--rows",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="rows.csv files or folders of runs (default: everything below results/baselines)",
    )
    parser.add_argument("--profile", metavar="P", help="take this profile (default: the largest that was run)")
    parser.add_argument("--claims", type=Path, metavar="DIR", help="folder of claim files (default: results/claims)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print every claim; the exit code is 0 whatever the verdicts are, because a claim that fails is a result."""
    from bench.baseline import folders
    from bench.claims import find_claims, judge, read_claims
    from bench.errors import UsageError, did_you_mean
    from bench.quality import FILE, read_quality
    from bench.rankings import rank, read_ranking
    from bench.reported import read_reported
    from bench.results import read_rows

    claim_folders = [args.claims] if args.claims else [folder / "claims" for folder in folders()]
    files = find_claims(claim_folders)
    if not files:
        raise UsageError(f"{claim_folders[0]}: no claim file (*.toml) in it; name a folder with --claims")
    papers = [read_claims(path) for path in files]
    rankings = [read_ranking(path) for path in sorted((files[0].parent / "rankings").glob("*.toml"))]
    suites = {claim.suite for paper in papers for claim in paper.claims}
    suites |= {suite for ranking in rankings for suite in ranking.suites}
    if args.suite and args.suite not in suites:
        raise UsageError(f"--suite {args.suite}: no claim is about it{did_you_mean(args.suite, suites)}")
    rows_files = [path / "rows.csv" if path.is_dir() else path for path in args.rows]
    if not args.rows:
        places = [folder / "baselines" for folder in folders()]
        rows_files = next((found for place in places if (found := sorted(place.glob("**/rows.csv")))), [])
    rows = [row for path in rows_files for row in read_rows(path)]
    profiles = {row.profile for row in rows}
    if args.profile and args.profile not in profiles:
        raise UsageError(f"--profile {args.profile}: not in the rows{did_you_mean(args.profile, profiles)}")
    verdicts = [v for v in judge(papers, rows, read_reported(), args.profile) if args.suite in (None, v.claim.suite)]
    beside = [file for path in rows_files if (file := path.parent / FILE).is_file()]
    quality = [row for path in beside for row in read_quality(path)]
    ranked = [one for one in rank(rankings, rows, quality, args.profile) if args.suite in (None, one.suite)]
    if args.json:
        print(json.dumps([*map(_as_json, verdicts), *map(ranked_json, ranked)], indent=1))
    else:
        smaller = [] if args.profile else [
            other
            for profile in sorted(profiles - {"smoke"})
            for other in judge(papers, rows, read_reported(), profile)
            if other.verdict not in ("missing", "not comparable")
        ]  # fmt: skip
        print(claims_text(verdicts, smaller) + ("\n" + rankings_text(ranked, MARKS) if ranked else ""))
    return 0


def claims_text(verdicts: Sequence[Verdict], smaller: Sequence[Verdict] = ()) -> str:
    """Claims by paper and sentence, a line a model, and what the verdicts mean.

    ``smaller`` are the verdicts of other profiles, whatever they have in common with the first; they stand below the
    one that counts.
    """
    from bench.claims import VERDICTS
    from bench.cli.check import aligned, p_text
    from bench.report.words import REAL

    lines: list[str] = []
    header = ("", "model", "gain", "95 % interval", "n", "p", "p Holm", "verdict")
    paper, group = "", ""
    for verdict in verdicts:
        claim = verdict.claim
        if verdict.source != paper:
            paper = verdict.source
            lines += [*([""] if lines else []), paper, "=" * len(paper)]
        if group != f"{verdict.paper} {claim.id}":
            group = f"{verdict.paper} {claim.id}"
            relation = "above" if claim.direction == "above" else "at least"
            margin = f", margin {claim.margin:g}" if claim.margin else ""
            lines += ["", f"{claim.id}: {claim.sentence}"]
            lines.append(f"  suite {claim.suite}: {claim.metric} of {claim.arm} {relation} {claim.reference}{margin}")
            table = [header]
            counted = {(one.paper, one.claim.id, one.model, one.profile) for one in verdicts}
            beside = [one for one in smaller if (one.paper, one.claim.id, one.model, one.profile) not in counted]
            for other in (*verdicts, *beside):
                if f"{other.paper} {other.claim.id}" == group:
                    interval = "—" if math.isnan(other.gain.low) else f"{other.gain.low:+.3g} to {other.gain.high:+.3g}"
                    gain = "—" if math.isnan(other.gain.mean) else f"{other.gain.mean:+.3g}"
                    table.append(
                        (
                            MARKS[other.verdict], other.model, gain, interval, str(other.n), p_text(other.p),
                            p_text(other.p_holm), _verdict_text(other, REAL.get(other.real_kind, "")),
                        )
                    )  # fmt: skip
            lines += [f"  {line}" for line in aligned(table)]
    counts = {name: sum(v.verdict == name for v in verdicts) for name in VERDICTS}
    lines += ["", *(f"{MARKS[name]} {name}: {meaning}" for name, meaning in VERDICTS.items() if counts[name])]
    lines.append("gain: arm minus reference, positive is better, over n paired replicates; p: exact sign-flip.")
    lines.append("p cannot fall below .05 with fewer than 6 replicates: the interval decides, p stands beside it.")
    if smaller:
        lines.append("a claim counts once, by the largest profile that was run; smaller ones stand below it.")
    lines.append("reported figures come from other data and budgets and are no part of a verdict.")
    lines.append(", ".join(f"{number} {name}" for name, number in counts.items() if number) or "no claim")
    return "\n".join(lines)


def _verdict_text(verdict: Verdict, real: str) -> str:
    from bench.claims import MOST_REPLICATES

    parts = [verdict.verdict]
    if verdict.reason:
        parts[0] += f": {verdict.reason}"
    elif verdict.verdict == "inconclusive":
        needed = verdict.needed or f"more than {MOST_REPLICATES}"
        parts[0] += f": about {needed} replicates would settle it if the gain is what it seems"
    if verdict.profile:
        parts.append(f"profile {verdict.profile}" + (f", {real}" if real else ""))
    if verdict.reported:
        parts.append(f"reported {verdict.reported}")
    return "; ".join(parts)


def _as_json(verdict: Verdict) -> dict[str, Any]:
    def number(value: float) -> float | None:
        return value if math.isfinite(value) else None

    claim = verdict.claim
    return {
        "id": claim.id, "paper": verdict.paper, "source": verdict.source, "sentence": claim.sentence,
        "suite": claim.suite, "task": claim.task, "metric": claim.metric, "arm": claim.arm,
        "reference": claim.reference, "direction": claim.direction, "margin": claim.margin, "model": verdict.model,
        "profile": verdict.profile, "real_kind": verdict.real_kind, "verdict": verdict.verdict,
        "gain": number(verdict.gain.mean), "low": number(verdict.gain.low), "high": number(verdict.gain.high),
        "replicates": verdict.n, "p": number(verdict.p), "p_holm": number(verdict.p_holm),
        "replicates_needed": verdict.needed, "reported": verdict.reported, "reason": verdict.reason,
    }  # fmt: skip
