"""Makes weights of images of your own: `python -m translate_my_plugin.train FOLDER FILE`.

The network learns to tell what was done to a crop: nothing, a blur, noise, or faded colours. So its features see such
faults, and need no labels.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from translate import DataError, sheet

from translate_my_plugin import Features

STEPS, BATCH, SIDE = 2000, 16, 32


def train(folder: Path, file: Path, steps: int = STEPS, seed: int = 0) -> float:
    """Writes the weights, and returns the share of right answers in the last tenth of the steps."""
    images = [tensor(path) for path in sorted(folder.rglob("*")) if path.suffix in (".png", ".jpg")]
    if not images or min(min(image.shape[1:]) for image in images) < SIDE:
        raise DataError(f"{folder}: needs PNG or JPEG images of at least {SIDE} pixels a side")
    torch.manual_seed(seed)
    net, head = Features(), nn.Linear(16, 4)
    optimizer = torch.optim.Adam([*net.parameters(), *head.parameters()], lr=3e-3)
    right: list[float] = []
    for _ in range(steps):
        crops = torch.stack([crop(images[int(torch.randint(len(images), ()))]) for _ in range(BATCH)])
        batch = torch.cat([crops, *faults(crops)])
        kinds = torch.arange(4).repeat_interleave(BATCH)
        answers = head(net(batch).mean((2, 3)))
        optimizer.zero_grad()
        F.cross_entropy(answers, kinds).backward()
        optimizer.step()
        right.append((answers.argmax(1) == kinds).float().mean().item())
    save_file(net.state_dict(), file)
    last = right[-max(1, steps // 10) :]
    return sum(last) / len(last)


def tensor(path: Path) -> Tensor:
    """An image file as 3 x H x W in [0, 1]."""
    return torch.from_numpy(sheet([path]).pixels).movedim(2, 0) / 255


def crop(image: Tensor) -> Tensor:
    """A random square of an image."""
    top, left = (int(torch.randint(length - SIDE + 1, ())) for length in image.shape[1:])
    return image[:, top : top + SIDE, left : left + SIDE]


def faults(crops: Tensor) -> list[Tensor]:
    """The crops blurred, with noise, and with faded colours, as bad translations are."""
    blurred = F.avg_pool2d(crops, 3, stride=1, padding=1, count_include_pad=False)
    noisy = (crops + 0.1 * torch.randn_like(crops)).clamp(0, 1)
    return [blurred, noisy, crops.lerp(crops.mean(1, keepdim=True), 0.5)]


if __name__ == "__main__":
    share = train(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"{sys.argv[2]}: {share:.0%} of the answers were right in the end, 25% by chance")
