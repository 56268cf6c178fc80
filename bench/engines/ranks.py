"""The other processes of a fit that is shared (`bench.distributed`): started for one stage, and gone with it.

The process that runs the stage is rank 0: it alone logs, saves and leaves the artifact. The others run the same stage
function on their own part of each batch, into a folder beside it that is thrown away. All go on from rank 0's
checkpoint.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bench import plugins
from bench.contracts import Context
from bench.errors import BenchError
from bench.graph import Stage
from bench.stages import run_stage
from bench.store import Store


@contextlib.contextmanager
def together(stage: Stage, store: Store, context: Context, ranks: int) -> Iterator[Context]:
    """The context of rank 0 of ``ranks``, the others being at work; the context itself for a stage that none can share.

    Raises:
        BenchError: one of the others ended; the stage goes on from its checkpoint when it is run again.
    """
    if ranks == 1 or not stage.run.get("shares"):
        yield context
        return
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    from bench.distributed import PeerLostError, joined

    # Ranks of one stage are on one machine; without this gloo asks the network for the machine's own name.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    rendezvous = TCPStore("127.0.0.1", 0, ranks, is_master=True, wait_for_workers=False)
    others: list[subprocess.Popen[bytes]] = []
    scratch = context.directory.with_name("ranks")
    shutil.rmtree(scratch, ignore_errors=True)  # of an attempt that was killed
    try:
        for rank in range(1, ranks):
            theirs = replace(context, directory=scratch / str(rank), rank=rank, ranks=ranks)
            theirs.directory.mkdir(parents=True)
            others.append(_start(stage, store, theirs, rendezvous.port))
        first = replace(context, rank=0, ranks=ranks)
        with joined(first, rendezvous):
            yield first
    except RuntimeError as error:
        # Another rank's connections close before its exit code can be read.
        dead = first_dead(others, patience_s=5 if isinstance(error, PeerLostError) else 0)
        if dead is None:
            raise
        what = f"rank {dead[0]} of {ranks} ended with exit code {dead[1]}"
        raise BenchError(f"{what}; run again to go on from the checkpoint") from error
    finally:
        for other in others:
            other.kill()
            other.wait()
            if other.stdin is not None:
                other.stdin.close()
        shutil.rmtree(scratch, ignore_errors=True)


def first_dead(others: Sequence[subprocess.Popen[bytes]], patience_s: float) -> tuple[int, int] | None:
    """The rank that ended first with an error within ``patience_s``, and its exit code; None where all go on.

    Of several the one that a signal ended: the others may have failed for want of it.
    """
    until = time.monotonic() + patience_s
    while True:
        codes = {rank: code for rank, other in enumerate(others, 1) if (code := other.poll())}
        if codes:
            return min(codes.items(), key=lambda of: (of[1] > 0, of[0]))
        if time.monotonic() > until:
            return None
        time.sleep(0.02)


def _start(stage: Stage, store: Store, context: Context, port: int) -> subprocess.Popen[bytes]:
    order = {
        "stage": asdict(stage), "store": str(store.root.absolute()), "port": port, "seed": context.seed,
        "device": f"cuda:{context.rank}" if context.device.startswith("cuda") else context.device,
        "rank": context.rank, "ranks": context.ranks, "directory": str(context.directory.absolute()),
        "checkpoint": str(context.checkpoint.absolute()) if context.checkpoint else None,
        "precision": context.precision, "plugins": [str(file) for file in plugins.extra_files()],
    }  # fmt: skip
    process = subprocess.Popen([sys.executable, "-m", "bench.engines.ranks"], stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(json.dumps(order).encode() + b"\n")
    process.stdin.flush()
    return process


def _serve(order: dict[str, Any]) -> None:
    """Be one of the other ranks for one stage."""
    import torch
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    from bench.distributed import joined

    torch.set_num_threads(1)
    for file in order["plugins"]:
        plugins.add_file(Path(file))
    rendezvous = TCPStore("127.0.0.1", order["port"], order["ranks"], is_master=False)
    context = Context(
        seed=order["seed"], directory=Path(order["directory"]), device=order["device"], precision=order["precision"],
        checkpoint=Path(order["checkpoint"]) if order["checkpoint"] else None, rank=order["rank"],
        ranks=order["ranks"],
    )  # fmt: skip
    with joined(context, rendezvous):
        run_stage(Stage(**order["stage"]), Store(Path(order["store"])), context)


def _end_with_parent() -> None:
    """The pipe closes when rank 0 is gone, however it went; a rank must not outlive it."""
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    line = sys.stdin.buffer.readline()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(BenchError):  # rank 0 meets the same error and tells it
        _serve(json.loads(line))
