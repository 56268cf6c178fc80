"""What a run measured of one of its training sets, as a paragraph of that set's data card (`bench.formats.card`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.errors import DataError
from bench.quality import FILE, QualityRow, read_quality

REFERENCE = "synthetic"
NAMES = {"label_score": "label score", "agreement": "label agreement", "kid": "KID", "frechet": "Frechet distance"}
MEANING = """\
Label score: the model, trained on real images, predicts on this set and is scored against the labels beside it. Label
agreement: the same image by image. A set that scores far below the unrefined renders has lost labels, or looks strange
to a model that knows real images. KID and Frechet distance: how far the features of the set lie from those of real
training images."""


def not_measured(reason: str) -> str:
    """The paragraph of a set of which there is no number, and why."""
    return f"Not measured: {reason}."


def measured(run: Path, arm: str, replicate: int) -> str:
    """The numbers of a run's set beside those of its unrefined renders, as Markdown; what is not measured says why.

    Args:
        run: the folder of a finished run.
        arm: the arm that trains on the set alone, such as ``refined(R)``.
        replicate: of the set.
    """
    try:
        rows = read_quality(run / FILE) if (run / FILE).is_file() else []
    except DataError as error:
        return not_measured(str(error).replace(str(run / FILE), f"the run's {FILE}"))
    own = [row for row in rows if (row.arm, row.replicate) == (arm, replicate)]
    if not own:
        what = f"has nothing of {arm}, replicate {replicate}" if rows else "is missing or empty"
        return not_measured(f"the run's {FILE} {what}; run the suite again with `[quality] images` above 0")
    plain = {_key(row): row for row in rows if (row.arm, row.replicate) == (REFERENCE, replicate)}
    first = own[0]
    lines = []
    if any(row.usable for row in own):  # a table without a number would only hide that there is none
        lines = [f"Measured by the run {first.suite}, profile {first.profile}, at replicate {replicate}:", ""]
        lines += ["| number | measured by | images | this set | unrefined renders | better |"]
        lines += ["| --- | --- | ---: | ---: | ---: | --- |"]
        lines += [_line(row, plain.get(_key(row))) for row in own if row.usable]
        lines += ["", *_of_real_images(rows, own), MEANING]
    reasons = dict.fromkeys((NAMES[row.measure], _why(row)) for row in own if not row.usable)
    missing = [not_measured(f"{name}: {reason}") for name, reason in reasons]
    return "\n".join([*lines, *([""] if lines and missing else []), *_listed(missing)])


def _key(row: QualityRow) -> tuple[str, str, str]:
    return row.measure, row.by, row.metric


def _line(row: QualityRow, plain: QualityRow | None) -> str:
    name = f"{NAMES[row.measure]} ({row.metric})" if row.metric else NAMES[row.measure]
    by = f"{row.by}, trained on real images" if row.measure in ("label_score", "agreement") else f"features {row.by}"
    beside = f"{plain.value:.4g}" if plain and plain.usable else "not measured"
    better = "higher" if row.higher_is_better else "lower"
    return f"| {name} | {by} | {row.images} | {row.value:.4g} | {beside} | {better} |"


def _of_real_images(rows: list[QualityRow], own: list[QualityRow]) -> Iterator[str]:
    """What the label score has to be read against: the same model on real test images."""
    wanted = {_key(row) for row in own if row.usable and row.measure == "label_score"}
    replicate = own[0].replicate
    real = [row for row in rows if row.arm == "real" and row.replicate == replicate and _key(row) in wanted]
    scores = ", ".join(f"{row.metric} {row.value:.4g}" for row in real if row.usable)
    if scores:
        kind = {"stand-in": "rendered stand-in", "photographs": "photographs"}[real[0].real_kind]
        yield f"On the real test images ({kind}) the same model scores {scores}."
        yield ""


def _why(row: QualityRow) -> str:
    return f"{row.status}, {row.reason.rstrip('.')}" if row.status != "ok" else "no image of the set has a value"


def _listed(lines: list[str]) -> list[str]:
    return [f"- {line}" for line in lines] if len(lines) > 1 else lines
