"""How the calls of a network are made for some rows of their output: which rows they read, and what they do then.

Zeros, reflection and the like stand at the borders of the image alone, never at those of a strip. Only operations that
are known here can be made strip by strip; all others are `Unknown`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from translate.inference.streaming.statistics import Moments
from translate.inference.streaming.trace import Node, map_leaves
from translate.seeding import derive

Span = tuple[int, int]
"""Rows from the first to before the second."""


class Unknown(Exception):  # noqa: N818 (a reason to do something else, which no user sees as an error)
    """An operation that is not known to be local in rows, nor a norm."""


@dataclass(frozen=True)
class Context:
    """What a call may need beside its strips: statistics of whole images, the device, and the seed of dropout."""

    moments: Mapping[Node, Moments]
    device: torch.device
    seed: int = 0


Run = Callable[[Sequence[Tensor], int, int, Context], Tensor]


@dataclass(frozen=True)
class Step:
    """A node for some of its rows: `need(a, b)` are the rows of each of `reads` that its rows [a, b) depend on, and
    `run(strips, a, b, context)` makes these rows from exactly those of its inputs.

    `work`: multiplications for the whole tensor, where they count. `gathers`: a node whose statistics over the whole
    image must be there first.
    """

    node: Node
    reads: tuple[Node, ...]
    need: Callable[[int, int], tuple[Span, ...]]
    run: Run
    work: int = 0
    gathers: Node | None = None


Lowering = Callable[[Node], Step]
LOWERINGS: dict[str, Lowering] = {}
"""By the name of the function."""


def lowers(*names: str) -> Callable[[Lowering], Lowering]:
    """Registers how functions of these names are made row by row."""

    def register(lowering: Lowering) -> Lowering:
        LOWERINGS.update(dict.fromkeys(names, lowering))
        return lowering

    return register


def lower(node: Node) -> Step:
    """The call of a node as one that can be made for some rows. Errors: Unknown."""
    import translate.inference.streaming.ops_spatial  # noqa: F401 (registers its lowerings)

    if node.name not in LOWERINGS:
        raise Unknown(node.name)
    if len(node.shape) < 3:
        raise Unknown(f"{node.name} of a tensor without rows")
    return LOWERINGS[node.name](node)


def arguments(node: Node, *names: str) -> dict[str, Any]:
    """The arguments of a call by name; None where they are left out. `names`: of functions that do not tell theirs."""
    assert node.function is not None
    given = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    try:
        found = inspect.signature(node.function).bind(*node.args, **node.kwargs).arguments
    except (TypeError, ValueError):
        found = given
    return {**dict.fromkeys(names), **(given if "args" in found or "kwargs" in found else found)}


def tensor(value: Any, node: Node) -> Node:
    """An argument that has to be a tensor of N x C x H x W on the way."""
    if not isinstance(value, Node) or len(value.shape) != 4:
        raise Unknown(f"{node.name} of something else than N x C x H x W")
    return value


def clipped(span: Span, rows: int) -> Span:
    """The part of a span that an image of `rows` rows has: at least one row."""
    return min(max(span[0], 0), rows - 1), max(min(span[1], rows), 1)


def same_rows(node: Node, reads: Sequence[Node]) -> Callable[[int, int], tuple[Span, ...]]:
    """Row a of the output depends on row a of each input, or on the only one that it has."""
    for read in reads:
        if len(read.shape) < 2 or read.rows not in (1, node.rows):
            raise Unknown(f"{node.name} of {read.shape} to {node.shape}")

    def need(a: int, b: int) -> tuple[Span, ...]:
        return tuple((a, b) if read.rows == node.rows else (0, 1) for read in reads)

    return need


def on_rows(node: Node, function: Callable[..., Any] | None = None, **changed: Any) -> Step:
    """The call itself, with strips for its tensors: for whatever treats each row alone."""
    reads = node.inputs()
    need = same_rows(node, reads)
    call = function or node.function
    assert call is not None

    def run(strips: Sequence[Tensor], a: int, b: int, context: Context) -> Tensor:
        by_node = dict(zip(reads, strips, strict=True))

        def value(leaf: Any) -> Any:
            if isinstance(leaf, Node):
                return by_node[leaf]
            if isinstance(leaf, Tensor) and leaf.ndim > 1 and node.rows > 1 and leaf.shape[-2] == node.rows:
                return leaf[..., a:b, :]
            return leaf

        made = call(*map_leaves(node.args, value), **{**map_leaves(node.kwargs, value), **changed})
        result: Tensor = made if node.part is None else made[node.part]
        return result

    return Step(node, reads, need, run)


# ------------------------------------------------------------------------------------------------------ pixel by pixel

IN_PLACE = {"iadd": "add", "isub": "sub", "imul": "mul", "itruediv": "div", "ipow": "pow"}


@lowers(*IN_PLACE)
@lowers("add", "radd", "sub", "rsub", "subtract", "mul", "rmul", "multiply", "div", "truediv", "divide", "rtruediv")
@lowers("neg", "abs", "pow", "rpow", "square", "sqrt", "rsqrt", "reciprocal", "exp", "log", "sin", "cos", "clamp")
@lowers("clip", "clamp_min", "clamp_max", "minimum", "maximum", "round", "floor", "ceil", "sign", "lerp", "where")
@lowers("gt", "lt", "ge", "le", "eq", "ne", "logical_and", "logical_or", "logical_not", "and", "or", "invert")
@lowers("masked_fill", "nan_to_num", "addcmul", "relu", "relu6", "leaky_relu", "prelu", "elu", "celu", "selu", "gelu")
@lowers("silu", "mish", "hardtanh", "hardswish", "hardsigmoid", "sigmoid", "logsigmoid", "tanh", "softplus", "softsign")
@lowers("to", "type_as", "float", "half", "bfloat16", "double", "bool", "contiguous", "clone", "detach", "zeros_like")
@lowers("ones_like", "full_like")
def _pixelwise(node: Node) -> Step:
    base = IN_PLACE.get(node.name, node.name)
    title = getattr(node.function, "__name__", "")
    if node.name in IN_PLACE or (title.endswith("_") and not title.startswith("__")):
        return on_rows(node, getattr(torch, base, None) or getattr(Tensor, base))
    if any(value is True for value in node.args[1:]) and "relu" in node.name:  # relu(x, True) of a positional inplace
        raise Unknown(f"{node.name} with an unnamed `inplace`")
    return on_rows(node, inplace=False) if node.kwargs.get("inplace") else on_rows(node)


# --------------------------------------------------------------------------------------- along other axes than the rows


@lowers("cat", "concat", "stack")
def _joined(node: Node) -> Step:
    a = arguments(node, "tensors", "dim")
    if _from_end(a["dim"] or 0, len(node.shape)) in ((-2, -1) if node.name == "stack" else (-2,)):
        raise Unknown(f"{node.name} along the rows")
    return on_rows(node)


@lowers("chunk", "split", "unbind", "narrow", "softmax", "log_softmax")
def _along(node: Node) -> Step:
    names = {"chunk": ("input", "chunks", "dim"), "split": ("tensor", "split_size", "dim")}
    a = arguments(node, *names.get(node.name, ("input", "dim")))
    source = next(iter(node.inputs()))
    away = _from_end(a["dim"] or 0, len(source.shape))
    if away == -2 or (node.name == "unbind" and away == -1) or len(source.shape) < 3:
        raise Unknown(f"{node.name} along the rows")
    return on_rows(node)


@lowers("mean", "sum", "amax", "amin", "argmax")
def _reduced(node: Node) -> Step:
    a = arguments(node, "input", "dim", "keepdim")
    source, keep = next(iter(node.inputs())), bool(a["keepdim"])
    dims = a["dim"] if isinstance(a["dim"], (tuple, list)) else [a["dim"]]
    if None in dims:
        raise Unknown(f"{node.name} of everything")
    away = {_from_end(d, len(source.shape)) for d in dims}
    if node.name == "mean" and away == {-1, -2} and keep and len(source.shape) == 4:
        return mean_of_all(node, source)
    if -2 in away or (-1 in away and not keep):
        raise Unknown(f"{node.name} along the rows")
    return on_rows(node)


def mean_of_all(node: Node, source: Node) -> Step:
    """N x C x 1 x 1, the mean of each channel."""

    def run(strips: Sequence[Tensor], a: int, b: int, context: Context) -> Tensor:
        mean, _ = context.moments[source].finish()
        return mean.to(context.moments[source].dtype).view(1, -1, 1, 1).to(context.device)

    return Step(node, (), lambda a, b: (), run, gathers=source)


@lowers("adaptive_avg_pool2d")
def _pooled(node: Node) -> Step:
    a = arguments(node, "input", "output_size")
    if node.shape[-2:] != (1, 1):
        raise Unknown("adaptive_avg_pool2d to more than one pixel")
    return mean_of_all(node, tensor(a["input"], node))


@lowers("reshape", "view", "flatten", "unflatten", "unsqueeze", "squeeze", "expand", "expand_as")
def _reshaped(node: Node) -> Step:
    source = next(iter(node.inputs()))
    if len(source.shape) < 3 or source.shape[-2:] != node.shape[-2:]:
        raise Unknown(f"{node.name} of rows")
    reads = (source,)

    def run(strips: Sequence[Tensor], a: int, b: int, context: Context) -> Tensor:
        shape = (*node.shape[:-2], b - a, node.shape[-1])
        return strips[0].expand(shape) if "expand" in node.name else strips[0].reshape(shape)

    return Step(node, reads, same_rows(node, reads), run)


@lowers("getitem")
def _indexed(node: Node) -> Step:
    source, index = node.args
    if len(node.inputs()) > 1 or not isinstance(source, Node):
        raise Unknown("indexing with a tensor on the way")
    entries = list(index) if isinstance(index, tuple) else [index]
    if any(isinstance(entry, (Tensor, list, bool)) for entry in entries):
        raise Unknown("indexing with a tensor or a list")
    taken = sum(entry is not None and entry is not Ellipsis for entry in entries)
    at = entries.index(Ellipsis) if Ellipsis in entries else len(entries)
    entries[at : at + 1] = [slice(None)] * (len(source.shape) - taken)
    if not all(isinstance(entry, slice) for entry in entries[-2:]):
        raise Unknown("indexing that takes the rows away")
    start, _, step = entries[-2].indices(source.rows)
    if step != 1:
        raise Unknown("every other row")
    others = (*entries[:-2], slice(None), entries[-1])

    def need(a: int, b: int) -> tuple[Span, ...]:
        return ((a + start, b + start),)

    def run(strips: Sequence[Tensor], a: int, b: int, context: Context) -> Tensor:
        return strips[0][others]

    return Step(node, (source,), need, run)


def _from_end(dim: int, axes: int) -> int:
    return dim if dim < 0 else dim - axes


# -------------------------------------------------------------------------------------------------- norms and dropout


@lowers("instance_norm", "batch_norm")
def _norm(node: Node) -> Step:
    a = arguments(node)
    x = tensor(a["input"], node)
    by_image = a.get("use_input_stats", True) if node.name == "instance_norm" else a.get("training", False)
    if not by_image and a.get("running_mean") is not None:
        return on_rows(node)
    return _normalised(node, x, 1, a.get("weight"), a.get("bias"), a.get("eps", 1e-5))


@lowers("group_norm")
def _group_norm(node: Node) -> Step:
    a = arguments(node, "input", "num_groups", "weight", "bias", "eps")
    x = tensor(a["input"], node)
    eps = 1e-5 if a["eps"] is None else a["eps"]
    return _normalised(node, x, x.shape[1] // a["num_groups"], a["weight"], a["bias"], eps)


def _normalised(node: Node, x: Node, group: int, weight: Any, bias: Any, eps: float) -> Step:
    if isinstance(weight, Node) or isinstance(bias, Node):
        raise Unknown(f"{node.name} with weights that depend on the image")

    def run(strips: Sequence[Tensor], a: int, b: int, context: Context) -> Tensor:
        moments = context.moments[x]
        mean, variance = (m.to(context.device, moments.dtype) for m in moments.finish(group))
        return F.batch_norm(strips[0], mean, variance, weight, bias, False, 0.0, eps)

    return Step(node, (x,), same_rows(node, (x,)), run, gathers=x)


@lowers("dropout", "dropout2d", "feature_dropout")
def _dropout(node: Node) -> Step:
    """Where it stays on, each row of each call has its own draws, in whichever strip and however often it is made."""
    a = arguments(node, "input", "p", "training")
    x, p, training = tensor(a["input"], node), a["p"], a.get("training", True)
    if not training or not p:
        return Step(node, (x,), same_rows(node, (x,)), lambda strips, a, b, context: strips[0])
    whole = node.name != "dropout"
    shape = (1, x.shape[1], 1, 1 if whole else x.shape[-1])

    def draw(row: int, context: Context) -> Tensor:
        rng = torch.Generator().manual_seed(derive(context.seed, node.place, row))
        return torch.empty(shape).bernoulli_(1 - p, generator=rng)

    def run(strips: Sequence[Tensor], a: int, b: int, context: Context) -> Tensor:
        mask = torch.cat([draw(0 if whole else row, context) for row in range(a, b)], -2)
        made: Tensor = strips[0] * (mask / (1 - p)).to(strips[0])
        return made

    return Step(node, (x,), same_rows(node, (x,)), run)
