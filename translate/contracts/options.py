"""Options: what stands under `with:`, `options:` and beside `uses:`, and the components that have them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, model_serializer, model_validator

CONTRACT = 2
"""The version of this contract. It is raised when a plugin written for the previous one would no longer work."""

ComponentKind = Literal[
    "methods",
    "networks",
    "losses",
    "objectives",
    "optimizers",
    "schedules",
    "metrics",
    "sources",
    "transforms",
    "device_transforms",
    "stages",
    "formats",
    "exporters",
]


class Config(BaseModel):
    """Options of a component, as written under `with:`, `options:` or beside `uses:`: a pydantic model.

    Instances are immutable, unknown keys are an error, and defaults are checked as well. The string below a field is
    its description: it shows in `translate methods NAME`, in editors and in the reference.

        class BlurConfig(Config):
            radius: PositiveInt = 2
            "Radius of the kernel in pixels."
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        arbitrary_types_allowed=False,
        use_attribute_docstrings=True,  # the string below a field is its description, for help, schema and docs
    )


C = TypeVar("C", bound=Config)

WITHOUT_SOURCE = {"use_attribute_docstrings": False}
"""For `create_model(__cls_kwargs__=...)`: such a class stands in no file, where pydantic would look for descriptions.
It would ask every frame of the stack for its module, which takes 20 ms."""


class NoOptions(Config):
    """For a component without options."""


class Use(BaseModel):
    """A component by name with its options: `resnet_9`, or `{uses: resnet, blocks: 9}`.

    `uses` is the name: of a built-in component, of a plugin, or `PLUGIN/NAME`. `options` are checked against the
    component's own `Config` when the pipeline is checked. As a field of a Config, one of the subclasses says which kind
    of component is named.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: ClassVar[ComponentKind]
    """The kind of component that is named."""
    default: ClassVar[str] = ""
    """The component that is meant where a file gives options alone; empty where `uses` has to be said."""
    uses: str
    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"uses": value}
        if cls.default and isinstance(value, dict) and "uses" not in value:
            value = {"uses": cls.default, **value}
        if isinstance(value, dict) and "uses" in value and set(value) != {"uses", "options"}:
            return {"uses": value["uses"], "options": {k: v for k, v in value.items() if k != "uses"}}
        return value

    @model_serializer
    def _to_yaml(self) -> dict[str, Any]:
        return {"uses": self.uses, **self.options}

    def ready(self, build: Callable[[Use], Any]) -> Self:
        """The same for a component that is about to work; `build` makes what it names. Most need nothing built."""
        return self


class NetworkUse(Use):
    """A network, such as `{uses: unet, levels: 7}`; `Method.networks` hands it to `build`."""

    kind = "networks"


class LossUse(Use):
    """A loss term, such as `{uses: perceptual, levels: 3}`."""

    kind = "losses"


class OptimizerUse(Use):
    """An optimizer, such as `{uses: adam, lr: 2e-4}`."""

    kind = "optimizers"
    default = "adam"


class ScheduleUse(Use):
    """A learning rate over time, such as `{uses: linear-decay, start: 100}`."""

    kind = "schedules"
    default = "constant"


class MetricUse(Use):
    """A metric, such as `{uses: swd, projections: 512}`."""

    kind = "metrics"


class SourceUse(Use):
    """A source of images, such as `{uses: folders, a: photos, b: drawings}`."""

    kind = "sources"


class TransformUse(Use):
    """A transform, such as `{uses: resize, size: 286}`."""

    kind = "transforms"


class DeviceTransformUse(Use):
    """A transform of whole batches on the device, such as `{uses: kornia/RandomAffine, degrees: 10}`."""

    kind = "device_transforms"


class Configured(Generic[C]):
    """A component with options: `class Blur(Transform[BlurConfig])` makes `Blur.Config` and `blur.config`."""

    Config: ClassVar[type[Config]] = NoOptions
    """The class of its options."""
    name: ClassVar[str] = ""
    """What pipelines call it: lower-case letters, digits and `-`."""
    revision: ClassVar[int] = 1
    """Enters the fingerprint of every stage that uses the component; raise it when its results change."""
    small: ClassVar[Mapping[str, Any]] = {}
    """Options that make a tiny version, with which the conformance kit tries the component. Nothing else reads them."""

    config: C
    """Its options."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in cls.__dict__.get("__orig_bases__", ()):
            if isinstance(get_origin(base), type) and issubclass(get_origin(base), Configured):
                for argument in get_args(base):
                    if isinstance(argument, type) and issubclass(argument, Config):
                        cls.Config = argument
