"""ONNX files that take more than images: noise, label maps, classes, vectors and options are inputs of the graph.

Each graph is run by onnxruntime alone with inputs of its own, and compared with the method in torch.
"""

import json
import re

import numpy as np
import pytest
import torch
from lively_networks import lively
from torch import nn

import translate
from translate.cli import main
from translate.contracts import Class, Config, Direction, DirectionCall, Image, Labels, Nets, Sides, Vector
from translate.errors import ConfigError, ContractError
from translate.inference.draw import NoDraw
from translate.models.bundle import write_bundle
from translate.models.load import load
from translate.models.onnx.draws import GivenDraw
from translate.models.onnx.export import export_onnx, exported
from translate.models.onnx.facts import ExportFacts, length_of
from translate.networks import network_builder, prepare_for_inference
from translate.plugins import Registry
from translate.testing.batches import tiny_spec

onnx = pytest.importorskip("onnx", reason="the extra [onnx] is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra [onnx] is not installed")

REGISTRY = Registry()
TINY = {"filters": 4}
PATCH = {"uses": "patchgan", "layers": 1, **TINY}
COARSE = {"levels": 1, "blocks": 1, "scales": 2, "discriminator": PATCH, **TINY}
CODED = {"generator": {"uses": "bicyclegan/unet", "levels": 3, **TINY}}
BRIDGE = {"network": {"uses": "bridge/unet", "levels": 1, "blocks": 1, **TINY}, "steps": 3}
LATENT = {"generator": {"uses": "latent/generator", **TINY}, "discriminator": {"uses": "latent/critic", **TINY}}
WHERE = {
    ("pix2pixhd", "label_to_image"): (COARSE, ["label"]),
    ("pix2pixhd/global", "label_to_image"): (COARSE, ["label"]),
    ("pix2pixhd/enhancer", "label_to_image"): (COARSE, ["label"]),
    ("bicyclegan", "a_to_b"): (CODED, ["image", "noise"]),
    ("bicyclegan", "like"): (CODED, ["image", "exemplar"]),
    ("bridge", "a_to_b"): (BRIDGE, ["image", "noise_0", "noise_1"]),
    ("bridge/distilled", "a_to_b"): (BRIDGE, ["image", "noise"]),
    ("stargan", "to"): ({}, ["image", "class"]),
    ("stargan", "to_class_1"): ({}, ["image"]),
    ("cyclegan/cycada", "classify"): ({"generator": {"uses": "resnet", "blocks": 1, **TINY}}, ["image"]),
    ("latent/dcgan", "generate"): (LATENT, ["noise"]),
    ("latent/wgan-gp", "generate"): (LATENT, ["noise"]),
    ("latent/conditional", "generate"): (LATENT, ["class", "noise"]),
    ("latent/acgan", "generate"): (LATENT, ["class", "noise"]),
    ("latent/infogan", "generate"): (LATENT, ["code", "noise_0", "noise_1"]),
    ("latent/semi-supervised", "generate"): (LATENT, ["noise"]),
    ("latent/bigan", "generate"): (LATENT, ["noise"]),
}
"""Directions with the inputs of their graphs, by the exporter that takes a second."""
DYNAMO = {
    ("latent/acgan", "classify"): (LATENT, ["image"]),
    ("latent/infogan", "read"): (LATENT, ["image"]),
    ("latent/semi-supervised", "classify"): (LATENT, ["image"]),
    ("latent/bigan", "encode"): (LATENT, ["image"]),
    ("latent/bigan", "reconstruct"): (LATENT, ["image"]),
}
"""Directions that resize with a filter, which the other exporter alone can write."""


def bundle(folder, name, options):
    kind = REGISTRY.get("methods", name)
    method = kind(kind.Config.model_validate(options), tiny_spec(kind.data), dict(kind.losses))
    torch.manual_seed(0)
    nets = lively(method.networks(network_builder(REGISTRY)))
    provider = REGISTRY.provider("methods", name)
    write_bundle(folder, method=method, method_name=name, nets=nets, provider=provider, info={})
    return method, {net: prepare_for_inference(each, method.test_time) for net, each in nets.items()}


def facts_in(file):
    (facts,) = ExportFacts.from_json(
        json.loads(onnxruntime.InferenceSession(file).get_modelmeta().custom_metadata_map["translate"])
    ).directions.values()
    return facts


