"""Networks of other programs against their modules as written down in the tests: read, used, and written back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from foreign_modules import NewRRDBNet, OldRRDBNet, ResnetGenerator, SRGANGenerator, TrunkRRDBNet, UnetGenerator, lively
from PIL import Image
from torch import Tensor, nn

from translate.cli import main
from translate.contracts import DataSpec
from translate.errors import ConfigError, ContractError, DataError
from translate.models.bundle import write_bundle
from translate.models.export_model import export_model
from translate.models.foreign import reference_import as importing
from translate.models.foreign.pth_export import Pth, PthConfig
from translate.models.foreign.reference_import import import_reference
from translate.models.load import load
from translate.models.onnx.exporter import Onnx, OnnxConfig
from translate.networks import network_builder
from translate.plugins import Registry
from translate.storage import unpickle


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads files in this process, with the code of the child but without its start, which takes seconds."""
    monkeypatch.setattr(importing, "read_networks", unpickle.read_networks)


def images(height: int = 24, width: int = 32, channels: int = 3) -> Tensor:
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(3)) * 2 - 1


def outputs(net: nn.Module, x: Tensor, unit: bool) -> Tensor:
    """The module's output for images in [-1, 1], in [-1, 1]."""
    with torch.inference_mode():
        return net((x + 1) / 2) * 2 - 1 if unit else net(x)


def content_of(path: Path) -> Any:
    """As other programs read it."""
    return torch.load(path, weights_only=True)  # noqa: TID251 (written a moment ago)


CUT = {"blocks": 4, "down": 3, "up": 4}
MODULES: dict[str, tuple[Callable[[], nn.Module], bool, str, Mapping[str, Any]]] = {
    "cut": (lambda: ResnetGenerator(**CUT), False, "resnet_antialiased", {"blocks": 4, "filters": 4}),
    "cut, batch": (lambda: ResnetGenerator("batch", **CUT), False, "resnet_antialiased", {"norm": "batch"}),
    "cut, dropout": (lambda: ResnetGenerator(dropout=True, **CUT), False, "resnet_antialiased", {"dropout": True}),
    "cut, no_antialias": (
        lambda: ResnetGenerator(blocks=3, up=4),
        False,
        "resnet_antialiased",
        {"down": "strided", "up": "blurred", "blocks": 3},
    ),
    "cut, no_antialias_up": (
        lambda: ResnetGenerator(down=3),
        False,
        "resnet_antialiased",
        {"down": "blurred", "up": "transposed"},
    ),
    "cut, other filters": (
        lambda: ResnetGenerator(blocks=1, down=4, up=5),
        False,
        "resnet_antialiased",
        {"down_taps": 4, "up_taps": 5},
    ),
    "cut, grey": (lambda: ResnetGenerator(channels=(1, 1), **CUT), False, "resnet_antialiased", {}),
    "cut, neither": (lambda: ResnetGenerator(blocks=4), False, "resnet", {"blocks": 4}),
    "real-esrgan x4": (NewRRDBNet, True, "rrdb", {"scale": 4, "unshuffle": 1, "blocks": 2, "filters": 8, "growth": 4}),
    "real-esrgan x2": (lambda: NewRRDBNet(2), True, "rrdb", {"scale": 2, "unshuffle": 2}),
    "real-esrgan x1": (lambda: NewRRDBNet(1), True, "rrdb", {"scale": 1, "unshuffle": 4}),
    "real-esrgan, other widths": (
        lambda: NewRRDBNet(4, 12, 3, 6),
        True,
        "rrdb",
        {"filters": 12, "blocks": 3, "growth": 6},
    ),
    "real-esrgan, grey": (lambda: NewRRDBNet(2, channels=1), True, "rrdb", {"scale": 2, "unshuffle": 2}),
    "esrgan": (TrunkRRDBNet, True, "rrdb", {"scale": 4}),
    "esrgan-old x4": (OldRRDBNet, True, "rrdb", {"scale": 4}),
    "esrgan-old x2": (lambda: OldRRDBNet(1), True, "rrdb", {"scale": 2, "unshuffle": 1}),
    "esrgan-old x1": (lambda: OldRRDBNet(0), True, "rrdb", {"scale": 1}),
    "srgan x4": (SRGANGenerator, True, "srresnet", {"scale": 4, "blocks": 5, "filters": 8}),
    "srgan x2": (lambda: SRGANGenerator(1, blocks=2), True, "srresnet", {"scale": 2, "blocks": 2}),
    "reference, resnet without norms": (lambda: ResnetGenerator("none", blocks=2), False, "resnet", {"norm": "none"}),
    "cut without norms": (lambda: ResnetGenerator("none", **CUT), False, "resnet_antialiased", {"norm": "none"}),
    "esrgan-old x8": (lambda: OldRRDBNet(3, nb=1), True, "rrdb", {"scale": 8}),
}


