"""ONNX: shipped methods compute what torch does, at any size; what does not is refused; files say what they need."""

import json
import re
import shutil
from itertools import product

import numpy as np
import pytest
import torch
from lively_networks import lively
from PIL import Image as Pillow
from torch import nn
from torch.nn import functional as F

from translate.contracts import DataSpec, DirectionCall, Nets
from translate.conversion.convert import convert
from translate.conversion.options import ConvertOptions
from translate.errors import ConfigError, ContractError, DataError
from translate.imaging.io import read, write
from translate.inference.directions import multiple_of
from translate.inference.draw import NoDraw
from translate.models.bundle import write_bundle
from translate.models.load import load
from translate.models.onnx.export import export_onnx, exported
from translate.networks import network_builder, prepare_for_inference
from translate.plugins import Registry

onnx = pytest.importorskip("onnx", reason="the extra [onnx] is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra [onnx] is not installed")

TINY = {"filters": 4}
UNET = {"uses": "unet", "levels": 3, **TINY}
METHODS = {
    "pix2pix": {"generator": {**UNET, "levels": 6, "filters": 2}},
    "pix2pix, nafnet": {"generator": {"uses": "nafnet", "encoder": (1,), "middle": 1, "decoder": 1, **TINY}},
    "cyclegan": {"generator": {"uses": "resnet", "blocks": 1, **TINY}},
    "cut": {"generator": {"uses": "resnet_blurred", "blocks": 5, **TINY}},
    "cut/fastcut": {"generator": {"uses": "resnet", "blocks": 5, "upsample": "pixel-shuffle", "norm": "batch", **TINY}},
    "discogan": {"width": 4},
    "genegan": {"width": 4},
    "segmentation": {"network": {"uses": "segmentation/unet", "levels": 2, **TINY}, "shrink": 2},
    "segmentation/adversarial": {"network": {"uses": "segmentation/unet", "levels": 2, "norm": "instance", **TINY}},
    "segmentation/colours": {"generator": UNET, "shrink": 2},
    "srresnet": {"scale": 2, "generator": {"uses": "srresnet", "blocks": 1, "residual": True, **TINY}},
    "srresnet, swinir": {"scale": 2, "generator": {"uses": "swinir", "groups": 1, "layers": 2, "heads": 2, **TINY}},
    "srgan": {"generator": {"uses": "rrdb", "blocks": 1, "growth": 4, **TINY}},
    "colorization": {"generator": UNET},
    "colorization/classes": {"predict": "classes", "generator": {"uses": "zhang", **TINY}},
    "inpainting": {"generator": UNET},
    "restore": {"generator": {"uses": "restore/residual", "blocks": 1, **TINY}},
    "single-network": {"network": {**UNET, "upsample": "nearest"}, "dropout": False},
}
SIDES = {"paired": ("input", "target"), "unpaired": ("a", "b"), "attribute": ("with", "without")}
REGISTRY = Registry()


def spec(kind, channels=3):
    if kind != "labelled":
        return DataSpec(kind, dict.fromkeys(SIDES.get(kind, ("image",)), channels), (32, 32))
    return DataSpec(kind, {"image": 3}, (32, 32), ("a", "b", "c"), ((0, 0, 0), (200, 0, 0), (0, 0, 255)))


def bundle(folder, name, options, seed=0):
    known = name.removesuffix("/classes").partition(",")[0]
    kind = REGISTRY.get("methods", known)
    method = kind(kind.Config.model_validate(options), spec(kind.data), dict(kind.losses))
    torch.manual_seed(seed)
    nets = lively(method.networks(network_builder(REGISTRY)))
    provider = REGISTRY.provider("methods", known)
    write_bundle(folder, method=method, method_name=known, nets=nets, provider=provider, info={})
    return method, nets