def values_of(method, facts, count, height, width):
    """Inputs of a graph by what its metadata says of them, as tensors by name."""
    rng = torch.Generator().manual_seed(count * height + width)
    values = {}
    for name in facts.inputs:
        kind = facts.types.get(name, Image())
        if isinstance(kind, Labels):
            values[name] = torch.randint(len(method.spec.classes), (count, height, width), generator=rng)
            values[name][:, :2] = 255
        elif isinstance(kind, Class):
            values[name] = torch.randint(len(kind.names), (count,), generator=rng)
        elif isinstance(kind, Vector):
            values[name] = torch.randn((count, kind.size), generator=rng)
        else:
            values[name] = torch.rand((count, facts.channels[name], height, width), generator=rng) * 2 - 1
    for noise in facts.noise:
        shape = (count, *(length_of(each, (height, width)) for each in noise.shape))
        values[noise.name] = torch.randn(shape, generator=rng)
        if noise.distribution == "uniform":
            values[noise.name] = torch.rand(shape, generator=rng) * (noise.high - noise.low) + noise.low
        if noise.distribution == "integers":
            values[noise.name] = torch.randint(int(noise.high), shape, generator=rng)
    return values


def in_torch(method, nets, facts, values, options=None):
    """The outputs of a method by name for the inputs of a graph."""
    first = next(iter(values.values()))
    main = values.get(facts.main)
    size = tuple(main.shape[-2:]) if main is not None else facts.size
    noise = [values[each.name] for each in facts.noise]
    draw = GivenDraw(noise, len(first), size) if facts.draws else NoDraw(facts.name, len(first), size)
    inputs = {name: values[name] for name in facts.inputs}
    config = method.directions[facts.name].options.model_validate(options or {})
    with torch.inference_mode():
        result = method.translate(Nets(nets), inputs, DirectionCall(facts.name, config), draw)
    return {"output": result} if isinstance(result, torch.Tensor) else result


def assert_the_same(method, nets, file, sizes, options=None):
    facts, session = facts_in(file), onnxruntime.InferenceSession(file)
    for height, width in sizes:
        for count in (1, 3):
            values = values_of(method, facts, count, height, width)
            expected = in_torch(method, nets, facts, values, options)
            numbers = {}
            for option in facts.option_inputs:
                number = (options or {}).get(option.name, option.default)
                numbers[option.name] = np.array(number, np.int64 if option.whole else np.float32)
            outputs = session.run(list(expected), {**{k: v.numpy() for k, v in values.items()}, **numbers})
            for output, wanted in zip(outputs, expected.values(), strict=True):
                assert output.shape == wanted.shape
                assert wanted.std() > 0.01 and np.abs(output - wanted.numpy()).max() < 1e-4 * max(1, wanted.abs().max())


def sizes_of(facts, side=32):
    return [facts.size] if facts.size else [(side, side), (side, 3 * side), (2 * side, side)]


def test_no_shipped_method_is_left_out():
    from test_models_export import METHODS

    methods, broken = REGISTRY.all_methods()
    shipped = {name for name in methods if REGISTRY.provider("methods", name)["distribution"] == "translate-i2i"}
    tested = {name.removesuffix("/classes") for name in METHODS} | {name for name, _ in (*WHERE, *DYNAMO)}
    assert not broken and shipped and shipped <= tested


@pytest.mark.parametrize(("name", "direction"), WHERE)
def test_every_shipped_method_with_its_inputs(tmp_path, name, direction):
    options, inputs = WHERE[name, direction]
    method, nets = bundle(tmp_path, name, options)
    (export,) = export_onnx(tmp_path, direction=direction, exporter="torchscript")
    assert list(export.inputs) == inputs
    facts = facts_in(export.file)
    assert_the_same(method, nets, export.file, sizes_of(facts))
    card = export.file.with_suffix(".md").read_text()
    assert all(f"- `{name}`: " in card for name in inputs)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "direction"), DYNAMO)
def test_every_shipped_method_that_resizes(tmp_path, name, direction):
    options, inputs = DYNAMO[name, direction]
    method, nets = bundle(tmp_path, name, options)
    (export,) = export_onnx(tmp_path, direction=direction, exporter="dynamo")
    assert list(export.inputs) == inputs and facts_in(export.file).size is None
    assert_the_same(method, nets, export.file, [(32, 32), (32, 64), (64, 32), (16, 24)])


