"""Files of weights that their publishers offer: taken from a path, or downloaded once and checked by their digest."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

import torch

from translate.errors import ConfigError, DataError

PATIENCE = 30.0
"""Seconds without a byte after which a download counts as failed."""


@dataclass(frozen=True)
class Published:
    """A file of weights.

    `address` is where its publisher offers it, `sha256` its digest or the first digits of it, as the file's name has
    them, and `size` says in words how large it is. `instead` is what an error tells to do without it.
    """

    address: str
    sha256: str
    size: str
    instead: str
    option: str = "weights"
    """The option that names a file of one's own."""

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.address.rpartition("/")[2]

    @property
    def kept(self) -> Path:
        """The place where a download stays, which is torch's own: `TORCH_HOME` moves it."""
        return Path(torch.hub.get_dir(), "checkpoints", self.name)

    def problem(self, given: Path | None) -> str | None:
        """What is wrong with the file before anything is computed; None where it is there or will be downloaded."""
        if given is None or given.is_file():
            return None
        return f"{given}: there is no such file; it should be {self.name}, from {self.address}"

    def path(self, given: Path | None) -> Path:
        """The file: the `given` one, or the published one, downloaded at the first use.

        Errors: ConfigError where the given one is missing, DataError where a download fails or is another file.
        """
        if problem := self.problem(given):
            raise ConfigError(problem)
        if given is not None:
            return given
        if not self.kept.is_file():
            self.kept.parent.mkdir(parents=True, exist_ok=True)
            usual = socket.getdefaulttimeout()
            socket.setdefaulttimeout(PATIENCE)
            try:
                torch.hub.download_url_to_file(self.address, str(self.kept), hash_prefix=self.sha256, progress=False)
            except (OSError, RuntimeError) as error:
                raise DataError(
                    f"{self.address} ({self.size}): {error}; get the file by other means and name it as "
                    f"`{self.option}`, or {self.instead}"
                ) from None
            finally:
                socket.setdefaulttimeout(usual)
        return self.kept


INCEPTION = Published(
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    "6726825d",
    "91 MB",
    "take a metric whose name ends in `-random`, which needs no weights",
)
VGG16 = Published(
    "https://download.pytorch.org/models/vgg16-397923af.pth", "397923af", "528 MB", "use `ms-ssim`, which needs none"
)
VGG19 = Published(
    "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
    "dcbb9e9d",
    "548 MB",
    "compare with `random-features`",
)
ALEXNET = Published(
    "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    "7be5be79",
    "233 MB",
    "use `ms-ssim`, which needs none",
)
LPIPS_ALEX = Published(
    "https://github.com/chaofengc/IQA-PyTorch/releases/download/v0.1-weights/LPIPS_v0.1_alex-df73285e.pth",
    "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
    "6 kB",
    "use `ms-ssim`, which needs none",
    "heads",
)
LPIPS_VGG = Published(
    "https://github.com/chaofengc/IQA-PyTorch/releases/download/v0.1-weights/LPIPS_v0.1_vgg-a78928a0.pth",
    "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
    "7 kB",
    "use `ms-ssim`, which needs none",
    "heads",
)
DISTS = Published(
    "https://github.com/chaofengc/IQA-PyTorch/releases/download/v0.1-weights/DISTS_weights-f5e65c96.pth",
    "f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218",
    "12 kB",
    "use `ms-ssim`, which needs none",
    "heads",
)
