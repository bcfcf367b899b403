"""Networks of other programs: their checkpoints in whatever wrapping, and what is no checkpoint called by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kinds.images import Array, read, save, waves
from kinds.lab import Lab, case

CHECKPOINTS = "checkpoints.py"
State = dict[str, Tensor]


def reflected(x: Tensor, n: int) -> Tensor:
    return F.pad(x, (n, n, n, n), mode="reflect")


def normed(x: Tensor) -> Tensor:
    return F.relu(F.instance_norm(x))


def blocks(s: State, x: Tensor, numbers: range) -> Tensor:
    """The residual blocks of the ResNet generator (Zhu et al., appendix 7.2)."""
    for number in numbers:
        y = x
        for at, last in ((1, False), (5, True)):
            key = f"model.{number}.conv_block.{at}"
            y = F.instance_norm(F.conv2d(reflected(y, 1), s[f"{key}.weight"], s[f"{key}.bias"]))
            y = y if last else F.relu(y)
        x = x + y
    return x


def cyclegan(s: State, x: Tensor) -> Tensor:
    """CycleGAN's ResNet of six blocks, layer by layer, from its published list."""
    x = normed(F.conv2d(reflected(x, 3), s["model.1.weight"], s["model.1.bias"]))
    for n in (4, 7):
        x = normed(F.conv2d(x, s[f"model.{n}.weight"], s[f"model.{n}.bias"], stride=2, padding=1))
    x = blocks(s, x, range(10, 16))
    for n in (16, 19):
        weight, bias = s[f"model.{n}.weight"], s[f"model.{n}.bias"]
        x = normed(F.conv_transpose2d(x, weight, bias, stride=2, padding=1, output_padding=1))
    return torch.tanh(F.conv2d(reflected(x, 3), s["model.23.weight"], s["model.23.bias"]))


def cut(s: State, x: Tensor) -> Tensor:
    """CUT's generator: convolutions of stride 1, blurred behind (Zhang, "Making Convolutional Networks
    Shift-Invariant")."""
    x = normed(F.conv2d(reflected(x, 3), s["model.1.weight"], s["model.1.bias"]))
    for n in (4, 8):
        x = normed(F.conv2d(x, s[f"model.{n}.weight"], s[f"model.{n}.bias"], padding=1))
        kernel = s[f"model.{n + 3}.filt"]
        x = F.conv2d(reflected(x, 1), kernel, stride=2, groups=kernel.shape[0])
    x = blocks(s, x, range(12, 21))
    for n in (21, 25):
        kernel = s[f"model.{n}.filt"]
        x = F.pad(x, (1, 1, 1, 1), mode="replicate")
        x = F.conv_transpose2d(x, kernel, stride=2, padding=2, groups=kernel.shape[0])[..., 1:-1, 1:-1]
        x = normed(F.conv2d(x, s[f"model.{n + 1}.weight"], s[f"model.{n + 1}.bias"], padding=1))
    return torch.tanh(F.conv2d(reflected(x, 3), s["model.30.weight"], s["model.30.bias"]))


def wanted(net: Any, state: State, image: Array) -> Array:
    """What a network makes of an image, by torch alone, as real numbers of 8 bits."""
    x = torch.from_numpy(image / np.float32(127.5) - 1).float().permute(2, 0, 1)[None]
    with torch.no_grad():
        y = net({key: value.float() for key, value in state.items()}, x)[0].permute(1, 2, 0)
    return np.asarray((y.numpy() + 1) * 127.5)


def tensors(path: Path) -> State:
    """The tensors of a file that was written here, as torch reads it."""
    state: State = torch.load(path, weights_only=True)  # noqa: TID251
    return state


def imported(lab: Lab, path: Path, values: Array | None, *options: str, step: float = 1) -> None:
    """Notes that a checkpoint is imported, and that its outputs are those of torch."""
    bundle = lab.folder / "bundles" / path.name
    done = lab.translate("models", "import", path, bundle, *options)
    lab.check(f"import of {path.name}", 0, done.code if done.code == 0 else f"{done.code}: {done.last}", done.code == 0)
    if done.code or values is None:
        return
    output = lab.folder / "outputs" / path.name / "a.png"
    image = save(lab.folder / "a.png", waves(64, 64))
    done = lab.translate("convert", image, output, "--model", bundle, "--precision", "fp32")
    if done.code:
        lab.check(f"{path.name} converts", 0, f"{done.code}: {done.last}", False)
    else:
        lab.near(path.name, values, read(output), step)


