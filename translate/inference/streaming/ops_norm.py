"""Row operations that look at the whole image through its statistics (norms, global means), and dropout that is off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from translate.inference.streaming.op import (
    OpContext,
    RowOp,
    UnsupportedOp,
    arguments,
    image_argument,
    on_rows,
    row_op,
    same_rows,
)
from translate.inference.streaming.trace import Node


@row_op("instance_norm", "batch_norm")
def image_norm(node: Node) -> RowOp:
    """Norms of each channel, by the statistics of the image or those of the training."""
    options = arguments(node)
    source = image_argument(options["input"], node)
    flag, default = ("use_input_stats", True) if node.name == "instance_norm" else ("training", False)
    uses_image_statistics = options.get(flag, default)
    if not uses_image_statistics and options.get("running_mean") is not None:
        # The statistics are those of the training: the norm is a scale and a shift of each pixel.
        return on_rows(node)
    # A batch holds one image here, for which the norm of a batch is the norm of an instance.
    return _normalised(node, source, 1, options.get("weight"), options.get("bias"), options.get("eps", 1e-5))


@row_op("group_norm")
def group_norm(node: Node) -> RowOp:
    """Norms of several channels together."""
    options = arguments(node, "input", "num_groups", "weight", "bias", "eps")
    source = image_argument(options["input"], node)
    eps = 1e-5 if options["eps"] is None else options["eps"]
    channels_per_group = source.shape[1] // options["num_groups"]
    return _normalised(node, source, channels_per_group, options["weight"], options["bias"], eps)


def _normalised(node: Node, source: Node, channels: int, weight: Any, bias: Any, eps: float) -> RowOp:
    """Returns weight (x - mean) / sqrt(variance + eps) + bias, with mean and variance over the rows and columns of
    `channels` neighbouring channels together."""
    if isinstance(weight, Node) or isinstance(bias, Node):
        raise UnsupportedOp(f"{node.name} with weights that depend on the image")

    def run(strips: Sequence[Tensor], start: int, stop: int, context: OpContext) -> Tensor:
        statistics = context.statistics[source]
        mean, variance = (s.to(context.device, statistics.dtype) for s in statistics.finish(channels))
        # `batch_norm` in evaluation mode takes mean and variance as they are, the same for each strip.
        return F.batch_norm(strips[0], mean, variance, weight, bias, False, 0.0, eps)

    return RowOp(node, (source,), same_rows(node, (source,)), run, statistics_of=source)


def mean_of_all(node: Node, source: Node) -> RowOp:
    """Returns the mean of each channel, N x C x 1 x 1. It reads no rows, since the statistics hold it already."""

    def run(strips: Sequence[Tensor], start: int, stop: int, context: OpContext) -> Tensor:
        statistics = context.statistics[source]
        mean, _ = statistics.finish()
        return mean.to(statistics.dtype).view(1, -1, 1, 1).to(context.device)

    return RowOp(node, (), lambda start, stop: (), run, statistics_of=source)


@row_op("adaptive_avg_pool2d")
def global_pool(node: Node) -> RowOp:
    """The mean of each channel over the whole image, by another name than `mean`. Other sizes go in bands."""
    options = arguments(node, "input", "output_size")
    if node.shape[-2:] != (1, 1):
        raise UnsupportedOp("adaptive_avg_pool2d to more than one pixel")
    return mean_of_all(node, image_argument(options["input"], node))


@row_op("dropout", "dropout2d", "feature_dropout")
def dropout(node: Node) -> RowOp:
    """Passes values on where dropout is off. Where it is on, it draws for the whole image. Errors: UnsupportedOp."""
    options = arguments(node, "input", "p", "training")
    if options.get("training", True) and options["p"]:
        raise UnsupportedOp("dropout that is on")
    source = image_argument(options["input"], node)
    return RowOp(node, (source,), same_rows(node, (source,)), lambda strips, start, stop, context: strips[0])
