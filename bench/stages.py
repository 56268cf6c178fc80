"""The stage functions: what each kind of stage reads, does and leaves. They run in a worker, one stage at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.contracts import Context, Progress, Refined, SplitRequest, State
from bench.describe import construct
from bench.errors import DataError
from bench.formats.background import Background
from bench.formats.layout import ImageSetWriter, open_image_set
from bench.graph import Stage
from bench.resampling import write_resamples
from bench.samples import ImageSet, Labels, Sample
from bench.seeds import derive
from bench.store import Store
from bench.watch import DOUBTS, doubts

WEIGHTS = "weights.safetensors"
TASK_WEIGHTS = "task.safetensors"
"""The model that a refiner trained with it, beside the refiner's own `WEIGHTS`."""
AGREEMENT = "agreement.json"
"""Per image, beside the scores of a training set's labels."""
REFINE_BATCH = 16
ENCODERS = 4
"""Threads that write refined images beside a GPU, which makes them faster than one core encodes them."""
LOG = "losses.csv"


def run_stage(stage: Stage, store: Store, context: Context) -> dict[str, Any]:
    """Run one stage into ``context.directory``; return facts for its ``artifact.json``.

    Raises:
        BenchError: one line for bad data, divergence, and the like; nothing is committed then.
    """
    if context.device.startswith("cuda"):
        from bench.graphs import choose_algorithms

        choose_algorithms(context.device, repeatable=True)  # a refiner's fit changes it, and a worker lives longer
    return _FUNCTIONS[stage.kind](stage, store, replace(context, sensors=stage.spec.get("sensors", {})))


def _open(stage: Stage, store: Store, key: str) -> ImageSet:
    images = open_image_set(store.path(key))
    sensors = stage.spec.get("sensors", {})
    return images.sensed(sensors) if sensors else images


def _plugin(stage: Stage, which: str = "plugin") -> Any:
    kind, name, config = stage.run[which]
    return construct(kind, name, config)


def _render(stage: Stage, store: Store, context: Context) -> dict[str, Any]:
    request = SplitRequest(**stage.spec["request"])
    _plugin(stage).image_set(request, replace(context, seed=request.seed))
    images = open_image_set(context.directory)
    return {"count": len(images)}


def _fit(stage: Stage, store: Store, context: Context) -> dict[str, Any]:
    refiner = _plugin(stage)
    synthetic = _open(stage, store, stage.inputs["synthetic"])
    real = _open(stage, store, stage.inputs["real"]).unlabelled()
    missing = refiner.needs - synthetic.has
    if missing:
        raise DataError(
            f"refiner '{refiner.name}' needs {', '.join(sorted(missing))} of the synthetic images, not there"
        )
    if "model" in stage.spec:
        task, model = _plugin(stage, "task"), _plugin(stage, "model")
        # The seed of the model is that of the train stages, so its initial weights are those of the other arms.
        learner = task.learner(model, synthetic, replace(context, seed=stage.run["train_seed"]))
        refiner.fit_jointly(learner, synthetic, real, context)
        save_state(context.directory / TASK_WEIGHTS, learner.state())
    else:
        refiner.fit(synthetic, real, context)
    save_state(context.directory / WEIGHTS, refiner.state_dict())
    return {"count": len(synthetic), "steps": last_step(context.directory), DOUBTS: doubts(context.directory / LOG)}


def _refine(stage: Stage, store: Store, context: Context) -> dict[str, Any]:
    refiner = _plugin(stage)
    synthetic = _open(stage, store, stage.inputs["synthetic"])
    if "fit" in stage.inputs:
        refiner.load_state_dict(load_state(store.path(stage.inputs["fit"]) / WEIGHTS))
    if stage.spec.get("fingerprint", "") not in ("", refiner.fingerprint()):
        raise DataError(f"refiner '{refiner.name}': its files changed after the run was planned; run again")
    refiner.prepare(synthetic, context)
    total = len(synthetic) * refiner.copies
    # On a CPU every core has a worker by default, and handing files over costs more than it gains.
    with Background(ENCODERS) if context.device.startswith("cuda") else nullcontext() as background:
        writer = ImageSetWriter(
            context.directory,
            domain="refined",
            kind="rendered",
            class_names=synthetic.class_names,
            labels=synthetic.has,
            provenance={"refiner": stage.spec["plugin"], "synthetic": synthetic.digest},
            background=background,
        )
        for done, (id, sample, refined) in enumerate(_all_refined(refiner, synthetic, context), 1):
            # The labels are the harness's own copy: a refiner cannot corrupt them.
            writer.add(id, refined.image, _labels(sample, refined, context), group=sample.group)
            if done % REFINE_BATCH == 0 or done == total:
                context.progress(Progress(done, total))
        writer.close()
    return {"count": total}


def _all_refined(refiner: Any, synthetic: ImageSet, context: Context) -> Iterator[tuple[str, Sample, Refined]]:
    """Every copy of every sample, refined, with the id of the new image; raises `DataError` for one of another size."""
    for copy in range(refiner.copies):
        seeded = replace(context, seed=derive(context.seed, "copy", copy))
        for start in range(0, len(synthetic), REFINE_BATCH):
            samples = [synthetic[i] for i in range(start, min(start + REFINE_BATCH, len(synthetic)))]
            for sample, made in zip(samples, refiner.refine(samples, seeded), strict=True):
                refined = made if isinstance(made, Refined) else Refined(made)
                image = refined.image
                if image.shape != sample.image.shape or image.dtype != np.uint8:
                    raise DataError(
                        f"refiner '{refiner.name}': {sample.id} came back as {image.dtype} {image.shape}, "
                        f"not uint8 {sample.image.shape}"
                    )
                yield sample.id if refiner.copies == 1 else f"{sample.id}-{copy}", sample, refined


