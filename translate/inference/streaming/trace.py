"""Lists the calls that a network makes, while it runs on tensors that have a shape and no values.

Every torch function that depends on an input becomes a `Node`; what depends on weights alone is computed at once and
becomes a constant. Shapes are those of one given image, so that a network may look at them. The network needs no code
for this, and no compiler of torch takes part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name


class Untraceable(Exception):  # noqa: N818 (a reason to do something else, which no user sees as an error)
    """A network that looks at values, or writes where others look, so that a list of calls does not describe it."""


@dataclass(eq=False, repr=False, slots=True)
class Node:
    """One tensor on the way from the inputs to the output: `function(*args, **kwargs)`, or part of what that returns.

    In `args` and `kwargs` nodes stand in the place of tensors. `name` is that of the function, without underscores at
    its ends. An input of the trace has no function. `part` is the number of the tensor among several that the call
    returned, `fp32` tells that the call was made with autocast switched off, and `place` is its number in the trace.
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
        """Returns the nodes among the arguments, each once."""
        nodes = (leaf for leaf in leaves((self.args, self.kwargs)) if isinstance(leaf, Node))
        return tuple(dict.fromkeys(nodes))


@dataclass(frozen=True)
class Trace:
    """The nodes of a program in the order of its calls, inputs first."""

    inputs: tuple[Node, ...]
    nodes: tuple[Node, ...]
    output: Node

    def peak(self, itemsize: int = 4) -> int:
        """Returns the bytes of the tensors that are alive at the worst moment, where each goes after its last use."""
        last_use: dict[Node, int] = {}
        for number, reader in enumerate(self.nodes):
            last_use.update(dict.fromkeys(reader.inputs(), number))
        freed_after: dict[int, list[Node]] = {}
        for node, number in last_use.items():
            # The output outlives the program.
            if node is not self.output:
                freed_after.setdefault(number, []).append(node)
        alive = peak = 0
        for number, node in enumerate(self.nodes):
            # The inputs of a call are alive together with its output.
            alive += node.numel * itemsize
            peak = max(peak, alive)
            alive -= sum(dead.numel for dead in freed_after.get(number, ())) * itemsize
        return peak