@pytest.mark.parametrize("name", MODULES)
def test_imported_networks_give_what_their_modules_give_and_go_back(name: str, tmp_path: Path) -> None:
    """Batch norms on running averages, as in the module's eval mode; then the exported file is loaded strictly."""
    make, unit, uses, options = MODULES[name]
    net = lively(make())
    torch.save(net.state_dict(), tmp_path / "net.pth")
    facts = import_reference(tmp_path / "net.pth", tmp_path / "bundle", dropout=None, norm="running")
    assert facts.imported is not None and facts.imported.kind == uses
    assert {key: facts.imported.options[key] for key in options} == options
    model = load(tmp_path / "bundle", "cpu").without_dropout()
    x = images(channels=facts.imported.channels[0])
    expected = outputs(net, x, unit)
    assert expected.std() > 0.01
    torch.testing.assert_close(model.translate_tensor(x), expected, rtol=0, atol=2e-5)

    (export,) = export_model(tmp_path / "bundle", Pth(PthConfig()), tmp_path / "back.pth")
    content = content_of(tmp_path / "back.pth")
    state = content["params"] if name.startswith("real") else content
    assert list(state) == list(net.state_dict())
    other = lively(make(), seed=5)
    other.load_state_dict(state, strict=True)
    assert torch.equal(outputs(other, x, unit), expected)
    assert export.facts["tensors"] == len(state)


def test_an_old_esrgan_of_scale_3_is_one_where_it_is_told(tmp_path: Path) -> None:
    net = lively(OldRRDBNet(1, factor=3))
    torch.save(net.state_dict(), tmp_path / "net.pth")
    run = CliRunner().invoke
    assumed = run(main, ["models", "import", str(tmp_path / "net.pth"), str(tmp_path / "two")])
    assert assumed.exit_code == 0, assumed.output
    said = "the tensors are the same for scale 2 and 3: 2, assumed; import with `--scale 3`"
    assert said in " ".join(assumed.output.split())
    told = run(main, ["models", "import", str(tmp_path / "net.pth"), str(tmp_path / "three"), "--scale", "3"])
    assert told.exit_code == 0, told.output
    assert "3, as asked for" in " ".join(told.output.split())
    x = images()
    torch.testing.assert_close(
        load(tmp_path / "three", "cpu").translate_tensor(x), outputs(net, x, True), rtol=0, atol=2e-5
    )
    export_model(tmp_path / "three", Pth(PthConfig()), tmp_path / "back.pth")
    back = content_of(tmp_path / "back.pth")
    assert list(back) == list(net.state_dict())
    assert all(torch.equal(back[name], value) for name, value in net.state_dict().items())
    torch.save(OldRRDBNet(2).state_dict(), tmp_path / "four.pth")
    wrong = run(main, ["models", "import", str(tmp_path / "four.pth"), str(tmp_path / "five"), "--scale", "3"])
    assert wrong.exit_code == 2 and "the tensors show that this rrdb has 4" in " ".join(wrong.output.split())