@pytest.mark.parametrize(
    ("name", "options"),
    [("bicyclegan", CODED), ("bridge", BRIDGE), ("stargan", {}), ("latent/infogan", LATENT)],
)
def test_a_seed_means_in_a_file_what_it_means_in_torch(tmp_path, name, options):
    bundle(tmp_path, name, options)
    direction = "to" if name == "stargan" else None
    (export, *_) = export_onnx(tmp_path, tmp_path / "one.onnx", direction, exporter="torchscript")
    torchs, onnxs = load(tmp_path, "cpu"), load(export.file)
    session = onnxruntime.InferenceSession(export.file)
    if name.startswith("latent"):
        wanted = torchs.sample(3, seed=7, code=2)
        found = onnxs.sample(3, seed=7, code=2)
        assert all(np.abs(a.astype(int) - b.astype(int)).max() <= 1 for a, b in zip(found, wanted, strict=True))
        noise = translate.onnx_noise(export.file, count=3, seed=7)
        (output,) = session.run(None, {"code": np.full(3, 2), **noise})
        assert np.abs((output.transpose(0, 2, 3, 1) + 1) * 127.5 - np.stack(wanted)).max() <= 1
        with pytest.raises(ConfigError, match="this file makes images of 32 x 32 pixels alone; resize what it makes"):
            onnxs.sample(1, size=(64, 64), code=2)
        return
    images = torch.rand(2, 3, 45, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    others = {"class": 1} if name == "stargan" else {}
    wanted = torchs(images, seed=7, **others)
    assert (onnxs(images, seed=7, **others) - wanted).abs().max() < 1e-4
    assert (load(export.file, seed=7)(images, **others) - wanted).abs().max() < 1e-4
    multiple = facts_in(export.file).multiple
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (0, -45 % multiple), (0, 0)), mode="reflect")
    given = {name: np.full(2, index) for name, index in others.items()}
    noise = translate.onnx_noise(export.file, images.numpy(), seed=7)
    (output,) = session.run(["output"], {"image": padded, **noise, **given})
    assert np.abs(output[:, :, :45] - wanted.numpy()).max() < 1e-4
    assert sorted(noise) == sorted(each.name for each in facts_in(export.file).noise)
    if noise:
        other = translate.onnx_noise(export.file, images.numpy(), seed=8)
        assert all(np.abs(noise[each] - other[each]).max() > 1 for each in noise)
        with pytest.raises(ConfigError, match="converts 'image', on which its noise depends: give it"):
            translate.onnx_noise(export.file)


# ------------------------------------------------------------------------------------ a plugin with inputs of all kinds


class KnobOptions(Config):
    """Options of every kind."""

    strength: float = 0.5
    """How strongly it changes the image."""
    shift: int = 1
    """Added."""
    steps: int = 2
    """How often."""
    loud: bool = True
    """Whether."""