@case(script=CHECKPOINTS)
def checkpoints(lab: Lab) -> None:
    """Every wrapping of one generator is imported, with torch's own outputs; what is no checkpoint is called by its
    name."""
    root = lab.script(CHECKPOINTS)
    state = tensors(root / "plain_net_G.pth")
    values = wanted(cyclegan, state, waves(64, 64))
    whole = ("plain_net_G.pth", "latest_net_G.safetensors", "scripted.pt", "nested_netG.pth", "bf16.pth")
    for name in whole:
        rough = name == "bf16.pth"
        imported(lab, root / name, values, step=8 if rough else 1)
    others = (
        "module.pth",
        "half.pth",
        "state_dict.pth",
        "model_state_dict.tar",
        "bare_sequential.pth",
        "netG_prefix.pth",
    )
    for name in (*others, "legacy.pth"):
        imported(lab, root / name, None)
    imported(lab, root / "params_ema.pth", values, "--network", "params_ema")
    imported(lab, root / "two_generators.pth", values, "--network", "G_A")
    imported(lab, root / "cut_latest_net_G.pth", wanted(cut, tensors(root / "cut_latest_net_G.pth"), waves(64, 64)))
    none = lab.folder / "none"
    lab.refused(lab.translate("models", "import", root / "two_generators.pth", none), "G_A", "G_B", "--network")
    lab.refused(lab.translate("models", "import", root / "latest_net_G.pth.crdownload", none), "download")
    lab.refused(lab.translate("models", "import", root / "page.pth", none), "web page")
    lab.refused(lab.translate("models", "import", root / "lfs.pth", none), "lfs")
    lab.refused(lab.translate("models", "import", root / "whole_module.pth", none))
    lab.refused(lab.translate("models", "import", root / "RealESRGAN_x4plus.pth", none))


def small_generator() -> State:
    """The tensors of a CycleGAN generator of 6 blocks and 4 filters."""
    torch.manual_seed(3)
    state: State = {}

    def conv(name: str, out: int, into: int, k: int) -> None:
        state[f"{name}.weight"], state[f"{name}.bias"] = torch.randn(out, into, k, k) * 0.1, torch.randn(out) * 0.1

    conv("model.1", 4, 3, 7)
    conv("model.4", 8, 4, 3)
    conv("model.7", 16, 8, 3)
    for n in range(10, 16):
        conv(f"model.{n}.conv_block.1", 16, 16, 3)
        conv(f"model.{n}.conv_block.5", 16, 16, 3)
    for n, out, into in ((16, 8, 16), (19, 4, 8)):
        state[f"model.{n}.weight"], state[f"model.{n}.bias"] = torch.randn(into, out, 3, 3) * 0.1, torch.zeros(out)
    conv("model.23", 3, 4, 7)
    return state


@case(of=CHECKPOINTS)
def lightning(lab: Lab) -> None:
    """A Lightning .ckpt with hyper-parameters, callbacks, and the generator below `generator.` beside a
    discriminator."""
    state = small_generator()
    both = {f"generator.{key}": value for key, value in state.items()}
    both |= {"discriminator.model.0.weight": torch.zeros(4, 3, 4, 4), "discriminator.model.0.bias": torch.zeros(4)}
    content = {
        "state_dict": both,
        "hyper_parameters": {"lr": 1e-4},
        "callbacks": {},
        "pytorch-lightning_version": "2.1.0",
    }
    torch.save(content, lab.folder / "last.ckpt")
    imported(lab, lab.folder / "last.ckpt", wanted(cyclegan, state, waves(64, 64)))


@case(of=CHECKPOINTS)
def compiled(lab: Lab) -> None:
    """The prefix `_orig_mod.` of a compiled module, behind `module.`, is passed over."""
    state = small_generator()
    torch.save({f"module._orig_mod.{key}": value for key, value in state.items()}, lab.folder / "g.pth")
    imported(lab, lab.folder / "g.pth", wanted(cyclegan, state, waves(64, 64)))


