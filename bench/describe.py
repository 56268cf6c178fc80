"""What the plan must know of plug-ins, kept on disk so that planning a finished suite imports no torch.

A description is made by importing the plug-in and validating its configuration. It is remembered under a digest of
all plug-in sources, the installed packages and the raw configuration, so any edit or installation makes it anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench import plugins
from bench.contracts import Task
from bench.durable import write_whole
from bench.errors import UsageError
from bench.keys import Part, key_of
from bench.suite import explain


@dataclass(frozen=True)
class Description:
    """Identity of a configured plug-in (name, version, full config), its facts, and why it cannot run here.

    ``paths`` are the keys of the configuration that hold paths.
    """

    kind: str
    name: str
    version: int
    config: dict[str, Any]
    skip: str | None
    source: str
    facts: dict[str, Any]
    paths: list[str] = field(default_factory=list)

    @cached_property
    def identity(self) -> Part:
        """What enters a stage's key. Paths never do: the plug-in gives a fingerprint of the files instead."""
        config = {key: value for key, value in self.config.items() if key not in self.paths}
        return Part(name=self.name, version=self.version, config=config)


@cache
def _environment() -> str:
    """Digest of plug-in sources and installed packages."""
    return hashlib.sha256((plugins.source_digest() + "\n".join(_installed())).encode()).hexdigest()


def _installed() -> list[str]:
    """Folders of package metadata, which are named after package and version; opening each would take a second."""
    found: set[str] = set()
    for folder in sys.path:
        with suppress(OSError):
            names = (path.name for path in Path(folder or ".").iterdir())
            found |= {name for name in names if name.endswith((".dist-info", ".egg-info"))}
    return sorted(found)


def construct(kind: plugins.Kind, name: str, config: Mapping[str, Any]) -> Any:
    """Import a plug-in and make it with a validated configuration; errors are one line with a suggestion."""
    cls = plugins.find(kind, name).load()
    try:
        return cls(cls.Config.model_validate(dict(config)))
    except ValidationError as error:
        raise UsageError(explain(error, f"{kind} '{name}'", list(cls.Config.model_fields))) from None


def describe(kind: plugins.Kind, name: str, config: Mapping[str, Any], memory: Path | None = None) -> Description:
    """Describe a plug-in with a configuration; ``memory`` is the folder where descriptions are remembered."""
    found = plugins.find(kind, name)
    path = memory / f"{key_of([kind, name, dict(config), _environment()])}.json" if memory else None
    if path and path.exists():
        try:
            return Description(**json.loads(path.read_text()))
        except (ValueError, TypeError):
            pass  # what is written below takes its place
    plugin = construct(kind, name, config)
    made = Description(
        kind=kind,
        name=name,
        version=plugin.version,
        config=plugin.config.identity(),
        skip=plugin.skip(),
        source=_source(found),
        facts=_facts(kind, plugin),
        paths=[key for key in type(plugin.config).model_fields if isinstance(getattr(plugin.config, key), Path)],
    )
    if path:
        with contextlib.suppress(OSError):  # a full disk, or a store that cannot be written: the next plan takes longer
            write_whole(path, json.dumps(asdict(made)), durable=False)
    return made


def _source(found: plugins.Found) -> str:
    return hashlib.sha256(found.file.read_bytes()).hexdigest() if found.file else ""


def _facts(kind: str, plugin: Any) -> dict[str, Any]:
    if kind == "refiner":
        return {
            "trained": plugin.trained,
            "copies": plugin.copies,
            "needs": sorted(plugin.needs),
            "joint": plugin.joint,
            "refines": plugin.refines,
            "separable": plugin.separable,
            "shares": plugin.shares,
        }
    if kind == "task":
        return {
            "metrics": dict(plugin.metrics),
            "headline": plugin.headline,
            "score_version": plugin.score_version,
            "needs": sorted(plugin.needs),
            "pictures": type(plugin).pictures is not Task.pictures,
            "agreement": plugin.agreement_version if type(plugin).agreement is not Task.agreement else 0,
        }
    if kind == "world":
        return {"real_kind": plugin.real_kind}
    return {"task": plugin.task}