def test_what_the_reference_leaves_out_without_norms_is_said(tmp_path: Path) -> None:
    torch.save(ResnetGenerator("none", blocks=1).state_dict(), tmp_path / "net.pth")
    facts = import_reference(tmp_path / "net.pth", tmp_path / "bundle")
    assert facts.imported is not None and "7 biases are 0 here" in " ".join(facts.imported.notes)


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
@pytest.mark.parametrize(
    "make",
    [
        lambda norm: UnetGenerator(norm, downs=7),
        lambda norm: UnetGenerator(norm, downs=5, dropout=True),
        lambda norm: ResnetGenerator(norm, blocks=9),
        lambda norm: ResnetGenerator(norm, dropout=True),
    ],
    ids=["unet_128", "unet of 5", "resnet_9", "resnet_6, dropout"],
)
@pytest.mark.parametrize("mode", ["image", "running"])
def test_the_reference_goes_back_bit_for_bit(make: Any, norm: str, mode: Any, tmp_path: Path) -> None:
    net = lively(make(norm))
    torch.save(net.state_dict(), tmp_path / "latest_net_G.pth")
    import_reference(tmp_path / "latest_net_G.pth", tmp_path / "bundle", norm=mode)
    (export,) = export_model(tmp_path / "bundle", Pth(PthConfig()), tmp_path / "back.pth")
    back = content_of(tmp_path / "back.pth")
    assert list(back) == list(net.state_dict())
    assert all(torch.equal(back[key], value) for key, value in net.state_dict().items())
    assert f"--norm {norm}" in export.note
    assert ("--eval" in export.note) is (norm == "batch" and mode == "running")


# ----------------------------------------------------------------------------------------- several networks in a file


@pytest.mark.parametrize("how", [Tensor.half, Tensor.bfloat16, Tensor.double])
def test_a_state_dict_of_another_precision(how: Any, tmp_path: Path) -> None:
    """With the counters of its batch norms, which become fractions."""
    net = lively(UnetGenerator("batch", downs=5))
    changed = {name: how(value) for name, value in net.state_dict().items()}
    torch.save(changed, tmp_path / "net.pth")
    import_reference(tmp_path / "net.pth", tmp_path / "bundle", dropout=False, norm="running")
    net.load_state_dict(changed)
    x = images(32, 64)
    found = load(tmp_path / "bundle", "cpu").translate_tensor(x)
    torch.testing.assert_close(found, outputs(net, x, unit=False), rtol=0, atol=1e-5)


def prefixed(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}{name}": value for name, value in state.items()}


ONE = lively(ResnetGenerator(blocks=1, filters_=2)).state_dict()
OTHER = lively(ResnetGenerator(blocks=2, filters_=2), seed=1).state_dict()
CRITIC = {
    "model.0.weight": torch.ones(2, 3, 4, 4),
    "model.0.bias": torch.ones(2),
    "model.2.weight": torch.ones(4, 2, 4, 4),
    "model.2.bias": torch.ones(4),
    "model.5.weight": torch.ones(8, 4, 4, 4),
    "model.5.bias": torch.ones(8),
    "model.8.weight": torch.ones(1, 8, 4, 4),
    "model.8.bias": torch.ones(1),
}
VGG = {"features.0.weight": torch.ones(4, 3, 3, 3), "features.0.bias": torch.ones(4)}


def imported(content: Any, folder: Path, network: str | None = None) -> tuple[int, str, tuple[str, ...]]:
    """The blocks, the place and the notes of what an import takes of a file."""
    torch.save(content, folder / "net.pth")
    facts = import_reference(folder / "net.pth", folder / "bundle", network=network)
    assert facts.imported is not None
    return facts.imported.options["blocks"], facts.imported.part, facts.imported.notes


