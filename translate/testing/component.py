"""The checks that all components share: the shape of their kind, and options that pydantic checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from translate.contracts import ComponentKind, Config
from translate.errors import ConfigError
from translate.plugins import shapes, validate
from translate.plugins.registry import singular
from translate.testing.report import Checks, check


class ComponentChecks(Checks):
    """The checks of one kind of component. `options` are what a pipeline would say; where they say nothing, those of
    the class that make it `small` count."""

    kind: ClassVar[ComponentKind]

    def __init__(
        self, cls: type[Any], *, options: Mapping[str, Any] | None = None, component: str | None = None
    ) -> None:
        self.cls, self.given = cls, {**small_options(cls), **(options or {})}
        self.component = component or f"{singular(self.kind)} {getattr(cls, 'name', '') or cls.__name__}"

    @check("has the shape of its kind")
    def shape(self) -> Iterator[str]:
        for fault in shapes.validate(self.kind, getattr(self.cls, "name", ""), self.cls):
            yield f"it {fault}"

    @check("has an immutable config", "shape")
    def options(self) -> Iterator[str]:
        rules, name = self.cls.Config.model_config, self.cls.Config.__name__
        if not rules.get("frozen"):
            yield f"{name} is not frozen; leave `frozen` of translate.Config alone"
        if rules.get("extra") != "forbid":
            yield f"{name} accepts unknown keys; leave `extra` of translate.Config at 'forbid'"
        config = self.config()
        if type(config).model_validate(config.model_dump(mode="json")) != config:
            yield f"{name} changes on its way through JSON, where bundles keep it; use types that pydantic reads back"

    def config(self) -> Any:
        """The options as the component's Config. Errors: ConfigError in the words of `translate check`."""
        return configured(self.cls, self.given)


def smallest(size: int, attempt: Callable[[int], object]) -> int:
    """The first size from this one on that a component takes: it refuses others with a ConfigError."""
    for times in (1, 2, 3, 4, 8):
        try:
            attempt(size * times)
        except ConfigError:
            continue
        except Exception:  # the checks report what goes wrong
            return size * times
        return size * times
    return size


def small_options(cls: type[Any]) -> Mapping[str, Any]:
    """The options with which a class wants to be tried."""
    small = getattr(cls, "small", {})
    return small if isinstance(small, Mapping) else {}


def configured(cls: type[Any], options: Mapping[str, Any]) -> Config:
    """`options` as the Config of a component. Errors: ConfigError that lists what is wrong."""
    config, wrong = validate(cls.Config, dict(options))
    if wrong:
        mistakes = "; ".join(f"{'.'.join(map(str, p.path)) or 'options'}: {p.message}" for p in wrong)
        raise ConfigError(f"the kit cannot make its options: {mistakes}; pass `options=` with what is required")
    assert isinstance(config, Config)
    return config
