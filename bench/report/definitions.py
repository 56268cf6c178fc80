"""What every word and mark of a report means; shown wherever they are used."""

from __future__ import annotations

from bench.report.cells import Cells
from bench.report.words import MARKS

MARK_MEANINGS = {
    MARKS["better"]: "better: the 95 % interval of the paired difference lies above 0",
    MARKS["worse"]: "worse: the interval lies below 0",
    MARKS["inconclusive"]: "inconclusive: the interval includes 0, so neither is shown",
    MARKS["equal"]: "equal: no difference at all in any replicate, as a control must show",
    MARKS["single"]: "one replicate: there is no interval, and nothing is shown",
    MARKS["none"]: "not applicable, or no value (the list of failed and missing cells says why)",
}


def definitions(cells: Cells) -> dict[str, str]:
    """Word -> meaning, for this run."""
    summary = cells.summary
    better = "Higher" if cells.higher_is_better(cells.metric) else "Lower"
    real = {
        "stand-in": "Rendered stand-in: the “real” images come from a path tracer and a camera model, not from a "
        "camera. A gain here shows that a method can close a gap of this kind; it is no measurement on photographs.",
        "photographs": "Photographs: the “real” images were taken by a camera.",
    }[summary.real_kind]
    groups = f" ({summary.test_groups} here)" if summary.test_groups else ""
    return {
        "real": real,
        "model": "One network of the task, trained from the same starting point in every arm.",
        "arm": "What a model is trained on. Every arm gets the same optimizer steps, batch size and schedule, and is "
        "scored on the same real test images, which no refiner and no training ever saw.",
        "synthetic": "Rendered images with their labels, as the renderer left them.",
        "refined(R)": "The same images made more realistic by refiner R, with the same labels. R was fitted to the "
        "synthetic images and to real images without labels.",
        "joint(R)": "The task network that R trains together with its refinement.",
        "separate(R)": "As refined(R), with R trained on its own, without any task network.",
        "hybrid(S), hybrid(S)@N": "Labelled real images and images of S (synthetic, or a refiner’s); @N says how many "
        "of S were added.",
        "replicate": "One repetition of everything with other seeds. The same replicate shares its seeds across arms, "
        "so arms are compared in pairs.",
        cells.metric: f"The headline metric of this suite. {better} is better.",
        "±": "Half the width of the 95 % t interval of the mean over replicates; absent with one replicate.",
        "gain": f"Mean paired difference to the arm “{cells.reference}” over replicates, signed so that positive is "
        "better, with its 95 % t interval in brackets and n, the number of pairs. Not corrected for the number of "
        "comparisons shown.",
        "over test images": "Another 95 % interval of the same gain: the test images are drawn again many times, whole "
        f"groups (scenes or sequences) together{groups}, the same draws for both arms. It says how sure the gain of "
        "these trained models is for other test images, and nothing about other seeds; the t interval says how sure it "
        "is for other seeds, and nothing about other images. The two are never mixed, and marks follow the t interval. "
        "“not available”: the task cannot resample this metric.",
        "over real": "The same against the arm “real”, for hybrids: what the added images bring to labelled real ones.",
        "gap closed": f"(arm − {cells.reference}) / (real − {cells.reference}) with Fieller’s 95 % interval; "
        "“unbounded” where the gap itself is not established. Only for arms without labelled real images.",
        "control": "A refiner that changes nothing of substance: its gain must be 0, or the comparison is broken.",
        "images, steps": "Images in the training set, and optimizer steps taken.",
        "time per cell": "Mean wall time of training and prediction, the refiner’s not included.",
        "refiner": "Mean wall time of fitting the arm’s refiner and refining its images, shared by all models.",
        "reported": "Figures of the suite’s paper, in its own units, on its own data and test set: shown beside the "
        "measured ones, never averaged or compared with them. “(unverified)” was not seen in the paper or a "
        "source that quotes it; “not found” could not be read.",
        "degraded": "There is a value, but a discriminator won, or the predictions are those of a model that learnt "
        "nothing. It enters means; the reason stands below.",
        "failed, skipped, missing": "Diverged or broken off; not possible here, for the given reason; not run yet. "
        "Such cells are shown and enter no mean.",
    }
