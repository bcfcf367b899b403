"""What a network does, as a list of calls: recorded while it runs on tensors that have a shape and no values.

Every torch function that depends on an input becomes a `Node`; what depends on weights alone is computed at once and
kept as a constant. Shapes are those of one given image, so that a network may look at them. No code of the network's
own is needed, nor any torch compiler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name


class Unrecordable(Exception):  # noqa: N818 (a reason to do something else, which no user sees as an error)
    """A network that looks at values, or writes where others look, so that a list of calls does not describe it."""


@dataclass(eq=False, repr=False, slots=True)
class Node:
    """One tensor on the way from the inputs to the output: `function(*args, **kwargs)`, or part of what that returns.

    Other nodes stand for tensors in `args` and `kwargs`. `name` is that of the function without underscores. An input
    has no function. `fp32`: the call was made with autocast switched off. `place`: its number in the recording.
    """

    shape: tuple[int, ...]
    name: str = ""
    function: Callable[..., Any] | None = None
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    part: int | None = None
    fp32: bool = False
    place: int = 0

    def __repr__(self) -> str:
        return f"{self.place}: {self.name} {self.shape}"

    @property
    def rows(self) -> int:
        """The length of the axis along which images are cut: the last but one."""
        return self.shape[-2]

    @property
    def numel(self) -> int:
        return torch.Size(self.shape).numel()

    def inputs(self) -> tuple[Node, ...]:
        """The nodes among the arguments, each once."""
        return tuple(dict.fromkeys(leaf for leaf in leaves((self.args, self.kwargs)) if isinstance(leaf, Node)))


@dataclass(frozen=True)
class Recording:
    """The nodes of a program in the order of its calls, inputs first."""

    inputs: tuple[Node, ...]
    nodes: tuple[Node, ...]
    output: Node

    def peak(self, itemsize: int = 4) -> int:
        """Bytes of all tensors that are alive at the worst moment, when each is freed after its last use."""
        last = {i: n for n, node in enumerate(self.nodes) for i in node.inputs()}
        ends: dict[int, list[Node]] = {}
        for node, when in last.items():
            if node is not self.output:
                ends.setdefault(when, []).append(node)
        alive = most = 0
        for n, node in enumerate(self.nodes):
            alive += node.numel * itemsize
            most = max(most, alive)
            alive -= sum(dead.numel for dead in ends.get(n, ())) * itemsize
        return most


def record(
    program: Callable[..., Tensor],
    shapes: Sequence[Sequence[int]],
    device: torch.device,
    *,
    autocast: bool = False,
    dtype: torch.dtype = torch.float32,
) -> Recording:
    """The calls that `program` makes for inputs of these shapes, which it is told to be on `device`.

    `autocast`: whether calls are made in low precision, but where the program switches that off.

    Errors: Unrecordable, where the program needs values, changes a tensor behind the back of another one, or returns
    something else than one tensor that depends on its inputs.
    """
    given = [torch.empty(tuple(shape), dtype=dtype, device="meta") for shape in shapes]
    recorder = _Recorder(given, device, autocast)
    try:
        with torch.no_grad(), recorder:
            made = program(*given)
    except (NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        raise Unrecordable(f"{type(error).__name__}: {error}") from error
    output = recorder.node(made)
    if output is None:
        raise Unrecordable("its output does not depend on its inputs")
    return Recording(tuple(recorder.inputs), tuple(recorder.nodes), output)


class _Recorder(TorchFunctionMode):
    def __init__(self, given: Sequence[Tensor], device: torch.device, autocast: bool) -> None:
        super().__init__()
        self.device, self.autocast = device, autocast
        self.inputs = [Node(tuple(tensor.shape), place=n) for n, tensor in enumerate(given)]
        self.nodes = list(self.inputs)
        self._known = {id(t): (t, node) for t, node in zip(given, self.inputs, strict=True)}  # t: ids are not reused

    def node(self, value: Any) -> Node | None:
        entry = self._known.get(id(value))
        return entry[1] if entry else None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not any(self.node(leaf) for leaf in leaves((args, kwargs))):
            return func(*args, **kwargs)
        title = resolve_name(func) or getattr(func, "__name__", repr(func))
        if title.endswith("device.__get__"):
            return self.device
        if title.endswith("__setitem__") or kwargs.get("out") is not None:
            raise Unrecordable(f"{title} writes into a tensor")
        made = func(*map_leaves(args, _shape_only), **map_leaves(kwargs, _shape_only))
        if any(isinstance(value, Tensor) for value in leaves(made)):
            self._keep(func, title, args, kwargs, made)
        return made

    def _keep(self, func: Any, title: str, args: Any, kwargs: Any, made: Any) -> None:
        def known(leaf: Any) -> Any:
            return self.node(leaf) or leaf

        autocast = torch.is_autocast_enabled(self.device.type)
        call = (map_leaves(args, known), map_leaves(kwargs, known))
        name = title.removesuffix(".__get__").rpartition(".")[2].strip("_")
        parts = [(None, made)] if isinstance(made, Tensor) else list(enumerate(made))
        for part, tensor in parts:
            if not isinstance(tensor, Tensor):
                continue
            if self.node(tensor) and _changes(title, kwargs):
                self._refuse_aliases(tensor, title)
            node = Node(tuple(tensor.shape), name, func, *call, part, self.autocast and not autocast, len(self.nodes))
            self.nodes.append(node)
            self._known[id(tensor)] = (tensor, node)

    def _refuse_aliases(self, changed: Tensor, title: str) -> None:
        """A call in place changes one node alone, unless others look at the same memory."""
        root = _root(changed)
        if any(tensor is not changed and _root(tensor) is root for tensor, _ in self._known.values()):
            raise Unrecordable(f"{title} changes a tensor and a view of it")


def leaves(tree: Any) -> Iterator[Any]:
    """What lies in nested tuples, lists and dicts."""
    if isinstance(tree, (tuple, list)):
        for branch in tree:
            yield from leaves(branch)
    elif isinstance(tree, dict):
        for branch in tree.values():
            yield from leaves(branch)
    else:
        yield tree


def map_leaves(tree: Any, function: Callable[[Any], Any]) -> Any:
    """The same nested tuples, lists and dicts, with `function` of what lies in them."""
    if isinstance(tree, (tuple, list)):
        mapped = [map_leaves(branch, function) for branch in tree]
        return mapped if isinstance(tree, list) else tuple(mapped)
    if isinstance(tree, dict):
        return {key: map_leaves(branch, function) for key, branch in tree.items()}
    return function(tree)


def _root(tensor: Tensor) -> Tensor:
    return tensor if tensor._base is None else tensor._base


def _shape_only(leaf: Any) -> Any:
    if isinstance(leaf, Tensor):
        low = leaf.dtype in (torch.bfloat16, torch.float16)  # of weights under autocast, which knows no meta tensors
        return leaf if leaf.is_meta else leaf.detach().to("meta", torch.float32 if low else leaf.dtype)
    return torch.device("meta") if isinstance(leaf, torch.device) else leaf


def _changes(title: str, kwargs: dict[str, Any]) -> bool:
    """Whether a call changes its argument: `add_`, `__iadd__`, `relu(inplace=True)`; `contiguous` does not."""
    name = title.rpartition(".")[2]
    dunder = name.startswith("__")
    return bool(kwargs.get("inplace")) or (name.startswith("__i") if dunder else name.endswith("_"))
