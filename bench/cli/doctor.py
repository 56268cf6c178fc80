"""``bench doctor``: versions, devices, memory, disk, plug-ins that would be skipped, and what will be slow here."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.cli.options import add_store_options, open_store

PACKAGES = (
    "torch", "torchvision", "segmentation-models-pytorch", "numpy", "scipy", "pillow", "pandas", "matplotlib",
    "pydantic", "safetensors", "faster-coco-eval", "jinja2", "rich", "ultralytics-opencv-headless", "ultralytics",
    "mitsuba", "drjit", "mitsuba-oidn", "ray",
)
"""Distributions that results depend on; those that are not needed by every run may be missing."""
OPTIONAL = {
    "ultralytics-opencv-headless": "yolo", "mitsuba": "render", "drjit": "render", "mitsuba-oidn": "render",
    "ray": "ray",
}  # fmt: skip
MEMORY_GIB, DISK_GIB = 6.0, 5.0
"""What `quick` wants to be sure of."""


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser("doctor", help="versions, devices, disk, what is missing and what will be slow")
    add_store_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what was found; exit code 0, whatever it is."""
    from bench import plugins

    for file in args.plugin:
        plugins.add_file(file)
    found = examine(open_store(args).root)
    print(json.dumps(found, indent=1) if args.json else as_text(found))
    return 0


def examine(store: Path) -> dict[str, Any]:
    """Everything that the report says, as plain data: versions, devices, disk, plugins, remarks."""
    versions = package_versions()
    devices = device_facts(versions.get("torch") is not None)
    disk = disk_facts(store)
    found = plugin_states()
    return {
        "versions": versions, "devices": devices, "disk": disk, "plugins": found,
        "remarks": remarks(versions, devices, disk, found),
    }