@pytest.mark.parametrize(
    ("content", "network", "part"),
    [
        ({"params": OTHER, "params_ema": ONE}, "params_ema", "params_ema"),
        ({"G_A": OTHER, "G_B": ONE}, "G_B", "G_B"),
        ({"netG": ONE, "netD": CRITIC}, None, "netG"),
        ({"model": {"gen": ONE, "dis": CRITIC}, "epoch": 1}, None, "model.gen"),
        ({"state_dict": {**prefixed("netG.", ONE), **prefixed("netD.", CRITIC)}}, None, "state_dict.netG"),
        ({"state_dict": {**prefixed("gen_a.", OTHER), **prefixed("gen_b.module.", ONE)}}, "gen_b", "state_dict.gen_b"),
        ({"state_dict": {**prefixed("g.", ONE), **prefixed("loss.vgg.", VGG)}}, None, "state_dict.g"),
        ({**prefixed("module.", ONE), "n_averaged": torch.tensor(5)}, None, "module"),
        ({**prefixed("ema_model.", ONE), **prefixed("online_model.", OTHER)}, "ema_model", "ema_model"),
        (prefixed("generator._orig_mod.", ONE), None, ""),
        ({"state_dict": prefixed("pl.net.module.netG.", ONE)}, None, "state_dict"),
        ({name.replace("conv_block", "_orig_mod.conv_block"): value for name, value in ONE.items()}, None, ""),
        ([OTHER, ONE], "1", "1"),
    ],
)
def test_one_of_several_networks(content: Any, network: str | None, part: str, tmp_path: Path) -> None:
    blocks, place, _ = imported(content, tmp_path, network)
    assert (blocks, place) == (1, part)


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    content = {"state_dict": {**prefixed("netG.", ONE), **prefixed("netD.", CRITIC)}, "best": VGG}
    _, _, notes = imported(content, tmp_path)
    assert "left out: 8 tensors of the same file that are none of state_dict.netG" in notes
    assert any("state_dict.netD: a discriminator (patchgan); best: 2 tensors of an unknown" in note for note in notes)


@pytest.mark.parametrize(
    ("content", "network", "error", "message"),
    [
        (
            {"params": OTHER, "params_ema": ONE},
            None,
            ConfigError,
            r"several networks; say which one, such as `--network params` or `--network params_ema`\. There are"
            r"\n  params: resnet \(filters 2, .*blocks 2.*\), 3 to 3 channels\n  params_ema: resnet \(.*blocks 1",
        ),
        ({"params": OTHER, "params_ema": ONE}, "parms", ConfigError, r"no network 'parms'; did you mean 'params'"),
        ({"G": ONE, "D": CRITIC}, "D", DataError, "D: it is a discriminator of the reference implementation"),
        ({"G": VGG, "D": CRITIC}, None, DataError, r"no generator that is known.*There are\n  G: 2 tensors of an unkn"),
        (CRITIC, None, DataError, "it is a discriminator of the reference implementation"),
        (
            {"state_dict": {**prefixed("g.", {**ONE, "model.99.weight": torch.ones(3)}), **prefixed("d.", CRITIC)}},
            None,
            DataError,
            r"state_dict\.g: it resembles a resnet of pytorch-CycleGAN.*but 1 tensors differ, first g\.model\.99\.w",
        ),
    ],
)
def test_what_there_is_instead(content: Any, network: str | None, error: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=f"(?s){message}"):
        imported(content, tmp_path, network)
    assert not (tmp_path / "bundle").exists()


# ------------------------------------------------------------------------------------- used, and of one's own training


