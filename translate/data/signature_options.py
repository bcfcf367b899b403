"""Options of a class of another library, as its signature states them: a Config that pydantic checks."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import Field, TypeAdapter, create_model, model_validator
from pydantic.errors import PydanticSchemaGenerationError

from translate.contracts import Config
from translate.contracts.options import WITHOUT_SOURCE

_PLAIN = (bool, int, float, str, type(None))
_ARRAYS = ("Tensor", "ndarray")

_ARGUMENTS = re.compile(r"^Args:\s*\n(.*?)(?=^\w[\w ]*:\s*$|\Z)", re.DOTALL | re.MULTILINE)
_ENTRY = re.compile(r"^ {2,4}(\w+)[^:\n]*:\s*(.+?)(?=^ {2,4}\w+[^:\n]*:|\Z)", re.DOTALL | re.MULTILINE)

Build = Callable[[Mapping[str, Any]], Any]


def config_of(
    name: str,
    parameters: Mapping[str, inspect.Parameter],
    annotations: Mapping[str, Any],
    build: Build,
    *,
    base: type[Config] = Config,
    doc: str = "",
    defaults: Mapping[str, Any] | None = None,
    further: Mapping[str, Any] | None = None,
) -> type[Config]:
    """A Config with one option for each parameter, and the library's own check: `build` is called with all values, and
    what it raises as a ValueError or TypeError is what is wrong with them.

    `annotations` by parameter; what YAML cannot say is left out of them. `defaults` go before those of the signature.
    `further` are options of the engine's own, as pydantic wants fields; `build` is not told them, nor those of `base`,
    the class that the Config derives from.
    """
    fields: dict[str, Any] = {}
    words = described(doc)
    for key, parameter in parameters.items():
        default = (defaults or {}).get(key, parameter.default)
        default = ... if default is inspect.Parameter.empty else default
        annotation = sayable(annotations.get(key, Any))
        field = Field(default, description=words.get(key, ""))
        fields[key] = (annotation if _takes(annotation, default) else Any, field)
    own = frozenset(further or {}) | frozenset(base.model_fields)

    def checked(self: Config) -> Config:
        try:
            build(values(self, own))
        except (TypeError, ValueError) as error:
            raise ValueError(" ".join(str(error).split())) from None
        return self

    return create_model(
        f"{name}Config",
        __base__=base,
        __doc__=None,
        __module__=__name__,
        __cls_kwargs__=WITHOUT_SOURCE,
        __validators__={"checked": model_validator(mode="after")(checked)},  # type: ignore[dict-item]
        **fields,
        **(further or {}),
    )


def values(config: Config, own: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The options by name, without the engine's `own`, as the library's class takes them."""
    return {key: getattr(config, key) for key in type(config).model_fields if key not in own}


def sayable(annotation: Any) -> Any:
    """An annotation without what YAML cannot say (functions, enumerations, arrays beside other types) and without
    functions that change values, which the library applies itself."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        limits = [item for item in arguments[1:] if isinstance(item, annotated_types.BaseMetadata)]
        inner = sayable(arguments[0])
        return Annotated[(inner, *limits)] if limits else inner
    if origin in (Union, types.UnionType):
        members = [sayable(member) for member in arguments if not _unsayable(member)]
        return Union[tuple(members)] if members else Any  # noqa: UP007 - the members are known at run time alone
    if origin is Literal or annotation in _PLAIN or annotation is Any:
        return annotation
    if origin is tuple:
        return tuple[tuple(part if part is ... else sayable(part) for part in arguments)]  # type: ignore[misc]
    if origin in (list, set) or (isinstance(origin, type) and issubclass(origin, Sequence)):
        return tuple[sayable(arguments[0]), ...]  # type: ignore[misc]
    if getattr(annotation, "__name__", "") in _ARRAYS:
        return Union[float, tuple[float, ...]]  # noqa: UP007 - as above
    return Any


def described(doc: str) -> dict[str, str]:
    """The first sentence about each argument, from the part `Args:` of a docstring."""
    arguments = _ARGUMENTS.search(inspect.cleandoc(doc))
    entries = _ENTRY.findall(arguments[1]) if arguments else []
    return {name: " ".join(text.split()).partition(". ")[0].rstrip(".") + "." for name, text in entries}


def _unsayable(member: Any) -> bool:
    """Whether a member of a union is a type that a pipeline file has no value for."""
    if member is Any or member in _PLAIN or get_origin(member) is not None:
        return get_origin(member) is Callable
    return True


def _takes(annotation: Any, default: Any) -> bool:
    """Whether an option of this type can have this default: some libraries' own signatures do not agree."""
    try:
        adapter = TypeAdapter(annotation)
        if default is not ...:
            adapter.validate_python(default)
    except (PydanticSchemaGenerationError, ValueError):
        return False
    return True
