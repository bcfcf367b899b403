"""The JSON schema of pipeline files, with everything that is installed, so that editors complete and check them."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core import core_schema

from translate.contracts import ComponentKind, Config, Stage, Use
from translate.pipeline.schema import SLUG, Frame, StageFrame, StagePatch
from translate.plugins import KINDS, Registry
from translate.plugins.catalogue import about
from translate.training.config import ExtraLoss, TrainConfig

Schema = dict[str, Any]

NAMED: tuple[ComponentKind, ...] = tuple(kind for kind in KINDS if kind not in ("formats", "exporters"))
"""Kinds of components that a pipeline file names."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_USE = "x-component"
"""Stands in the schema of a `Use` for its kind, until the names of that kind are put in."""
_WORD = "x-word"
"""Stands in the schema of a mapping that may also be written as a word, until that is put in."""
_PART = "part."
"""The prefix of definitions for profiles, which may give any part of an option and leave the rest out."""


def pipeline_schema(registry: Registry) -> tuple[Schema, dict[str, str]]:
    """The schema, and plugin -> why for plugins that could not be loaded and are missing in it. Loads all plugins."""
    failures = registry.load_all()
    registry.load_libraries()
    return _Writer(registry).schema(), failures


class _Generator(GenerateJsonSchema):
    """Generates what pydantic does, but for components by name and values that a validator turns into the model."""

    def model_schema(self, schema: core_schema.ModelSchema) -> Schema:
        model = schema["cls"]
        return {_USE: model.kind} if issubclass(model, Use) else super().model_schema(schema)

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> Schema:
        """A model that is also written as a word (`objective: lsgan`); other values may have any form."""
        if schema["schema"]["type"] == "model-fields":
            return {**self.generate_inner(schema["schema"]), _WORD: True}
        return {}

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> Schema:
        """A type that JSON does not know, in somebody's options: anything goes."""
        return {}