@pytest.mark.parametrize("name", METHODS)
def test_every_shipped_method_at_three_sizes_and_two_batch_sizes(tmp_path, name):
    method, nets = bundle(tmp_path / "model", name, METHODS[name])
    used = {
        net: prepare_for_inference(nets[net], method.test_time) for d in method.directions.values() for net in d.nets
    }
    for layer in (layer for net in used.values() for layer in net.modules()):
        if isinstance(layer, nn.Dropout):
            layer.eval()
    made = {export.direction: export for export in export_onnx(tmp_path / "model", exporter="torchscript")}
    assert list(made) == list(method.directions)
    rng = torch.Generator().manual_seed(1)
    for direction, export in made.items():
        assert export.difference <= 1e-3 and len(export.sizes) == 3
        session = onnxruntime.InferenceSession(str(export.file))
        unit = max(32, multiple_of(method.directions[direction], used))
        for (height, width), batch in product(((unit, unit), (unit, 3 * unit), (2 * unit, unit)), (1, 3)):
            inputs = {
                i: torch.rand((batch, 3, height, width), generator=rng) * 2 - 1
                for i in method.directions[direction].inputs
            }
            with torch.inference_mode():
                wanted = method.translate(
                    Nets(used), inputs, DirectionCall(direction), NoDraw(direction, 1, (1, 1))
                ).numpy()
            found = session.run(None, {k: v.numpy() for k, v in inputs.items()})[0]
            assert found.shape == wanted.shape and np.abs(wanted).max() > 0.05 and wanted.std() > 0.01
            assert np.abs(found - wanted).max() <= 1e-3 * max(1, np.abs(wanted).max())


class Shape(nn.Module):
    """A network that is exported faithfully or not, by `how`."""

    multiple = 4

    def __init__(self, how):
        super().__init__()
        self.how = how
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        y = self.conv(x)
        if self.how == "large images" and x.shape[-1] > 40 and x.shape[-2] > 40:
            return -y
        if self.how == "one width":
            return y[..., : int(x.shape[-1])] + torch.zeros(1, 1, 1, int(x.shape[-1]))
        if self.how == "batch":
            return y - y.mean(0, keepdim=True) + x * len(x)
        if self.how == "unknown":
            return F.interpolate(F.interpolate(y, scale_factor=0.5, mode="bicubic", antialias=True), scale_factor=2)
        return y


@pytest.fixture
def model(make, tiny, shop, tmp_path):
    """model(how) -> a translator of `Shape`, loaded from a bundle."""

    def translator(how, kind=tiny):
        class Shaped(kind):
            name = "shaped"

            def networks(self, build):
                return {"gen": Shape(how), "critic": nn.Linear(1, 1)}

        Shaped.Config = tiny.Config
        method = Shaped(tiny.Config(), spec("paired"), {})
        torch.manual_seed(0)
        folder = tmp_path / f"shaped {how}"
        nets = method.networks(None)
        write_bundle(folder, method=method, method_name="shaped", nets=nets, provider={}, info={})
        return load(folder, "cpu", shop(Shaped), tile="off")

    return translator


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("large images", r"at 1 x 61 x 59 \(batch, height, width\) its output is [\d.]+ from torch's, and 0.001 is"),
        ("one width", r"at 1 x 32 x 32 \(batch, height, width\) onnxruntime gives "),
        ("batch", r"at 1 x 32 x 32 \(batch, height, width\) its output is "),
        ("unknown", "UnsupportedOperatorError: .*_upsample_bicubic2d_aa"),
    ],
)
def test_what_does_not_compute_the_same_is_refused(model, tmp_path, how, why):
    with pytest.raises(ContractError, match=f"shaped: direction 'a_to_b' cannot be exported to ONNX.*{why}") as told:
        exported(model(how), "a_to_b", tmp_path / "x.onnx", "torchscript")
    assert (f"{__file__.rpartition('/')[2]}:" in str(told.value)) == (how in ("large images", "one width", "batch"))
    assert exported(model("well"), "a_to_b", tmp_path / "x.onnx", "torchscript")[1].difference < 1e-5


