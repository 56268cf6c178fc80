"""What is asked of a model: to be trained, resumed and scored by its task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench import plugins
from bench.conformance.common import check_class
from bench.conformance.of_task import AskedTask
from bench.conformance.run import Check, Failed, configuration
from bench.contracts import Model


def checks(name: str, config: dict[str, Any], folder: Path) -> list[Check]:
    """The checks in order; the task is the one that the model names."""
    task = plugins.find("model", name).task or ""

    def contract() -> str | None:
        check_class("model", name, Model)
        if ("task", task) not in plugins.scan():
            raise Failed(f"task is {task!r}, which is no known task ({', '.join(plugins.names('task'))})")
        return f"task {task}"

    if ("task", task) not in plugins.scan():
        return [("contract: name, version, Config, task", contract)]
    asked = AskedTask(task, configuration("task", task, {}), name, config, folder)
    return [("contract: name, version, Config, task", contract), *asked.training()]
