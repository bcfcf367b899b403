"""From a bundle's data to a method and its networks, built by the plugin that is installed here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from translate.contracts import Components, Method
from translate.errors import PluginError, TranslateError
from translate.models import own
from translate.models.bundle import structure_hash
from translate.models.facts import plugin_in_words
from translate.networks import network_builder
from translate.networks.spectral import add_as_in, remove_spectral_norm

if TYPE_CHECKING:
    from translate.models.bundle import Bundle


def restore_method(bundle: Bundle, registry: Components) -> Method[Any]:
    """The method by its recorded name, with the options it was trained with. Errors: PluginError."""
    facts = bundle.facts
    try:
        kind: type[Method[Any]] = registry.get("methods", facts.method)
    except TranslateError as error:
        raise PluginError(f"{bundle.folder}: {error}. The model was trained by {_origin(facts.plugin)}") from None
    try:
        options = kind.Config.model_validate(facts.options)
    except ValueError as error:
        reason = "; ".join(str(error).splitlines()[1:3])
        raise PluginError(
            f"{bundle.folder}: method {facts.method!r} no longer takes the options of this model, which was trained "
            f"by {_origin(facts.plugin)}: {reason}"
        ) from None
    return kind(options, facts.spec, facts.losses)


class _WithoutInitialValues(TorchFunctionMode):
    """Leaves parameters as they are allocated, since each one is loaded afterwards: to draw fifty million initial
    weights takes half a second."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _DRAWS and isinstance(args[0], nn.Parameter):
            return args[0]
        return func(*args, **(kwargs or {}))


_DRAWS = frozenset({torch.Tensor.normal_, torch.Tensor.uniform_})
"""The calls of which initialisations are made."""


def restore_networks(
    bundle: Bundle, method: Method[Any], registry: Components, networks: Mapping[str, nn.Module] = own.NO_NETWORKS
) -> dict[str, nn.Module]:
    """The networks that the bundle holds, as the installed method builds them, or as `networks` has them by name, with
    the stored weights.

    Errors: PluginError when the structures differ; ConfigError for a network of one's own that is not given.
    """
    own.check_names(networks, bundle.facts.networks, bundle.facts.options)
    with torch.random.fork_rng([]), _WithoutInitialValues():
        built = method.networks(network_builder(registry))
    nets = own.given({name: built[name] for name in bundle.facts.networks if name in built}, networks)
    for name in bundle.facts.networks:
        _fill(bundle, name, nets.get(name), registry)
    return nets


def _fill(bundle: Bundle, name: str, net: nn.Module | None, registry: Components) -> None:
    """Strict loading that names both structures, and who made them, where they differ."""
    facts = bundle.facts
    recorded = facts.networks[name]
    # A norm that the training added is no part of the method: it is taken over, and its quotients become the weights.
    added = add_as_in(net, bundle.state(name)) if net is not None else []
    stored = {k: tuple(v.shape) for k, v in bundle.state(name).items()}
    built = {k: tuple(v.shape) for k, v in net.state_dict().items()} if net is not None else {}
    ours = structure_hash(net) if net is not None else ""
    if net is not None and stored == built and recorded.structure in ("", ours):
        net.load_state_dict(bundle.state(name))
        remove_spectral_norm(net, added)
        return
    wrong = [
        f"{k}: {stored.get(k, 'absent')} in the bundle, {built.get(k, 'absent')} as built"
        for k in sorted({*stored, *built})
        if stored.get(k) != built.get(k)
    ]
    differing = f"{len(wrong)} differ, first {'; '.join(wrong[:3])}" if wrong else "the kinds of its layers differ"
    here = "none" if net is None else _described(f"{type(net).__module__}.{type(net).__qualname__}", built, ours)
    raise PluginError(
        f"{bundle.folder}: network {name!r} is {_described(recorded.class_name, stored, recorded.structure)} in the "
        f"bundle, written by {_origin(facts.plugin)}, but method {facts.method!r} of "
        f"{_origin(registry.provider('methods', facts.method))}, as installed, builds {here}; {differing}. Install "
        f"the version that wrote it, or train again"
    )


def _described(kind: str, tensors: Mapping[str, Any], structure: str) -> str:
    return f"a {kind} of {len(tensors)} tensors" + (f" (structure {structure[:8]})" if structure else "")


def _origin(plugin: Mapping[str, Any]) -> str:
    return plugin_in_words(plugin, "distribution", "version", "module") or "an unknown plugin"