def axes_of(value):
    return [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]


def test_the_exporter_that_is_tried_first_gives_the_same_file(model, tmp_path):
    translator = model("well")
    graphs = {}
    for exporter in (None, "torchscript"):
        data, export = exported(translator, "a_to_b", tmp_path / "x.onnx", exporter)
        assert export.exporter == (exporter or "dynamo") and not export.reason and export.difference < 1e-5
        graphs[export.exporter] = onnx.load_from_string(data).graph
    assert set(graphs) == {"dynamo", "torchscript"}
    assert axes_of(graphs["dynamo"].input[0]) == axes_of(graphs["torchscript"].input[0])
    assert axes_of(graphs["dynamo"].input[0]) == ["batch", 3, "height", "width"]


def test_the_other_exporter_takes_its_place_and_why_is_said(model, tmp_path, monkeypatch):
    from translate.models.onnx import export, graph
    from translate.models.onnx.plan import planned

    def broken(*args, **options):
        if options["dynamo"]:
            raise ValueError("one step") from KeyError("aten.new_operator")
        return real(*args, **options)

    real = torch.onnx.export
    monkeypatch.setattr(torch.onnx, "export", broken)
    _, made = exported(model("well"), "a_to_b", tmp_path / "x.onnx")
    assert made.exporter == "torchscript" and made.difference < 1e-5
    assert made.reason.endswith("cannot be exported to ONNX: KeyError: 'aten.new_operator'")
    with pytest.raises(ContractError, match=r"aten\.new_operator"):
        exported(model("well"), "a_to_b", tmp_path / "x.onnx", "dynamo")
    monkeypatch.setattr(torch.onnx, "export", real)
    translator = model("batch")
    wrong = graph.torchscript_graph(planned(translator, translator.route().call, {}))
    monkeypatch.setattr(export, "dynamo_graph", lambda *_: wrong)
    _, made = exported(model("well"), "a_to_b", tmp_path / "x.onnx")
    assert made.exporter == "torchscript" and "from torch's, and 0.001 is allowed" in made.reason


def test_without_onnxscript_the_other_exporter_is_taken(model, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "onnxscript", None)
    _, made = exported(model("well"), "a_to_b", tmp_path / "x.onnx")
    assert made.exporter == "torchscript" and "exported models need onnxscript" in made.reason


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cyclegan", "segmentation", "inpainting"])
def test_shipped_methods_by_the_exporter_that_is_tried_first(tmp_path, name):
    bundle(tmp_path / "model", name, METHODS[name])
    direction = "a_to_b" if name == "cyclegan" else None
    (export, *_) = export_onnx(tmp_path / "model", direction=direction, exporter="dynamo")
    assert export.exporter == "dynamo" and export.difference <= 1e-3


def test_an_output_of_other_weights_is_caught(model, tmp_path, monkeypatch):
    from translate.models.onnx import export
    from translate.models.onnx.plan import planned

    good, bad = model("well"), model("well")
    with torch.no_grad():
        bad.nets["gen"].conv.bias += 0.002
    graph = export.torchscript_graph(planned(bad, bad.route().call, {}))
    monkeypatch.setattr(export, "torchscript_graph", lambda *_: graph)
    with pytest.raises(ContractError, match=r"its output is 0\.00[12]\d* from torch's"):
        exported(good, "a_to_b", tmp_path / "x.onnx", "torchscript")


def test_compose_is_part_of_the_file(model, tiny, tmp_path):
    class Half(tiny):
        def compose(self, output, original, direction):
            return (output + original) / 2

    class Mean(tiny):
        def compose(self, output, original, direction):
            return output - original.mean()

    translator = model("well", Half)
    data, _ = exported(translator, "a_to_b", tmp_path / "x.onnx", "torchscript")
    x = torch.rand(1, 3, 32, 32)
    made = onnxruntime.InferenceSession(data).run(None, {"image": x.numpy()})[0]
    assert np.allclose(made, ((translator.nets["gen"](x) + x) / 2).detach(), atol=1e-5)
    with pytest.raises(ContractError, match="is allowed"):  # it depends on the padding
        exported(model("well", Mean), "a_to_b", tmp_path / "x.onnx", "torchscript")