def trace(
    program: Callable[..., Tensor],
    shapes: Sequence[Sequence[int]],
    device: torch.device,
    *,
    autocast: bool = False,
    dtype: torch.dtype = torch.float32,
) -> Trace:
    """Returns the calls that `program` makes for inputs of these shapes, which say of themselves that they lie on
    `device`.

    `autocast` tells that calls are made in low precision, except where the program switches that off.

    Errors: Untraceable, where the program needs values, changes a tensor behind the back of another one, or returns
    something else than one tensor that depends on its inputs.
    """
    inputs = [torch.empty(tuple(shape), dtype=dtype, device="meta") for shape in shapes]
    tracer = _Tracer(inputs, device, autocast)
    try:
        with torch.no_grad(), tracer:
            result = program(*inputs)
    except (NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        # A tensor without values answers `float(x)` or `if x > 0` with one of these.
        raise Untraceable(f"{type(error).__name__}: {error}") from error
    output = tracer.node_of(result)
    if output is None:
        raise Untraceable("its output does not depend on its inputs")
    return Trace(tuple(tracer.inputs), tuple(tracer.nodes), output)


class _Tracer(TorchFunctionMode):
    """Sees every torch function while it is active, and writes down those that depend on an input."""

    def __init__(self, inputs: Sequence[Tensor], device: torch.device, autocast: bool) -> None:
        super().__init__()
        self.device, self.autocast = device, autocast
        self.inputs = [Node(tuple(tensor.shape), place=number) for number, tensor in enumerate(inputs)]
        self.nodes = list(self.inputs)
        # By id, and with the tensor itself: as long as it lives, no other tensor gets its id.
        self._nodes_by_id = {id(tensor): (tensor, node) for tensor, node in zip(inputs, self.inputs, strict=True)}

    def node_of(self, value: Any) -> Node | None:
        entry = self._nodes_by_id.get(id(value))
        return entry[1] if entry else None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not any(self.node_of(leaf) for leaf in leaves((args, kwargs))):
            # Of weights alone: computed for good, a constant from here on.
            return func(*args, **kwargs)
        title = resolve_name(func) or getattr(func, "__name__", repr(func))
        if title.endswith("device.__get__"):
            # The program makes its constants where it believes its inputs to be.
            return self.device
        # Both write into a part of a tensor whose node has other readers; a list of calls cannot say that.
        if title.endswith("__setitem__") or kwargs.get("out") is not None:
            raise Untraceable(f"{title} writes into a tensor")
        output = func(*map_leaves(args, _shape_only), **map_leaves(kwargs, _shape_only))
        if any(isinstance(value, Tensor) for value in leaves(output)):
            self._add(func, title, args, kwargs, output)
        return output

    def _add(self, func: Any, title: str, args: Any, kwargs: Any, output: Any) -> None:
        """Writes down a call: one node for each tensor that it returned."""

        def node_or_value(leaf: Any) -> Any:
            return self.node_of(leaf) or leaf

        # Nodes replace tensors before the outputs are entered: a call in place returns its own argument.
        call = (map_leaves(args, node_or_value), map_leaves(kwargs, node_or_value))
        name = title.removesuffix(".__get__").rpartition(".")[2].strip("_")
        fp32 = self.autocast and not torch.is_autocast_enabled(self.device.type)
        parts = [(None, output)] if isinstance(output, Tensor) else list(enumerate(output))
        for part, tensor in parts:
            if not isinstance(tensor, Tensor):
                continue
            if self.node_of(tensor) and _is_in_place(title, kwargs):
                self._refuse_aliases(tensor, title)
            node = Node(tuple(tensor.shape), name, func, *call, part, fp32, len(self.nodes))
            self.nodes.append(node)
            self._nodes_by_id[id(tensor)] = (tensor, node)

    def _refuse_aliases(self, changed: Tensor, title: str) -> None:
        """Refuses a call in place where another node shares the memory and would change too. Errors: Untraceable."""
        storage = _storage_owner(changed)
        others = (tensor for tensor, _ in self._nodes_by_id.values() if tensor is not changed)
        if any(_storage_owner(other) is storage for other in others):
            raise Untraceable(f"{title} changes a tensor and a view of it")


def leaves(tree: Any) -> Iterator[Any]:
    """Yields the values in nested tuples, lists and dicts, in order."""
    if isinstance(tree, (tuple, list)):
        for branch in tree:
            yield from leaves(branch)
    elif isinstance(tree, dict):
        for branch in tree.values():
            yield from leaves(branch)
    else:
        yield tree


def map_leaves(tree: Any, function: Callable[[Any], Any]) -> Any:
    """Returns the same nested tuples, lists and dicts, with `function(value)` for each value in them."""
    if isinstance(tree, (tuple, list)):
        mapped = [map_leaves(branch, function) for branch in tree]
        return mapped if isinstance(tree, list) else tuple(mapped)
    if isinstance(tree, dict):
        return {key: map_leaves(branch, function) for key, branch in tree.items()}
    return function(tree)


def _storage_owner(tensor: Tensor) -> Tensor:
    return tensor if tensor._base is None else tensor._base


def _shape_only(leaf: Any) -> Any:
    """Returns a tensor without its values; a device becomes `meta`, where such tensors are."""
    if isinstance(leaf, torch.device):
        return torch.device("meta")
    if not isinstance(leaf, Tensor) or leaf.is_meta:
        return leaf
    # Weights for autocast are in low precision, but meta tensors know no autocast: their types would not match.
    low = leaf.dtype in (torch.bfloat16, torch.float16)
    return leaf.detach().to("meta", torch.float32 if low else leaf.dtype)


def _is_in_place(title: str, kwargs: dict[str, Any]) -> bool:
    """Tells whether a call changes its argument: `add_`, `__iadd__`, `relu(inplace=True)`; `contiguous` does not."""
    if kwargs.get("inplace"):
        return True
    # Operators have underscores at both ends: of these, the ones with an `i` are in place.
    name = title.rpartition(".")[2]
    return name.startswith("__i") if name.startswith("__") else name.endswith("_")