@pytest.mark.parametrize("name", ["cut", "real-esrgan x2", "esrgan-old x2"])
def test_files_and_onnx_come_out_as_the_module_gives_them(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    make, unit, _, _ = MODULES[name]
    net = lively(make())
    torch.save(net.state_dict(), tmp_path / "net.pth")
    import_reference(tmp_path / "net.pth", tmp_path / "bundle")
    (tmp_path / "in").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 48, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in" / "a.png")
    command = ["convert", str(tmp_path / "in"), str(tmp_path / "out"), "--model", str(tmp_path / "bundle")]
    run = CliRunner().invoke(main, [*command, "--precision", "fp32"])
    assert run.exit_code == 0, run.output
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
    expected = ((outputs(net, x, unit) + 1) * 127.5).clamp(0, 255)[0].permute(1, 2, 0).numpy()
    with Image.open(tmp_path / "out" / "a.png") as converted:
        assert np.abs(np.asarray(converted, np.float64) - expected).max() <= 0.51

    export_model(tmp_path / "bundle", Onnx(OnnxConfig(exporter="torchscript")), tmp_path / "net.onnx")
    exported = load(tmp_path / "net.onnx", "cpu").translate_tensor(x)
    torch.testing.assert_close(exported, outputs(net, x, unit), rtol=0, atol=1e-4)


def bundle_of(method: str, folder: Path, **options: Any) -> nn.Module:
    """A bundle of a method with lively weights, as though it was trained here; returns its generator."""
    registry = Registry()
    kind = registry.get("methods", method)
    config = registry.config("methods", method, options)
    data = {"pix2pix": "paired", "cut": "unpaired", "cyclegan": "unpaired"}.get(method, "single")
    sides = {"single": ("image",), "paired": ("input", "target"), "unpaired": ("a", "b")}[data]
    spec = DataSpec(data, dict.fromkeys(sides, 3), (64, 64))
    built = kind(config, spec, dict(kind.losses))
    nets = built.networks(network_builder(registry))
    name = next(iter(built.directions.values())).nets[0]
    for net in nets.values():
        lively(net)
    provider = registry.provider("methods", method)
    write_bundle(folder, method=built, method_name=method, nets=nets, provider=provider, info={"weights": "last"})
    return nets[name]


BLURRED = {"uses": "resnet_blurred", "blocks": 5, "filters": 4}


@pytest.mark.parametrize(
    ("method", "generator", "module", "advice"),
    [
        (
            "pix2pix",
            {"uses": "unet_64", "filters": 4},
            lambda: UnetGenerator("batch", downs=6, dropout=True),
            "a U-Net of num_downs=6 --norm batch --ngf 4 --input_nc 3 --output_nc 3",
        ),
        (
            "cyclegan",
            {"uses": "resnet_6", "filters": 4},
            lambda: ResnetGenerator(blocks=6),
            "--netG resnet_6blocks --norm instance --ngf 4 --input_nc 3 --output_nc 3 --no_dropout",
        ),
        ("cut", BLURRED, lambda: ResnetGenerator(blocks=5, down=3, up=4), "--netG resnet_5blocks --norm instance"),
    ],
)
def test_what_is_trained_here_enters_the_reference(
    method: str, generator: Any, module: Any, advice: str, tmp_path: Path
) -> None:
    ours = bundle_of(method, tmp_path / "bundle", generator=generator)
    exports = export_model(tmp_path / "bundle", Pth(PthConfig()), tmp_path / "weights")
    assert advice in exports[0].note
    theirs = lively(module(), seed=7)
    theirs.load_state_dict(content_of(exports[0].file), strict=True)
    x = images(64, 64)
    expected = outputs(ours.eval(), x, unit=False)
    assert expected.std() > 0.01
    torch.testing.assert_close(outputs(theirs.eval(), x, unit=False), expected, rtol=0, atol=2e-5)
    assert [path.name for path in sorted((tmp_path / "weights").iterdir())] == sorted(f.file.name for f in exports)


@pytest.mark.parametrize(("layout", "module"), [("auto", TrunkRRDBNet), ("esrgan-old", OldRRDBNet)])
def test_a_network_trained_here_enters_esrgan(layout: str, module: Any, tmp_path: Path) -> None:
    """Its images are in [0, 1] there: equal but for what the outermost pixels see beyond the image."""
    generator = {"uses": "rrdb", "blocks": 1, "filters": 8, "growth": 4}
    ours = bundle_of("srresnet", tmp_path / "bundle", generator=generator)
    (export,) = export_model(tmp_path / "bundle", Pth(PthConfig(layout=layout)), tmp_path / "net.pth")
    theirs = module(nb=1)
    theirs.load_state_dict(content_of(tmp_path / "net.pth"), strict=True)
    x = images(40, 40)
    expected, found = outputs(ours, x, unit=False), outputs(theirs.eval(), x, unit=True)
    assert expected.std() > 0.05
    # Only the first convolution pads with other values: its border spreads by the 18 further 3 x 3 convolutions.
    inside = (..., slice(4 * 19, -4 * 19), slice(4 * 19, -4 * 19))
    torch.testing.assert_close(found[inside], expected[inside], rtol=0, atol=1e-5)
    assert any("outermost pixels" in warning for warning in export.warnings)


@pytest.mark.parametrize(
    ("method", "options", "layout", "error", "message"),
    [
        (
            "srresnet",
            {"generator": {"uses": "srresnet", "blocks": 1, "filters": 4}},
            "auto",
            ContractError,
            "output: tanh",
        ),
        (
            "srresnet",
            {"generator": {"uses": "srresnet", "blocks": 1, "filters": 4, "output": "tanh", "tail": "direct"}},
            "auto",
            ContractError,
            "doublings",
        ),
        (
            "srresnet",
            {"generator": {"uses": "rrdb", "blocks": 1, "filters": 4}},
            "esgran",
            ConfigError,
            "mean 'esrgan'",
        ),
        (
            "srresnet",
            {"scale": 2, "generator": {"uses": "rrdb", "blocks": 1, "filters": 4}},
            "real-esrgan",
            ContractError,
            "Real-ESRGAN doubles the size twice, and this network enlarges 2 times",
        ),
        (
            "pix2pix",
            {"generator": {"uses": "unet", "levels": 5, "filters": 4, "norm": "none", "dropout": False}},
            "auto",
            ContractError,
            "without norms the convolutions of pytorch-CycleGAN-and-pix2pix have no bias, and 9 here do",
        ),
        ("colorization", {}, "auto", ContractError, "no other program|does more|do not|does not take"),
    ],
)
def test_what_has_no_layout_is_refused(
    method: str, options: Any, layout: str, error: Any, message: str, tmp_path: Path
) -> None:
    bundle_of(method, tmp_path / "bundle", **options)
    with pytest.raises(error, match=message):
        export_model(tmp_path / "bundle", Pth(PthConfig(layout=layout)), tmp_path / "net.pth")
    assert not (tmp_path / "net.pth").exists()


def test_the_commands(tmp_path: Path) -> None:
    net = lively(ResnetGenerator(blocks=9, filters_=2))
    other = lively(ResnetGenerator(blocks=9, filters_=2), seed=4)
    torch.save({"params": other.state_dict(), "params_ema": net.state_dict()}, tmp_path / "net.pth")
    run, bundle = CliRunner(), str(tmp_path / "bundle")
    with pytest.raises(ConfigError, match=r"make a model of .*: translate models import .*net\.pth models/NAME"):
        load(tmp_path / "net.pth")
    refused = run.invoke(main, ["models", "import", str(tmp_path / "net.pth"), bundle])
    assert refused.exit_code == 2 and "--network params_ema" in refused.output
    done = run.invoke(main, ["models", "import", str(tmp_path / "net.pth"), bundle, "--network", "params_ema"])
    assert done.exit_code == 0 and "channels of params_ema" in done.output.replace("\n", " ")
    back = tmp_path / "checkpoints" / "latest_net_G.pth"
    done = run.invoke(main, ["models", "export", bundle, str(back), "--format", "pth"])
    assert done.exit_code == 0, done.output
    assert "--netG resnet_9blocks --norm instance --ngf 2" in done.output.replace("\n", " ")
    state = content_of(back)
    assert all(torch.equal(state[name], value) for name, value in net.state_dict().items())
