"""Methods and networks of somebody's own, which no plugin provides: Python gives them to a training, and to `load`."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import Field
from torch import nn

from translate.contracts import ComponentKind, Components, Config, Method, Problem, Use
from translate.errors import ConfigError
from translate.plugins.options import ready, resolve, validate
from translate.text import suggest

OWN = "own:"
"""The names of such components begin with it; no pipeline file can use them."""

NO_NETWORKS: Mapping[str, nn.Module] = MappingProxyType({})


class OwnNetworkConfig(Config):
    """What is recorded of a network of one's own."""

    kind: str = Field(default="", alias="class")
    """The import path of its class, for people to read."""


class OwnNetwork(nn.Module):
    """Stands in the place of a network of one's own that nobody has given: `option` named it, `kind` is its class."""

    Config = OwnNetworkConfig
    revision = 1

    def __init__(self, option: str, kind: str) -> None:
        super().__init__()
        self.option, self.kind = option, kind


class OwnComponents:
    """Components in which some names stand for a method and for networks of one's own.

    `networks` are modules by the option of the method that names them. Each time that one is built, it is copied with
    the weights that it has.
    """

    def __init__(
        self,
        components: Components,
        method: type[Method[Any]] | None = None,
        networks: Mapping[str, nn.Module] = NO_NETWORKS,
    ) -> None:
        self._components, self._method, self._networks = components, method, networks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._components, name)

    def get(self, kind: ComponentKind, name: str) -> type[Any]:
        """The class of a component. Errors: ConfigError for an own one that was not given."""
        if not name.startswith(OWN):
            return self._components.get(kind, name)
        if kind == "networks":
            return OwnNetwork
        if kind != "methods" or self._method is None or own_name(self._method) != name:
            raise ConfigError(f"{name.removeprefix(OWN)} is a class of somebody's own: give it, `method=...`")
        return self._method

    def build(self, use: Use, **kwargs: Any) -> Any:
        """An instance of a component; of a network of one's own a copy."""
        if use.kind != "networks" or not use.uses.startswith(OWN):
            return self._components.build(use, **kwargs)
        option = use.uses.removeprefix(OWN)
        if option in self._networks:
            return copy.deepcopy(self._networks[option])
        return OwnNetwork(option, str(use.options.get("class", "")))

    def config(self, kind: ComponentKind, name: str, options: Any) -> Any:
        """`options` as the component's Config. Errors: ConfigError that lists everything wrong with them."""
        if not name.startswith(OWN):
            return self._components.config(kind, name, options)
        config, wrong = validate(self.get(kind, name).Config, options)
        if wrong:
            raise ConfigError("\n".join(f"{name}: {'.'.join(map(str, p.path))}: {p.message}" for p in wrong))
        return ready(config, self.build)

    def provider(self, kind: ComponentKind, name: str) -> Mapping[str, str]:
        """Who provides a component: of an own one the module of its class."""
        if not name.startswith(OWN):
            return self._components.provider(kind, name)
        component = self.get(kind, name)
        return {
            "distribution": "",
            "version": "",
            "module": component.__module__,
            "plugin": "",
            "revision": str(component.revision),
        }

    def names(self, kind: ComponentKind) -> list[str]:
        """The names that pipelines can use."""
        return list(self._components.names(kind))

    def check(self, kind: ComponentKind, name: str, options: Any) -> tuple[Any, list[Problem]]:
        """The options with all defaults as plain data, and what is wrong with them."""
        config, wrong = validate(self.get(kind, name).Config, options)
        return (options, wrong) if wrong else resolve(config, self)


def own_name(method: type[Method[Any]]) -> str:
    """The name under which a bundle records a method of one's own."""
    return f"{OWN}{method.name or method.__name__}"


def own_use(option: str, network: nn.Module) -> dict[str, str]:
    """What stands in the options of a method, and in bundles, for a network that is given as `option`."""
    return {"uses": f"{OWN}{option}", "class": f"{type(network).__module__}.{type(network).__qualname__}"}


def given(nets: Mapping[str, nn.Module], networks: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """The networks of a model in which those that `networks` names are replaced by copies of these.

    Errors: ConfigError for a network of one's own that is not there, with its class.
    """
    complete = {name: copy.deepcopy(networks[name]) if name in networks else net for name, net in nets.items()}
    for name, net in complete.items():
        for layer in net.modules():
            if isinstance(layer, OwnNetwork):
                raise ConfigError(
                    f"network {name!r} is a {layer.kind} of somebody's own, and a bundle holds no code: give one like "
                    f"it, load(..., networks={{{layer.option!r}: {layer.kind.rpartition('.')[2]}(...)}})"
                )
    return complete


def check_names(networks: Mapping[str, nn.Module], nets: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Errors: ConfigError for a network that is given under a name which the model does not have."""
    own = [
        name for name, value in options.items() if isinstance(value, Mapping) and str(value.get("uses")) == OWN + name
    ]
    for name in networks:
        if name not in nets and name not in own:
            there = suggest(name, [*own, *nets]) or f"; it has {', '.join([*own, *nets])}"
            raise ConfigError(f"the model has no network {name!r}{there}")
