"""States of a network kept on the way, so that what it makes does not hang on where adversarial training ended."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from bench.contracts import State


class Snapshots:
    """Keeps ``count`` states of a network, spread evenly over the last ``share`` of ``steps``; the last one is the end.

    A generator that plays against a discriminator does not settle: it wanders about the real domain's look. A network
    that is trained along with it sees all of that; a single last state shows one moment of it.
    """

    def __init__(self, network: nn.Module, steps: int, count: int, share: float = 0.5) -> None:
        self._network = network
        span = share * steps
        self.due = tuple(max(1, round(steps - span * (count - 1 - k) / max(count - 1, 1))) for k in range(count))
        self._kept: dict[int, dict[str, Tensor]] = {}

    def after(self, done: int) -> None:
        """Keep the network's state where ``done`` steps are one of those that are `due`."""
        if done in self.due:
            state = self._network.state_dict()
            self._kept[done] = {name: value.detach().clone() for name, value in state.items()}

    def states(self) -> list[dict[str, Tensor]]:
        """The kept states in order; one that is due at several steps of a very short run stands there as often."""
        return [self._kept[done] for done in self.due]

    def state_dict(self) -> dict[str, Any]:
        """What is kept so far, by step: part of the checkpoint."""
        return {str(done): dict(state) for done, state in self._kept.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take what `state_dict` returned."""
        self._kept = {int(done): dict(state) for done, state in state_dict.items()}


def flattened(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Several states as flat tensors on the CPU: ``<k>.<parameter>``."""
    return {
        f"{k}.{name}": value.detach().cpu().contiguous()
        for k, state in enumerate(states)
        for name, value in state.items()
    }


def unflattened(state: State) -> list[dict[str, Tensor]]:
    """What `flattened` was given."""
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in state.items():
        k, _, name = key.partition(".")
        states.setdefault(int(k), {})[name] = value
    return [states[k] for k in sorted(states)]
