"""What the checks of several kinds of plug-in share."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import torch
from pydantic import ValidationError

from bench import plugins, training
from bench.conformance.run import Failed
from bench.contracts import Context, PluginConfig, Progress, SplitRequest, State
from bench.describe import construct
from bench.formats.layout import open_image_set
from bench.samples import ImageSet

SIZE, COUNT, TEST = 32, 16, 8


def mock_set(folder: Path, domain: Literal["synthetic", "real"], split: Literal["train", "test"]) -> ImageSet:
    """A split of the mock world, drawn once a folder."""
    root = folder / f"{domain}-{split}"
    if not root.exists():
        world = construct("world", "mock-world", {})
        count = TEST if split == "test" else COUNT
        world.image_set(SplitRequest(domain, split, count, SIZE, 7), Context(7, root))
    return open_image_set(root)


def check_class(kind: plugins.Kind, name: str, base: type) -> type:
    """Name, version, base class, configuration and docstring; returns the class."""
    cls: type = plugins.find(kind, name).load()
    if not issubclass(cls, base):
        raise Failed(f"{cls.__name__} is no subclass of bench.contracts.{base.__name__}")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise Failed(f"the name {name!r} cannot be written in an arm; use letters, digits, '-', '_' and '.'")
    version, config = getattr(cls, "version", None), getattr(cls, "Config", None)
    if type(version) is not int or version < 1:
        raise Failed(f"version is {version!r}, not a whole number from 1")
    if not (isinstance(config, type) and issubclass(config, PluginConfig)):
        raise Failed("Config is no subclass of bench.contracts.PluginConfig")
    with contextlib.suppress(ValidationError):
        config.model_validate({"no_such_setting_": 1})
        raise Failed("Config takes a misspelt key; keep extra='forbid' of PluginConfig")
    if not (cls.__doc__ or "").strip():
        raise Failed("no docstring; its first line is what `bench list` shows")
    skip = getattr(cls, "skip", None)
    reason = skip() if callable(skip) else None
    if reason is not None:
        raise Failed(f"would be skipped here: {reason}")
    return cls


class Stopped(BaseException):
    """Stands for a kill: no ``except Exception`` of a plug-in can catch it."""


@contextlib.contextmanager
def checkpoint_every_step() -> Iterator[None]:
    """Let `bench.training.train` save and report after every step; neither changes a result."""
    defaults: dict[str, Any] = training.train.__kwdefaults__ or {}
    before = dict(defaults)
    defaults.update(checkpoint_seconds=-1.0, log_every=1)
    try:
        yield
    finally:
        defaults.update(before)


def resume(run: Callable[[Context], State], folder: Path, device: str = "cpu") -> str:
    """Run to the end; run, stop half-way, go on; compare. ``run`` trains anew in a context and returns a state.

    Raises:
        Failed: the states differ.
    """

    def context(name: str, progress: Callable[[Progress], None]) -> Context:
        (folder / name).mkdir(parents=True)
        return Context(5, folder / name, device, folder / f"{name}.checkpoint", progress=progress)

    def stop(report: Progress) -> None:
        if report.step >= 3 and (folder / "halted.checkpoint").exists():
            raise Stopped

    with checkpoint_every_step():
        whole = run(context("whole", lambda report: None))
        halted = context("halted", stop)
        try:
            run(halted)
            stopped = False
        except Stopped:
            stopped = True
        again = run(Context(5, halted.directory, device, halted.checkpoint)) if stopped else whole
    compare_states(whole, again, "the resumed run's state")
    if not stopped:
        return "no checkpoint was written, so a killed run begins anew (bench.training.train writes them)"
    return "stopped after step 3 and gone on from its checkpoint"


def compare_states(first: State, second: State, what: str) -> None:
    """Raise `Failed` unless both hold the same tensors, bit for bit."""
    if first.keys() != second.keys():
        raise Failed(f"{what} has other tensors: {sorted(first.keys() ^ second.keys())[:4]}")
    for name, value in first.items():
        if not isinstance(value, torch.Tensor):
            raise Failed(f"state '{name}' is {type(value).__name__} and no tensor, so it cannot be saved")
        if value.shape != second[name].shape or not torch.equal(value, second[name]):
            raise Failed(f"{what} differs in '{name}'; draw everything from context.seed (bench.seeds.derive)")


def other_values(cls: type[PluginConfig], config: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """For each setting (but paths) a configuration with another, valid value of it, where one is easily found."""
    base = cls.model_validate(dict(config))
    for key, field in cls.model_fields.items():
        value = getattr(base, key)
        if isinstance(value, Path):
            continue
        for candidate in _candidates(value, field.annotation):
            changed = {**config, key: candidate}
            with contextlib.suppress(ValidationError):
                if getattr(cls.model_validate(changed), key) != value:
                    yield key, changed
                    break


def _candidates(value: Any, annotation: Any) -> list[Any]:
    if get_origin(annotation) is Literal:
        return [choice for choice in get_args(annotation) if choice != value]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value * 2, value - 1, value + 4]
    if isinstance(value, float):
        return [value * 0.5 + 0.01, value * 0.5, value + 1, value + 0.1]
    return []