@case(of=CHECKPOINTS)
def wrapped_twice(lab: Lab) -> None:
    """A checkpoint within a checkpoint (`model` of `state`), with tensors of other dtypes beside it, is found."""
    state = small_generator()
    content = {"epoch": torch.tensor(3), "state": {"model": {"G": state}, "steps": 7}, "args": {"lr": 0.1}}
    torch.save(content, lab.folder / "g.pt")
    imported(lab, lab.folder / "g.pt", wanted(cyclegan, state, waves(64, 64)))


@case(of=CHECKPOINTS)
def parameters_of_a_module(lab: Lab) -> None:
    """nn.Parameter instead of tensors, and a generator that is frozen in half precision, are read."""
    state: Any = {key: nn.Parameter(value.half().float()) for key, value in small_generator().items()}
    torch.save(state, lab.folder / "g.pth")
    plain = {key: value.detach() for key, value in state.items()}
    imported(lab, lab.folder / "g.pth", wanted(cyclegan, plain, waves(64, 64)))


@case(of=CHECKPOINTS)
def no_checkpoint(lab: Lab) -> None:
    """An empty file, a picture, a zip, a JSON, a folder, a missing file, an optimizer's state: each is called what it
    is."""
    (lab.folder / "empty.pth").write_bytes(b"")
    (lab.folder / "config.json").write_text('{"a": 1}')
    save(lab.folder / "picture.png", waves(16, 16)).rename(lab.folder / "picture.pth")
    optimizer = {"optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 1e-4}]}}
    torch.save(optimizer, lab.folder / "opt.pth")
    torch.save({"discriminator": {"model.0.weight": torch.zeros(4, 6, 4, 4)}}, lab.folder / "d.pth")
    torch.save([1, 2, "three"], lab.folder / "list.pth")
    for name in ("empty.pth", "config.json", "picture.pth", "opt.pth", "d.pth", "list.pth", "none.pth", "."):
        done = lab.translate("models", "import", name, "out")
        lab.refused(done, name if name != "." else "folder")
        lab.check(f"bundle of {name}", False, (lab.folder / "out").exists())


@case(of=CHECKPOINTS)
def cut_off(lab: Lab) -> None:
    """Half a .pth and half a .safetensors are called cut off, or half a download."""
    state = small_generator()
    torch.save(state, lab.folder / "a.pth")
    from safetensors.torch import save_file

    save_file(state, lab.folder / "b.safetensors")
    for name in ("a.pth", "b.safetensors"):
        path = lab.folder / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        done = lab.translate("models", "import", name, "out")
        lab.refused(done, name)
        words = ("cut off", "download", "incomplete", "truncated", "whole")
        lab.check(f"{name} is half", "said", done.last, any(word in done.text.lower() for word in words))


@case(of=CHECKPOINTS)
def way_back(lab: Lab) -> None:
    """`models export --format pth` writes the reference's names and values back."""
    state = small_generator()
    torch.save(state, lab.folder / "g.pth")
    lab.works(lab.translate("models", "import", "g.pth", "bundle"))
    done = lab.translate("models", "export", "bundle", "back.pth", "--format", "pth")
    lab.works(done)
    path = lab.folder / "back.pth"
    if path.is_dir():
        path = next(iter(sorted(path.rglob("*.pth"))), path / "none")
    back = tensors(path)
    lab.check("names", sorted(state), sorted(back))
    lab.check("values", True, all(torch.equal(back[key], value) for key, value in state.items()))


@case(of=CHECKPOINTS)
def tensors_that_are_no_numbers(lab: Lab) -> None:
    """A checkpoint whose tensors are NaN (a training that has diverged) is refused or warned of, not converted to
    black."""
    state = {key: torch.full_like(value, float("nan")) for key, value in small_generator().items()}
    torch.save(state, lab.folder / "g.pth")
    done = lab.translate("models", "import", "g.pth", "out")
    lab.orderly(done)
    words = done.text.lower()
    lab.check("said", "NaN or not finite", done.last, "nan" in words or "finite" in words or "no number" in words)
