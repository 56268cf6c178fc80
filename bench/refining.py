"""Refining images outside of a run: a trained refiner from the store, a folder in, a folder out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.contracts import Context, Refined, Refiner
from bench.errors import BenchError, DataError, UsageError
from bench.formats.card import artifact_facts
from bench.reading import read_json
from bench.runs import choose, is_run, made
from bench.samples import ImageSet, Sample
from bench.seeds import derive
from bench.stages import WEIGHTS, load_state
from bench.store import ARTIFACT, Store, file_sha256


@dataclass(frozen=True)
class Trained:
    """A refiner with its weights.

    Attributes:
        name: the suite's name for it.
        refiner: ready to refine.
        seed: what the run refined its own set with; 0 where only a fit's folder is known.
        sensors: what the camera measures besides (`bench.samples.ImageSet.sensors`).
        facts: how it was trained, for the data card and for telling whether a folder may be gone on with.
    """

    name: str
    refiner: Refiner
    seed: int
    sensors: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


def load_refiner(source: Path, store: Store, name: str | None = None, replicate: int = 0) -> Trained:
    """Load a refiner of a finished run (its folder), of a fit (its folder in the store, or a copy), or of its weights.

    Raises:
        UsageError: none is there, or which of several is meant is not said.
        DataError: weights that are not those of the manifest, or do not fit the refiner.
    """
    if is_run(source):
        found = made(source, store)
        refined = [item for item in found if item.kind == "refine"]
        # A refiner without a refined set (an adapter, or a run that was stopped) is known by its fit alone.
        alone = [item for item in found if item.kind == "fit" and item.name not in {other.name for other in refined}]
        item = choose(refined + alone, name, replicate, "--name", "refiner")
        key = item.key if item.kind == "fit" else item.meta["spec"]["inputs"].get("fit")
        if key is not None and not store.has(key):
            raise UsageError(f"{store.root}: the weights of {item.name} are not in it any more; run the suite again")
        meta = item.meta if key is None else store.meta(key)
        seed = int(item.meta["spec"]["seed"]) if item.kind == "refine" else 0
        return _loaded(item.name, meta, store.path(key) if key else None, seed)
    folder = source.parent if source.is_file() else source
    try:
        meta = read_json(folder / ARTIFACT)
        stage = meta["stage"]
    except (OSError, ValueError, KeyError, TypeError):
        mend = f"name a run's folder, or a fit's, which has {WEIGHTS} and {ARTIFACT}"
        raise UsageError(f"--refiner {source}: no trained refiner there; {mend}") from None
    if stage != "fit":
        raise UsageError(f"--refiner {source}: is a '{stage}' and no fit; name a run's folder, or a fit's")
    return _loaded("", meta, folder, 0)


def _loaded(name: str, meta: Mapping[str, Any], folder: Path | None, seed: int) -> Trained:
    from bench import plugins
    from bench.describe import construct

    spec = meta.get("spec")
    plugin = spec.get("plugin") if isinstance(spec, dict) else None
    if not isinstance(plugin, dict) or not isinstance(plugin.get("config"), dict) or not isinstance(spec, dict) or not (
        isinstance(meta.get("files", {}), dict)
    ):
        raise DataError(f"{folder or name}: {ARTIFACT} does not say which refiner was trained; run the suite again")
    name = name or str(plugin.get("name"))
    cls = plugins.find("refiner", str(plugin.get("name"))).load()
    if cls.version != plugin.get("version"):
        raise UsageError(f"refiner '{name}': trained by version {plugin.get('version')}, here is {cls.version}")
    if "fingerprint" in spec and folder is None:
        raise UsageError(f"refiner '{name}': takes its images from a folder, so it has nothing to refine others with")
    refiner: Refiner = construct("refiner", str(plugin["name"]), plugin["config"])
    if not refiner.refines:
        raise UsageError(f"refiner '{name}': adapts features and makes no images")
    files = meta.get("files", {})
    if folder is not None:
        _load_weights(refiner, folder / WEIGHTS, files.get(WEIGHTS))
    return Trained(name, refiner, seed, spec.get("sensors", {}), artifact_facts(meta))


def _load_weights(refiner: Refiner, path: Path, digest: str | None) -> None:
    if not path.is_file():
        raise DataError(f"{path}: no such file; run the suite again")
    if digest and file_sha256(path) != digest:
        raise DataError(f"{path}: its bytes are not those that were trained (sha256); run the suite again")
    try:
        refiner.load_state_dict(load_state(path))
    except Exception as error:  # whatever a plug-in makes of foreign tensors is one line here
        raise DataError(f"{path}: no weights of '{refiner.name}' ({_first_line(error)})") from None


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"


@dataclass
class Done:
    """What was done: images made, found done already, and left out; other files copied."""

    made: int = 0
    kept: int = 0
    left_out: int = 0
    copied: int = 0

    @property
    def total(self) -> int:
        """All images."""
        return self.made + self.kept + self.left_out


def refined_samples(
    trained: Trained, samples: Iterator[Sample], batch: int, context: Context, tell: Callable[[str], None]
) -> Iterator[tuple[Sample, Refined | None]]:
    """Each sample with what the refiner makes of it, or None (and a line) where it fails; one size a batch."""
    seeded = replace(context, seed=derive(context.seed, "copy", 0), sensors=trained.sensors)
    held: list[Sample] = []
    for sample in samples:
        if held and (len(held) == batch or held[0].image.shape != sample.image.shape):
            yield from _batch(trained.refiner, held, seeded, tell)
            held = []
        held.append(sample)
    if held:
        yield from _batch(trained.refiner, held, seeded, tell)


def _batch(
    refiner: Refiner, samples: Sequence[Sample], context: Context, tell: Callable[[str], None]
) -> Iterator[tuple[Sample, Refined | None]]:
    try:
        made = [image if isinstance(image, Refined) else Refined(image) for image in refiner.refine(samples, context)]
        for sample, refined in zip(samples, made, strict=True):
            if refined.image.shape != sample.image.shape or refined.image.dtype != np.uint8:
                raise ValueError(f"came back as {refined.image.dtype} {refined.image.shape}")
    except Exception as error:  # a network may refuse a size in any way; the other images go on
        if len(samples) > 1 and not isinstance(error, BenchError):
            for sample in samples:
                yield from _batch(refiner, [sample], context, tell)
            return
        height, width = samples[0].image.shape[:2]
        for sample in samples:
            tell(f"{sample.id} ({width}x{height}): {refiner.name} cannot refine it: {_first_line(error)}; left out")
            yield sample, None
        return
    yield from zip(samples, made, strict=True)


def refine_folder(
    trained: Trained, source: Path, target: Path, *, seed: int, batch: int, device: str,
    progress: Callable[[int, int], None], tell: Callable[[str], None],
) -> Done:
    """Refine an image set of ours, or any folder of images; see `bench.refined_folder` for what is left where."""
    from bench.formats.layout import open_image_set
    from bench.refined_folder import PlainFolder, SetFolder

    context = Context(seed=seed, directory=target, device=device)
    if (source / "manifest.json").is_file():
        images: ImageSet = open_image_set(source)
        trained.refiner.prepare(images, context)
        output: PlainFolder | SetFolder = SetFolder(trained, images, target, seed)
    elif trained.sensors:
        needed = ", ".join(trained.sensors)
        raise UsageError(f"refiner '{trained.name}' reads {needed} too; give it an image set that has it")
    else:
        output = PlainFolder(trained, source, target, seed)
    done = Done()
    for sample, refined in refined_samples(trained, output.samples(done, tell), batch, context, tell):
        if refined is None:
            done.left_out += 1
        else:
            output.put(sample, refined)
            done.made += 1
        progress(done.total, output.count)
    output.close(done)
    return done