class _Writer:
    def __init__(self, registry: Registry) -> None:
        self.components: dict[ComponentKind, dict[str, type[Any]]] = {}
        for kind in NAMED:
            self.components[kind] = {name: registry.get(kind, name) for name in registry.names(kind)}
        self.plugins = [plugin.name for plugin in registry.plugins()]
        models: dict[type[BaseModel], None] = dict.fromkeys((Frame, StageFrame, StagePatch, ExtraLoss))
        for components in self.components.values():
            models |= dict.fromkeys(component.Config for component in components.values())
        refs, whole = models_json_schema(
            [(model, "validation") for model in models], schema_generator=_Generator, ref_template="#/$defs/{model}"
        )
        self.refs = {model: str(ref["$ref"]).removeprefix("#/$defs/") for (model, _), ref in refs.items()}
        self.defs: dict[str, Schema] = whole["$defs"]

    def schema(self) -> Schema:
        for kind in NAMED:
            for name, component in self.components[kind].items():
                self.defs[_key(kind, name)] = self._component(name, component, named=kind not in ("methods", "stages"))
            self.defs[kind] = self._use(kind)
        self.defs[self.refs[ExtraLoss]] = self._extra_loss()
        for name, stage in self.components["stages"].items():
            if issubclass(stage.Config, TrainConfig):
                self._train(self.defs[_key("stages", name)])
        self.defs[self.refs[StageFrame]] = self._stage()
        self.defs[self.refs[StagePatch]] = self._patch()
        whole = {"$schema": _DIALECT, **self._root(), "title": "translate pipeline", "$defs": self._named(self.defs)}
        return {**whole, "$defs": _needed(whole)}

    def _root(self) -> Schema:
        """The file. One that extends another may leave everything out, change a stage in part, and say null."""
        root = self.defs.pop(self.refs[Frame])
        properties = root["properties"]
        properties["name"]["pattern"] = f"^{SLUG.pattern}$"
        for key in ("stages", "profiles"):
            properties[key]["propertyNames"] = {"pattern": f"^{SLUG.pattern}$"}
        properties["plugins"]["items"] = {"enum": self.plugins}
        extends = properties.pop("extends")
        changes = {key: _nullable(value) for key, value in properties.items()}
        changes["stages"] = deepcopy(
            {key: value for key, value in properties["stages"].items() if key != "minProperties"}
        )
        changes["stages"]["additionalProperties"] = _nullable(self._change())
        changes["profiles"] = deepcopy(properties["profiles"])
        changes["profiles"]["additionalProperties"] = _nullable(properties["profiles"]["additionalProperties"])
        words = {key: {"description": value["description"]} for key, value in properties.items()}
        whole = {"properties": properties, "required": root.pop("required")}
        root |= {"if": {"required": ["extends"]}, "then": {"properties": changes}, "else": whole}
        return {**root, "properties": {"extends": extends, **words}}

    def _component(self, name: str, component: type[Any], *, named: bool) -> Schema:
        """The options of a component; `named`: with `uses: NAME` beside them."""
        options = {"properties": {}, **deepcopy(self._of(component.Config))}
        options.pop(_WORD, None)
        options |= {"title": name, "description": about(component) or about(component.Config)}
        if named:
            options["properties"] = {"uses": {"const": name}, **options["properties"]}
            options["required"] = ["uses", *options.get("required", ())]
        return options

    def _use(self, kind: ComponentKind) -> Schema:
        """A component: its name, or `{uses: NAME, ...}` with its options."""
        names = list(self.components[kind])
        plain = [name for name in names if not set(self.defs[_key(kind, name)].get("required", ())) - {"uses"}]
        long: Schema = {"type": "object", "required": ["uses"], "properties": {"uses": {"enum": names}}}
        long["allOf"] = [_when("uses", name, _ref(_key(kind, name))) for name in names]
        if default := _defaults().get(kind):
            unnamed = {"not": {"required": long.pop("required")}}
            meant = self.defs[_key(kind, default)]
            meant["required"] = [key for key in meant["required"] if key != "uses"]
            long["allOf"].append({"if": unnamed, "then": _ref(_key(kind, default))})
        return {"if": {"type": "string"}, "then": {"enum": plain}, "else": long}

    def _extra_loss(self) -> Schema:
        entry = self.defs[self.refs[ExtraLoss]]
        entry["properties"]["uses"] = {"enum": list(self.components["losses"])}
        for name, term in self.components["losses"].items():
            options = _ref(self.refs[term.Config])
            entry.setdefault("allOf", []).append(_when("uses", name, {"properties": {"options": options}}))
        return entry

    def _train(self, options: Schema) -> None:
        """Which options, losses and players there are depends on the method."""
        methods = self.components["methods"]
        options["properties"]["method"] = {"enum": list(methods)}
        options["allOf"] = [
            _when(
                "method",
                name,
                {
                    "properties": {
                        "options": _ref(_key("methods", name)),
                        "losses": {"propertyNames": {"enum": list(method.losses)}},
                        "players": {"propertyNames": {"enum": list(method.players)}},
                    }
                },
            )
            for name, method in methods.items()
        ]

    def _stage(self) -> Schema:
        stages = self.components["stages"]
        frame = deepcopy(self.defs[self.refs[StageFrame]])
        frame["properties"]["uses"] = {"enum": list(stages)}
        whole = [_when("uses", name, self._rules(name, stage)) for name, stage in stages.items()]
        part = [_when("uses", name, self._rules(name, stage, part=True)) for name, stage in stages.items()]
        frame["if"] = {"required": ["matrix"], "properties": {"matrix": {"type": "object"}}}
        return {**frame, "then": {"allOf": part}, "else": {"allOf": whole}}

    def _rules(self, name: str, stage: type[Stage[Any]], *, part: bool = False) -> Schema:
        """The keys that may stand beside `uses: NAME`; `part`: where a matrix gives some of the options."""
        needed = [need for need, declared in stage.needs.items() if not declared.optional]
        needs = {"properties": {need: {"type": "string"} for need in stage.needs}, "additionalProperties": False}
        key = self._part(_key("stages", name)) if part else _key("stages", name)
        required = ["with"] if self.defs[key].get("required") else []
        required += ["needs"] if needed else []
        rules: Schema = {"properties": {"with": _ref(key), "needs": {**needs, "required": needed}}}
        return {**rules, "required": required} if required else rules

    def _patch(self) -> Schema:
        """The changes that a profile makes to a stage: options of any kind of stage, as the kind stands elsewhere."""
        patch = deepcopy(self.defs[self.refs[StagePatch]])
        stages = self.components["stages"]
        patch["properties"]["uses"] = {"enum": list(stages)}
        patch["properties"]["with"] = {"anyOf": [_ref(self._part(_key("stages", name))) for name in stages]}
        return patch

    def _change(self) -> Schema:
        """The changes that an extending file makes to a stage: as a profile, and null takes a need or a key out."""
        change = deepcopy(self.defs[self.refs[StagePatch]])
        for key, inner in (
            ("needs", change["properties"]["needs"]),
            ("matrix", change["properties"]["matrix"]["anyOf"][0]),
        ):
            assert "additionalProperties" in inner, key
            inner["additionalProperties"] = _nullable(inner["additionalProperties"])
        return change

    def _part(self, name: str) -> str:
        """The name of a definition like `name` of which nothing is required, down to the last mapping."""
        part = f"{_PART}{name}"
        if part not in self.defs:
            self.defs[part] = {}  # a model may name itself
            self.defs[part] = self._loose(deepcopy(self.defs[name]))
        return part

    def _loose(self, schema: Schema) -> Schema:
        if _USE in schema:
            return {"anyOf": [schema, {"type": "object"}]}
        if "$ref" in schema:
            return {**schema, "$ref": f"#/$defs/{self._part(schema['$ref'].removeprefix('#/$defs/'))}"}
        loose = {key: value for key, value in schema.items() if key not in ("required", "allOf")}
        if "properties" in loose:
            # Null takes an option out where a file extends another.
            loose["properties"] = {key: _nullable(self._loose(value)) for key, value in loose["properties"].items()}
        if isinstance(loose.get("additionalProperties"), Mapping):
            loose["additionalProperties"] = _nullable(self._loose(loose["additionalProperties"]))
        for either in {"anyOf", "oneOf"} & loose.keys():
            loose["anyOf"] = [self._loose(each) for each in loose.pop(either)]
        return loose

    def _of(self, model: type[Config]) -> Schema:
        return self.defs[self.refs[model]]

    def _named(self, value: Any) -> Any:
        """`value` with the names of components in place of their kind, and words where they are allowed."""
        if isinstance(value, list):
            return [self._named(item) for item in value]
        if not isinstance(value, Mapping):
            return value
        rest = {key: self._named(item) for key, item in value.items() if key not in (_USE, _WORD)}
        if _USE in value:
            return {**rest, **_ref(value[_USE])}
        if _WORD in value:
            word = {key: item for key, item in rest["properties"].get("uses", {}).items() if key in ("enum", "type")}
            return {"if": {"type": "string"}, "then": word, "else": rest}
        return rest


def _defaults() -> dict[ComponentKind, str]:
    """The component of a kind that is meant where a file gives options alone."""
    return {use.kind: use.default for use in Use.__subclasses__() if use.default}


def _key(kind: ComponentKind, name: str) -> str:
    """The name of a component's definition, which needs no escapes in a reference."""
    return f"{kind}.{name.replace('/', '.')}"


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _nullable(schema: Schema) -> Schema:
    """The same schema with null allowed; its words stay where an editor looks for them."""
    words: Schema = {key: schema[key] for key in ("title", "description") if key in schema}
    return {**words, "anyOf": [schema, {"type": "null"}]}


def _when(key: str, value: str, then: Schema) -> Schema:
    return {"if": {"properties": {key: {"const": value}}, "required": [key]}, "then": then}


def _needed(root: Schema) -> Schema:
    """The definitions that something refers to."""
    defs = root["$defs"]
    referred: dict[str, None] = {}
    waiting: list[Any] = [{key: value for key, value in root.items() if key != "$defs"}]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            if isinstance(value.get("$ref"), str):
                name = value["$ref"].removeprefix("#/$defs/")
                if name not in referred:
                    referred[name] = None
                    waiting.append(defs[name])
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return {name: defs[name] for name in sorted(referred)}