def _labels(sample: Sample, refined: Refined, context: Context) -> Labels:
    """The sample's labels; depth is the refined one where it is a sensor's reading and the refiner gave one."""
    if refined.depth is None or "depth" not in context.sensors:
        return sample.labels
    if sample.labels.depth is None or refined.depth.shape != sample.labels.depth.shape:
        raise DataError(f"{sample.id}: refined depth is {refined.depth.shape}, not the size of the rendered one")
    return replace(sample.labels, depth=refined.depth)


def training_data(stage: Stage, store: Store) -> ImageSet:
    """The images that a train stage sees: each part a seeded draw from one set, joined in order."""
    parts = []
    for part in stage.spec["data"]:
        images = _open(stage, store, part["set"])
        if part["count"] < len(images):
            order = np.random.default_rng(part["seed"]).permutation(len(images))[: part["count"]]
            images = images.subset(sorted(int(index) for index in order))
        parts.append(images)
    data = parts[0]
    for images in parts[1:]:
        data = data.joined(images)
    return data


def _train(stage: Stage, store: Store, context: Context) -> dict[str, Any]:
    task, model = _plugin(stage, "task"), _plugin(stage)
    data = training_data(stage, store)
    missing = task.needs - data.has
    if missing:
        raise DataError(f"task '{task.name}' needs {', '.join(sorted(missing))}, which the training images do not have")
    state = task.train(model, data, context)
    save_state(context.directory / WEIGHTS, state)
    return {"count": len(data), "steps": last_step(context.directory)}


def _predict(stage: Stage, store: Store, context: Context) -> dict[str, Any]:
    task, model = _plugin(stage, "task"), _plugin(stage)
    weights = store.path(stage.inputs["model"]) / (TASK_WEIGHTS if stage.run.get("joint") else WEIGHTS)
    state = load_state(weights)
    test = chosen(_open(stage, store, stage.inputs["test"]), stage.spec.get("images")).unlabelled()
    task.predict(model, state, test, context)
    return {"count": len(test)}


def _score(stage: Stage, store: Store, context: Context) -> dict[str, Any]:
    task = _plugin(stage, "task")
    truth = chosen(open_image_set(store.path(stage.inputs["test"])), stage.spec.get("images"))
    predictions = store.path(stage.inputs["predictions"])
    scores = task.score(predictions, truth)
    (context.directory / "scores.json").write_text(
        json.dumps({score.metric: score.value for score in scores}, indent=1)
    )
    if stage.spec.get("agreement"):
        _write_agreement(context.directory / AGREEMENT, truth.ids, task.agreement(predictions, truth))
    else:
        write_resamples(context.directory, task, predictions, truth)
    doubt = task.doubt(predictions, truth)
    return {"count": len(truth), DOUBTS: [doubt] if doubt else []}


def _write_agreement(path: Path, ids: Sequence[str], values: Any) -> None:
    """``{"ids": [...], "agreement": [...]}``, null where an image has nothing to compare."""
    numbers = [None if np.isnan(value) else float(value) for value in values]
    if len(numbers) != len(ids) or any(number is not None and not 0 <= number <= 1 for number in numbers):
        raise DataError("a task's agreement must be one number in [0, 1] an image, or NaN")
    path.write_text(json.dumps({"ids": list(ids), "agreement": numbers}))


def _realism(stage: Stage, store: Store, context: Context) -> dict[str, Any]:
    from bench.features import features_of
    from bench.realism import frechet_distance, kernel_distance

    name, found = stage.spec["plugin"]["name"], []
    for which, images in (("set", "images"), ("real", "real_images")):
        part = chosen(open_image_set(store.path(stage.inputs[which])), stage.spec[images]).unlabelled()
        found.append(features_of(part, name))
    distances = {"kid": kernel_distance(*found), "frechet": frechet_distance(*found)}
    (context.directory / "realism.json").write_text(json.dumps(distances, indent=1))
    return {"count": len(found[0])}


def chosen(images: ImageSet, wanted: Mapping[str, int] | None) -> ImageSet:
    """The images of a set that a stage's spec names (`places`); all of them for None."""
    return images if wanted is None else images.subset(places(wanted))


def places(wanted: Mapping[str, int]) -> list[int]:
    """Positions of ``count`` of the first ``first`` images of a set, drawn by ``seed``, in the set's order."""
    if wanted["count"] >= wanted["first"]:
        return list(range(wanted["first"]))
    order = np.random.default_rng(wanted["seed"]).permutation(wanted["first"])[: wanted["count"]]
    return sorted(int(index) for index in order)


def save_state(path: Path, state: State) -> None:
    """Save flat tensors as safetensors: nothing in such a file can run when somebody else loads it."""
    from safetensors.torch import save_file

    save_file({name: value.detach().cpu().contiguous() for name, value in state.items()}, path)


def load_state(path: Path) -> State:
    """Load what `save_state` wrote; raises `DataError` for anything else, and runs nothing of it."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state: State = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, OverflowError) as error:
        first = (str(error).splitlines() or [""])[0]
        raise DataError(f"{path}: no weights as safetensors ({first}); run the suite again") from None
    return state


def last_step(directory: Path) -> int:
    """The last step in ``losses.csv``: how many optimizer steps were really made (0 where nothing was trained)."""
    path = directory / LOG
    lines = path.read_text().splitlines() if path.exists() else []
    return int(lines[-1].split(",")[0]) if len(lines) > 1 else 0


_FUNCTIONS: dict[str, Callable[[Stage, Store, Context], dict[str, Any]]] = {
    "render": _render,
    "fit": _fit,
    "refine": _refine,
    "train": _train,
    "predict": _predict,
    "score": _score,
    "realism": _realism,
}