# ------------------------------------------------------------------------------------------------------------ in use


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    """A pix2pix with dropout, exported, and the folder of its bundle."""
    folder = tmp_path_factory.mktemp("onnx") / "model"
    bundle(folder, "pix2pix", METHODS["pix2pix"])
    export_onnx(folder, exporter="torchscript")
    return folder


@pytest.fixture
def photos(tmp_path):
    draw = np.random.default_rng(0)
    for name, height, width, channels, dtype in (
        ("rgb.png", 45, 70, 3, np.uint8),
        ("grey.png", 64, 64, 1, np.uint8),
        ("alpha.png", 13, 130, 4, np.uint8),
        ("deep.png", 66, 31, 3, np.uint16),
    ):
        (tmp_path / "in").mkdir(exist_ok=True)
        smooth = Pillow.fromarray(draw.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize((width, height))
        image = np.asarray(smooth).astype(dtype) * (257 if dtype is np.uint16 else 1)
        image = image[..., :1] if channels == 1 else image
        write(tmp_path / "in" / name, np.dstack([image, image[..., :1]]) if channels == 4 else image)
    return tmp_path / "in"


def test_converting_gives_what_torch_gives(generator, photos, tmp_path, told):
    translator = load(generator, "cpu")
    assert translator.stochastic
    translator = translator.without_dropout()
    convert(photos, tmp_path / "torch", translator, console=told)
    shutil.copyfile(generator / "onnx" / "a_to_b.onnx", tmp_path / "alone.onnx")
    for ref, options in ((generator, {"runtime": "onnx"}), (tmp_path / "alone.onnx", {})):
        model = load(ref, "cpu", **options)
        assert list(model.nets) == [] and not model.stochastic
        convert(photos, tmp_path / "onnx", model, ConvertOptions(overwrite=True), console=told)
        for name in ("rgb", "grey", "alpha", "deep"):
            wanted, found = (read(tmp_path / folder / f"{name}.png") for folder in ("torch", "onnx"))
            assert found.array.shape == wanted.array.shape and found.bits == wanted.bits
            step = 257 if wanted.bits == 16 else 1
            assert np.abs(found.array.astype(int) - wanted.array.astype(int)).max() <= step
            assert wanted.array.std() > 10 * step
    with pytest.raises(ConfigError, match="an exported model draws nothing at inference"):
        convert(photos, tmp_path / "several", model, ConvertOptions(samples=2), console=told)


def test_labels_sizes_and_further_inputs_go_the_same_way(tmp_path):
    draw = np.random.default_rng(2)
    first, second = draw.integers(0, 256, (2, 45, 37, 3), dtype=np.uint8)
    for name, direction, others in (
        ("segmentation/adversarial", None, {}),
        ("srresnet", None, {}),
        ("genegan", "swap", {"exemplar": second}),
    ):
        folder = tmp_path / name
        bundle(folder, name, METHODS[name])
        export_onnx(folder, direction=direction, exporter="torchscript")
        torchs, onnxs = load(folder, "cpu"), load(folder, "cpu", runtime="onnx")
        wanted, found = (model(first, direction, **others) for model in (torchs, onnxs))
        assert found.shape == wanted.shape and found.std() > 0
        if name.startswith("segmentation"):
            assert set(np.unique(found)) <= {0, 1, 2} and (found != wanted).mean() < 0.001
        else:
            assert np.abs(found.astype(int) - wanted.astype(int)).max() <= 1
    assert list(onnxs.routes) == ["swap"]
    assert onnxs.route().tiles == (1, 2)


def test_the_file_says_what_it_is(generator):
    model = onnx.load(generator / "onnx" / "a_to_b.onnx")
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert told["method"] == "pix2pix" and told["direction"] == "a_to_b"
    assert (
        json.loads(told["multiple"]) == 64 and json.loads(told["scale"]) == 1 and json.loads(told["range"]) == [-1, 1]
    )
    assert json.loads(told["channels"]) == {"image": 3}
    assert told["test_time"] == "dropout is off; batch norms use the statistics of each image alone"
    facts = json.loads(told["translate"])
    assert facts["dropout_left_out"] and facts["plugin"]["module"] == "translate_pix2pix" and facts["plugin"]["version"]
    axes = [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    assert axes == ["batch", 3, "height", "width"]
    card = (generator / "onnx" / "a_to_b.md").read_text()
    assert "(The model itself keeps its dropout on.)" in card and "multiples of 64" in card


@pytest.mark.parametrize("name", ["pix2pix", "srresnet", "segmentation", "inpainting"])
def test_the_program_on_the_card_does_what_convert_does(tmp_path, monkeypatch, name):
    bundle(tmp_path, name, METHODS[name])
    (export,) = export_onnx(tmp_path, exporter="torchscript")
    monkeypatch.chdir(export.file.parent)
    smooth = np.random.default_rng(1).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    image = np.asarray(Pillow.fromarray(smooth).resize((33, 50)))
    mask = np.zeros((50, 33, 3), np.uint8)
    mask[10:20, 5:30] = 255
    for file, values in (("image", image), ("mask", mask)):
        Pillow.fromarray(values).save(f"{file}.png")
    code = re.search(r"```python\n(.*?)```", export.file.with_suffix(".md").read_text(), re.S)[1]
    exec(compile(code, "card", "exec"), {})
    others = {"mask": mask} if name == "inpainting" else {}
    wanted = load(export.file)(image, **others)
    found = np.asarray(Pillow.open("output.png"))
    assert found.shape == wanted.shape and np.abs(found.astype(int) - wanted.astype(int)).max() <= 1


def test_one_direction_into_a_file_of_its_own(tmp_path):
    bundle(tmp_path / "model", "cyclegan", METHODS["cyclegan"])
    (export,) = export_onnx(tmp_path / "model", tmp_path / "new" / "back.onnx", "b_to_a", exporter="torchscript")
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["back.md", "back.onnx"]
    assert list(load(export.file).routes) == ["b_to_a"]
    with pytest.raises(ConfigError, match=r"there is no direction 'b_to_c'; .*did you mean 'b_to_a'"):
        export_onnx(tmp_path / "model", direction="b_to_c")


def test_what_is_no_exported_model_is_said(generator, tmp_path):
    bundle(tmp_path / "bare", "pix2pix", METHODS["pix2pix"], seed=1)
    with pytest.raises(ConfigError, match="nothing is exported from this model yet: translate models export"):
        load(tmp_path / "bare", runtime="onnx")
    shutil.copytree(generator / "onnx", tmp_path / "bare" / "onnx")
    with pytest.raises(ConfigError, match="exported from other weights than the model has now"):
        load(tmp_path / "bare", runtime="onnx")
    data = (generator / "onnx" / "a_to_b.onnx").read_bytes()
    (tmp_path / "half.onnx").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"half\.onnx: no readable ONNX model"):
        load(tmp_path / "half.onnx")
    foreign = onnx.load_from_string(data)
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")
    with pytest.raises(ConfigError, match="not one that `translate models export` wrote"):
        load(tmp_path / "foreign.onnx")
    with pytest.raises(ConfigError, match=r"absent\.onnx: there is no such file"):
        load(tmp_path / "absent.onnx")
    for options in ({"precision": "bf16"}, {"weights": "last"}, {"tile": 64}):
        with pytest.raises(ConfigError, match="takes whole images, with its own weights, in fp32 alone"):
            load(generator, runtime="onnx", **options)
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(ConfigError, match="onnxruntime sees no GPU"):
            load(generator, "cuda", runtime="onnx")
