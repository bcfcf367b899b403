"""What optimizers of plugins remember is in a checkpoint, or ends the training with its name after the first update."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
import torch
from duel import Shop, Train, data, train

from translate import Optimizer, OptimizerConfig
from translate.errors import ContractError
from translate.training.saving import checkpoint

__all__ = ["data", "train"]


class Memory(torch.optim.SGD):
    """Plain descent that remembers something after each step, as `remember` says."""

    def __init__(self, params: Any, lr: float, remember: Callable[[Memory], None]) -> None:
        super().__init__(params, lr=lr)
        self.remember, self.flag, self.fixed = remember, False, 3

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        super().step()
        self.flag = True
        self.remember(self)


def first(optimizer: Memory) -> dict[str, Any]:
    """What the optimizer keeps for its first parameter."""
    state: dict[str, Any] = optimizer.state[optimizer.param_groups[0]["params"][0]]
    return state


def count(optimizer: Memory) -> None:
    optimizer.count = getattr(optimizer, "count", 0) + 1


WRONG: dict[str, tuple[Callable[[Memory], Any], str]] = {
    "list": (lambda o: first(o).update(past=deque()), "keeps 'past' of a parameter as deque: a checkpoint holds"),
    "nan": (lambda o: first(o).update(least=math.inf), "keeps 'least' of a parameter as inf"),
    "sparse": (
        lambda o: first(o).update(mask=torch.zeros(3).to_sparse()),
        "'mask' of a parameter as Tensor of torch.sp",
    ),
    "global": (lambda o: o.state["all"].update(k=1), "keeps 'all' in its state, which is of no parameter"),
    "group": (lambda o: o.param_groups[0].update(betas=(0.1, 0.2)), "keeps 'betas' in its group as tuple"),
    "tensor of the group": (lambda o: o.param_groups[0].update(d=torch.ones(1)), "keeps 'd' in its group as Tensor"),
    "attribute": (count, r"counts in its attribute 'count' \(int\), which no checkpoint holds"),
}


@pytest.fixture
def with_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets `acme/memory` be the optimizer that remembers so."""

    def use(build: Callable[[Any, float], torch.optim.Optimizer]) -> None:
        class Use(Optimizer[OptimizerConfig]):
            name = "acme/memory"

            def build(self, params: Any, *, fused: bool) -> torch.optim.Optimizer:
                return build(params, self.config.lr)

        known = Shop.get
        monkeypatch.setattr(Shop, "get", lambda self, kind, name: Use if name == Use.name else known(self, kind, name))

    return use


OPTIONS = {"players": {"G": {"optimizer": {"uses": "acme/memory", "lr": 0.1}}}, "max_steps": 3}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_memory_that_no_checkpoint_holds_ends_a_training_at_its_first_update(
    train: Train, with_memory: Any, wrong: str
) -> None:
    remember, message = WRONG[wrong]
    with_memory(lambda params, lr: Memory(params, lr, remember))
    with pytest.raises(ContractError, match=f"optimizer Memory .*{message}"):
        train(**OPTIONS)


@pytest.mark.parametrize("value", [None, "text", 2, True, 0.5, torch.tensor([1, 2])])
def test_a_memory_that_json_or_a_tensor_is_comes_back(train: Train, with_memory: Any, value: Any) -> None:
    met: list[Any] = []

    def remember(optimizer: Memory) -> None:
        met.append(first(optimizer).get("kept", "nothing"))
        first(optimizer)["kept"] = value

    with_memory(lambda params, lr: Memory(params, lr, remember))
    context, _ = train(**{**OPTIONS, "max_steps": 2})
    assert checkpoint.steps(context.folder / "checkpoints") == [2]
    train(**{**OPTIONS, "max_steps": 5})  # the player plays at steps 2 and 5
    assert met[0] == "nothing" and len(met) == 2
    assert torch.equal(met[1], value) if isinstance(value, torch.Tensor) else met[1] is value or met[1] == value


def test_parameters_in_several_groups_are_refused(train: Train, with_memory: Any) -> None:
    with_memory(lambda params, lr: torch.optim.SGD([{"params": [param]} for param in params], lr=lr))
    with pytest.raises(ContractError, match="optimizer Use of player G makes 4 groups of parameters"):
        train(**OPTIONS)