def package_versions() -> dict[str, str | None]:
    """Version by distribution, None where it is not installed; nothing is imported."""
    import importlib.metadata

    from bench import __version__

    versions: dict[str, str | None] = {"refiner-bench": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def device_facts(has_torch: bool) -> dict[str, Any]:
    """System, cores that this process may use, memory in GiB (or None where the system does not tell), CUDA devices."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "system": f"{platform.system()} {platform.machine()}", "cores": cores, "memory_gib": memory_gib(),
        "cuda": cuda_devices() if has_torch else [],
    }


def memory_gib(cgroup: Path = Path("/sys/fs/cgroup/memory.max")) -> float | None:
    """Memory of the machine, or of the container where that has a smaller limit."""
    limits = []
    try:
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return None
    with contextlib.suppress(OSError, ValueError):  # no container, or "max": no limit
        limits.append(int(cgroup.read_text()))
    return round(min(limits) / 2**30, 1)


def cuda_devices() -> list[dict[str, Any]]:
    """Name, memory in GiB and whether bf16 runs on each CUDA device that torch sees."""
    try:
        import torch

        return [
            {
                "name": torch.cuda.get_device_name(index),
                "memory_gib": round(torch.cuda.get_device_properties(index).total_memory / 2**30, 1),
                "bf16": torch.cuda.get_device_capability(index) >= (8, 0),
            }
            for index in range(torch.cuda.device_count())
        ]
    except (ImportError, OSError, RuntimeError):
        return []


def disk_facts(store: Path) -> dict[str, Any]:
    """Where artifacts go, and how many GiB are free there."""
    existing = next(path for path in [store.absolute(), *store.absolute().parents] if path.exists())
    return {
        "store": str(store), "free_gib": round(shutil.disk_usage(existing).free / 2**30, 1),
        "writable": os.access(existing, os.W_OK),
    }


def plugin_states() -> list[dict[str, Any]]:
    """Every plug-in with the reason why it would be skipped here, or None; loading one must not stop the report."""
    from bench import plugins

    states = []
    for (kind, name), item in sorted(plugins.scan().items()):
        try:
            reason = item.load().skip()
        except Exception as error:  # somebody else's file may fail in any way, and saying so is the point
            cause = error.__cause__ or error
            first = (str(cause).splitlines() or [""])[0]
            reason = f"cannot be loaded: {type(cause).__name__}: {first}"
        states.append({"kind": kind, "name": name, "version": item.version, "skip": reason})
    return states


def remarks(
    versions: dict[str, str | None], devices: dict[str, Any], disk: dict[str, Any], plugins: Sequence[dict[str, Any]]
) -> list[str]:
    """What is missing, what will be slow or fail, each with what to do about it."""
    found = []
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        found.append(f"Python {versions['python']}: tested are 3.11 to 3.13")
    for name in PACKAGES:
        if versions[name] is None and name not in OPTIONAL and name != "ultralytics":
            found.append(f'{name} is not installed; python -m pip install "refiner-bench"')
    absent = {extra for name, extra in OPTIONAL.items() if versions[name] is None}
    extras = sorted(absent - _provided(versions) - {"ray"})  # one machine needs no Ray
    for extra in extras:
        found.append(f'extra "{extra}" is not installed; python -m pip install "refiner-bench[{extra}]"')
    if versions["ultralytics"] and versions["ultralytics-opencv-headless"]:
        found.append("ultralytics and ultralytics-opencv-headless share one folder; uninstall both, install the latter")
    found += [f"{p['kind']} '{p['name']}' will be skipped: {p['skip']}" for p in plugins if p["skip"]]
    if not devices["cuda"]:
        found.append("no CUDA device: smoke and quick are sized for that; standard and full want a GPU")
    elif not all(device["bf16"] for device in devices["cuda"]):
        found.append("a CUDA device without bf16: keep precision = 'fp32'")
    if devices["cores"] < 2:
        found.append("one core: rendering and training run one after the other, quick takes twice its time")
    if devices["memory_gib"] is not None and devices["memory_gib"] < MEMORY_GIB:
        found.append(f"{devices['memory_gib']} GiB of memory: quick may need {MEMORY_GIB:g}; use --workers 1")
    if disk["free_gib"] < DISK_GIB:
        found.append(f"{disk['free_gib']} GiB free at {disk['store']}: free some, `bench gc`, or use --store elsewhere")
    if not disk["writable"]:
        found.append(f"{disk['store']} cannot be written; use --store, or set BENCH_STORE")
    return found


def _provided(versions: dict[str, str | None]) -> set[str]:
    """Extras that another distribution of the same package stands in for."""
    return {"yolo"} if versions["ultralytics"] else set()


def as_text(found: dict[str, Any]) -> str:
    """The report for people."""
    lines = ["versions"]
    for name, version in found["versions"].items():
        if version or name != "ultralytics":  # only there by mistake, beside or instead of the headless build
            lines.append(f"  {name:<28} {version or 'not installed'}")
    devices, disk = found["devices"], found["disk"]
    memory = "unknown" if devices["memory_gib"] is None else f"{devices['memory_gib']} GiB"
    lines += ["machine", f"  {'system':<28} {devices['system']}", f"  {'cores':<28} {devices['cores']}",
              f"  {'memory':<28} {memory}"]
    gpus = [f"{gpu['name']}, {gpu['memory_gib']} GiB{', bf16' if gpu['bf16'] else ''}" for gpu in devices["cuda"]]
    lines += [f"  {'CUDA':<28} {gpu}" for gpu in gpus or ["none"]]
    lines += [f"  {'store':<28} {disk['store']} ({disk['free_gib']} GiB free)", "plug-ins"]
    for kind in ("world", "refiner", "task", "model"):
        names = [p["name"] + (" (skipped)" if p["skip"] else "") for p in found["plugins"] if p["kind"] == kind]
        lines.append(f"  {kind + 's':<28} {', '.join(names) or 'none'}")
    lines.append("remarks" if found["remarks"] else "remarks: none, everything is there")
    lines += [f"  - {text}" for text in found["remarks"]]
    return "\n".join(lines)