class Knobs(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return self.conv(x)


@pytest.fixture
def plugin(make, tiny, shop, tmp_path):
    """plugin(compute, **fields of Direction) -> a translator of a method that computes so."""

    def translator(compute, **fields):
        class Knobby(tiny):
            name = "knobby"
            data = Sides({"image": Image(), "mood": Class(), "code": Vector(2)})
            directions = {"go": Direction(nets=("gen",), sides=(), **fields)}
            translate = compute

            def networks(self, build):
                return {"gen": Knobs()}

        Knobby.Config = tiny.Config
        method = Knobby(tiny.Config(), tiny_spec(Knobby.data), {})
        torch.manual_seed(0)
        nets = method.networks(None)
        write_bundle(tmp_path / "knobby", method=method, method_name="knobby", nets=nets, provider={}, info={})
        return load(tmp_path / "knobby", "cpu", shop(Knobby), tile="off")

    return translator


def everything(self, nets, inputs, direction, draw):
    x, o = inputs["image"], direction.options
    for _ in range(o.steps):
        x = x + o.strength * nets.gen(x)
    height, width = x.shape[-2:]
    x = x + draw.normal(1, height, width) + draw.uniform(3, 1, width // 2, low=-1, high=2).repeat_interleave(2, -1)
    x = x + draw.integers(4)[:, None, None, None] + o.shift * (1 if o.loud else 2)
    x = x + inputs["mood"][:, None, None, None] + inputs["code"].sum(1)[:, None, None, None]
    return {"output": x, "depth": x[:, :1], "moods": x.mean((2, 3))}


FULL = {
    "inputs": ("image", "mood", "code"),
    "options": KnobOptions,
    "draws": True,
    "further": {"depth": "image", "moods": "class"},
}


@pytest.mark.parametrize("exporter", ["torchscript", pytest.param("dynamo", marks=pytest.mark.slow)])
def test_every_kind_of_input_and_several_outputs(plugin, tmp_path, exporter):
    translator = plugin(everything, **FULL)
    data, export = exported(translator, "go", tmp_path / "x.onnx", exporter)
    (tmp_path / "x.onnx").write_bytes(data)
    assert list(export.inputs) == ["image", "mood", "code", "noise_0", "noise_1", "noise_2", "strength", "shift"]
    assert export.fixed == {"steps": 2, "loud": True}
    nets = {name: net.eval() for name, net in translator.nets.items()}
    for options in ({}, {"strength": -1.5, "shift": 4}):
        assert_the_same(translator.method, nets, str(tmp_path / "x.onnx"), [(32, 32), (32, 64), (64, 32)], options)
    told = onnxruntime.InferenceSession(data).get_modelmeta().custom_metadata_map
    assert json.loads(told["noise"]) == [
        {"name": "noise_0", "distribution": "normal", "shape": ["batch", 1, "height", "width"]},
        {"name": "noise_1", "distribution": "uniform", "low": -1, "high": 2, "shape": ["batch", 3, 1, "width/2"]},
        {"name": "noise_2", "distribution": "integers", "high": 4, "shape": ["batch"]},
    ]
    assert json.loads(told["options"])["strength"]["default"] == 0.5
    assert json.loads(told["types"])["mood"] == {"type": "class", "names": [f"class {n}" for n in range(4)]}
    graph = onnx.load_from_string(data).graph
    assert [each.name for each in graph.output] == ["output", "depth", "moods"]
    model = load(tmp_path / "x.onnx")
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    given = {"mood": "class 2", "code": [0.1, 0.2], "strength": 0.1, "seed": 3}
    answer, wanted = model(image, **given), translator(image, **given)
    assert set(answer) == {"output", "depth", "moods"} and answer["moods"] == wanted["moods"]
    assert np.abs(answer["output"].astype(int) - wanted["output"].astype(int)).max() <= 1
    with pytest.raises(ConfigError, match=r"'steps' of direction 'go': the file holds 2; export .* with --set steps=3"):
        model(image, **given, steps=3)


def test_what_is_set_is_a_constant(plugin, tmp_path):
    translator = plugin(everything, **FULL)
    call = translator.call("go", {"strength": 0.25, "steps": 3, "loud": False})
    data, export = exported(translator, call, tmp_path / "x.onnx", "torchscript", {"mood": "class 3", "code": [1, 2]})
    assert list(export.inputs) == ["image", "noise_0", "noise_1", "noise_2", "shift"]
    assert export.fixed == {"strength": 0.25, "steps": 3, "loud": False, "mood": "class 3", "code": [1, 2]}
    (tmp_path / "x.onnx").write_bytes(data)
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    wanted = translator(image, call, mood="class 3", code=[1, 2], strength=0.25, steps=3, loud=False)
    answer = load(tmp_path / "x.onnx")(image)
    assert np.abs(answer["output"].astype(int) - wanted["output"].astype(int)).max() <= 1
    with pytest.raises(ConfigError, match="no input 'moot'; it has image, mood, code"):
        exported(translator, "go", tmp_path / "x.onnx", "torchscript", {"moot": 1})
    with pytest.raises(ConfigError, match="input 'image' of direction 'go' is image: only a class and numbers"):
        exported(translator, "go", tmp_path / "x.onnx", "torchscript", {"image": "a.png"})


def until_bright(self, nets, inputs, direction, draw):
    x = inputs["image"]
    while x.mean() < 0.5:
        x = x + 0.1
    return nets.gen(x)


def until_accepted(self, nets, inputs, direction, draw):
    noise = draw.normal(1, 1, 1)
    while noise.abs().max() > 1:
        noise = draw.normal(1, 1, 1)
    return nets.gen(inputs["image"]) + noise


def odd_noise(self, nets, inputs, direction, draw):
    x = inputs["image"]
    return nets.gen(x) + draw.normal(x.shape[-1] // 4 + 1).sum(1)[:, None, None, None]


def scaled(self, nets, inputs, direction, draw):
    x, strength = nets.gen(inputs["image"]), direction.options.strength
    return x * strength + torch.full((1, 1, 1, 1), strength)


def scaled_by_half(self, nets, inputs, direction, draw):
    return nets.gen(inputs["image"]) * 0.5 + 0.5 + 0 * direction.options.strength


def looked_at(self, nets, inputs, direction, draw):
    strength = direction.options.strength
    return nets.gen(inputs["image"]) * (strength if strength > 0.1 else 1)


@pytest.mark.parametrize(
    ("compute", "fields", "why"),
    [
        (until_bright, {}, r"test_models_export_inputs\.py:\d+ decides by the values of an image.*torch\.where"),
        (until_accepted, {"draws": True}, r"test_models_export_inputs\.py:\d+ decides by the values of an image"),
        (odd_noise, {"draws": True}, "an axis of its noise is 5, 5, 9 long for images of 16 x 16, 32 x 16, 32 x 32"),
    ],
)
def test_what_cannot_be_exported_says_why_and_what_to_do(plugin, tmp_path, compute, fields, why):
    with pytest.raises(ContractError, match=f"'go' cannot be exported to ONNX, nothing is written: .*{why}"):
        exported(plugin(compute, **fields), "go", tmp_path / "x.onnx", "torchscript")


def test_a_file_that_is_wrong_at_other_values_of_an_option_is_refused(plugin, tmp_path, monkeypatch):
    from translate.models.onnx import export
    from translate.models.onnx.plan import planned

    bad = plugin(scaled_by_half, options=KnobOptions)
    graph = export.torchscript_graph(planned(bad, bad.route().call, {}))
    good = plugin(scaled, options=KnobOptions)
    assert exported(good, "go", tmp_path / "x.onnx", "torchscript")[1].inputs == ("image", "strength")
    monkeypatch.setattr(export, "torchscript_graph", lambda _: graph)
    why = r"with strength=0\.25 its output is .* is allowed; with `--set strength=VALUE` it is a constant of the file"
    with pytest.raises(ContractError, match=why):
        exported(good, "go", tmp_path / "x.onnx", "torchscript")


def test_an_option_that_is_looked_at_is_a_constant(plugin, tmp_path):
    translator = plugin(looked_at, options=KnobOptions)
    for call, strength in ((translator.call("go"), 0.5), (translator.call("go", {"strength": 0.3}), 0.3)):
        data, export = exported(translator, call, tmp_path / "x.onnx", "torchscript")
        assert export.inputs == ("image",) and export.fixed["strength"] == strength
        image = torch.rand(1, 3, 32, 32)
        (output,) = onnxruntime.InferenceSession(data).run(None, {"image": image.numpy()})
        assert np.abs(output - translator(image, strength=strength).numpy()).max() < 1e-5


def test_by_the_command_line(tmp_path, capsys):
    bundle(tmp_path / "bridge", "bridge", BRIDGE)
    bundle(tmp_path / "star", "stargan", {})
    export = ["models", "export", "--exporter", "torchscript"]
    bridge, star = str(tmp_path / "bridge"), str(tmp_path / "star")

    def run(*arguments):
        with pytest.raises(SystemExit, match="0"):
            main([*export, *arguments])
        return capsys.readouterr()

    def refused(*arguments):
        with pytest.raises(SystemExit, match="2"):
            main([*export, *arguments])
        return capsys.readouterr().err

    said = run(bridge, "--set", "steps=2", "--set", "eta=0.5").out
    assert re.search(
        r"a_to_b\.onnx: at most .*; takes image, noise; fixed in it: steps=2, eta=0\.5", said.replace("\n", " ")
    )
    run(star, str(tmp_path / "to.onnx"), "--with", "class=class 2")
    assert facts_in(tmp_path / "to.onnx").fixed == {"class": "class 2"}
    assert "has no option 'step'; did you mean 'steps'?" in refused(bridge, "--set", "step=2")
    assert "--with domain: no direction has an input 'domain'; there are image, class" in refused(
        star, "--with", "domain=1"
    )
    assert "input 'class' has no class 'blond'; there are class 0" in refused(star, "to.onnx", "--with", "class=blond")


def test_dropout_is_left_out_and_said_unless_somebody_agrees(tmp_path, capsys):
    options = {"generator": {"uses": "unet", "levels": 6, "filters": 2}}
    bundle(tmp_path / "model", "pix2pix", options)
    for agrees, warns in (([], True), (["--no-dropout"], False)):
        with pytest.raises(SystemExit, match="0"):
            main(["models", "export", str(tmp_path / "model"), "--exporter", "torchscript", *agrees])
        warning = " ".join(capsys.readouterr().err.split())
        assert (
            "dropout, which the model keeps on at inference, is off in the file (`--no-dropout` agrees)" in warning
        ) == warns
