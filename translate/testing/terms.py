"""The conformance of networks and of loss terms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from translate.testing.batches import tiny_batch
from translate.testing.component import ComponentChecks, smallest
from translate.testing.instrumented_engine import frozen
from translate.testing.report import check

CRITICS, GENERATORS = ("critic", "discriminator", "judge"), ("generator", "translate")
"""Arguments of a loss term that are functions by custom: images to scores, and images to images."""


def assert_network_conforms(
    cls: type[Any],
    *,
    options: Mapping[str, Any] | None = None,
    in_channels: int = 3,
    out_channels: int = 3,
    size: int = 32,
) -> None:
    """Builds the network and runs it forward and backward on generated images. Errors: AssertionError."""
    NetworkChecks(cls, options=options, channels=(in_channels, out_channels), size=size).demand()


def assert_loss_conforms(
    cls: type[Any],
    *,
    options: Mapping[str, Any] | None = None,
    views: Mapping[str, Any] | None = None,
    size: int = 32,
) -> None:
    """Calls the term with generated images and checks value and gradient.

    Arguments of `forward` get noise of size x size pixels; `critic` and `generator` a small network, and whatever
    `views` holds instead. Errors: AssertionError that names every failed check and what to change.
    """
    LossChecks(cls, options=options, views=views, size=size).demand()


class NetworkChecks(ComponentChecks):
    """A network is built from its options and two numbers of channels, and takes images of any of its multiples."""

    kind = "networks"

    def __init__(self, cls: type[Any], *, channels: tuple[int, int] = (3, 3), size: int = 32, **common: Any) -> None:
        super().__init__(cls, **common)
        self.channels, self.size = channels, size

    def built(self, seed: int = 0) -> Any:
        torch.manual_seed(seed)
        return self.cls(self.config(), in_channels=self.channels[0], out_channels=self.channels[1]).train()

    def images(self, size: int | None = None) -> Tensor:
        return tiny_batch("single", size=size or self.size, channels=self.channels[0])["image"]

    @check("is built the same under one seed", "options")
    def seeded(self) -> Iterator[str]:
        first, again = self.built(), self.built()
        if not isinstance(getattr(first, "multiple", None), int):
            yield f"`multiple` is {first.multiple!r}; it is the whole number that height and width are multiples of"
        if frozen(dict(first.state_dict())) != frozen(dict(again.state_dict())):
            yield "its weights differ each time; draw them from torch's global generator, which the pipeline seeds"

    @check("computes finite outputs and gradients", "seeded")
    def runs(self) -> Iterator[str]:
        net = self.built()
        self.size = smallest(
            -(-self.size // net.multiple) * net.multiple, lambda size: net(*net.example(self.images(size)))
        )
        images = self.images()
        copied = images.clone()
        outputs = list(_tensors(net(*net.example(images))))
        if not outputs:
            yield f"forward() returns no tensor for images {tuple(images.shape)}"
            return
        if not torch.equal(images, copied):
            yield "forward() changes its input in place; work on a copy"
        if any(len(y) != len(images) for y in outputs):
            yield f"forward() returns shapes {[tuple(y.shape) for y in outputs]}; the first number is that of the batch"
        if not all(y.isfinite().all() for y in outputs):
            yield "forward() returns values that are not finite"
            return
        params = {k: p for k, p in net.named_parameters() if p.requires_grad}
        total = sum((y.float().square().sum() for y in outputs), torch.zeros(()))
        if params and total.requires_grad:
            slopes = torch.autograd.grad(total, list(params.values()), allow_unused=True)
            idle = [key for key, slope in zip(params, slopes, strict=True) if slope is None]
            if idle:
                yield f"parameter {idle[0]!r} does not reach the output; use it, or leave it out"

    @check("comes back from its state", "runs")
    def restored(self) -> Iterator[str]:
        net, other = self.built(), self.built(1)
        images = self.images()
        net(*net.example(images))
        other.load_state_dict(net.state_dict())
        with torch.no_grad():
            was, now = (list(_tensors(n.eval()(*n.example(images)))) for n in (net, other))
        if not all(torch.equal(a, b) for a, b in zip(was, now, strict=True)):
            yield "its outputs differ once its state is saved and loaded; keep what it knows in parameters and buffers"


class LossChecks(ComponentChecks):
    """A loss term is a scalar function of views, with a gradient."""

    kind = "losses"

    def __init__(
        self, cls: type[Any], *, views: Mapping[str, Any] | None = None, size: int = 32, **common: Any
    ) -> None:
        super().__init__(cls, **common)
        self.views, self.size = dict(views or {}), size

    @cached_property
    def term(self) -> Any:
        torch.manual_seed(0)
        return self.cls(self.config()).eval().requires_grad_(False)

    def bound(self) -> dict[str, Any]:
        """All required arguments; tensors want a gradient."""
        bindings: dict[str, Any] = {}
        for number, (name, required) in enumerate(self.cls.arguments().items()):
            if name in self.views:
                bindings[name] = self.views[name]
            elif required:
                bindings[name] = _view(name, self.size, number)
        return bindings

    def _attempt(self, size: int) -> None:
        self.size = size
        _call(self.term, self.bound())

    @check("is a finite scalar", "options")
    def scalar(self) -> Iterator[str]:
        if not self.cls.arguments():
            yield "forward() has no arguments; name those views that it reads"
            return
        self.size = smallest(self.size, self._attempt)
        views = self.bound()
        copies = {k: v.detach().clone() for k, v in views.items() if isinstance(v, Tensor)}
        value = _call(self.term, views)
        if not isinstance(value, Tensor) or value.ndim:
            what = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            yield f"forward() returns {what}; return a scalar tensor, such as a mean"
            return
        if not value.is_floating_point() or not value.isfinite():
            yield f"forward() returns {value}; a loss is a finite float"
        for name, was in copies.items():
            if not torch.equal(views[name].detach(), was):
                yield f"forward() changes {name!r} in place; work on a copy"
        if not torch.equal(value.detach(), _call(self.term, self.bound()).detach()):
            yield "forward() gives another value for the same images; keep no state between calls"

    @check("has a finite gradient", "scalar")
    def gradient(self) -> Iterator[str]:
        for what, views in (("noise", self.bound()), ("equal images", self._equal())):
            value = _call(self.term, views)
            leaves = [v for v in views.values() if isinstance(v, Tensor) and v.requires_grad]
            leaves += [p for v in views.values() if isinstance(v, nn.Module) for p in v.parameters()]
            if not value.requires_grad:
                yield "its value has no gradient to any view; do not detach what it measures, nor use no_grad or item()"
                return
            slopes = [s for s in torch.autograd.grad(value, leaves, allow_unused=True) if s is not None]
            if not all(s.isfinite().all() for s in slopes):
                yield f"its gradient is not finite for {what}; keep roots, logarithms and divisions away from 0"
            if what == "noise" and not any(s.any() for s in slopes):
                yield "its gradient is zero everywhere; rounding and comparisons have none"

    def _equal(self) -> dict[str, Any]:
        """All images the same."""
        same = _view("image", self.size, 0)
        return {k: same if isinstance(v, Tensor) and k not in self.views else v for k, v in self.bound().items()}


def _view(name: str, size: int, number: int) -> Any:
    torch.manual_seed(number)
    if name in CRITICS:
        return nn.Sequential(nn.Conv2d(3, 4, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 4, 2, 1))
    if name in GENERATORS:
        return nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Tanh())
    return tiny_batch("single", size=size, seed=number)["image"].requires_grad_()


def _call(term: Any, views: Mapping[str, Any]) -> Any:
    try:
        return term(**views)
    except TypeError as error:
        if "callable" in str(error):
            raise TypeError(
                f"{error}: an argument is a function; pass `views={{name: function}}` to the kit"
            ) from error
        raise


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _tensors(each)
