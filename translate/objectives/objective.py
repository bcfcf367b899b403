"""The one knob of every adversarial method: which game the two players play."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, model_serializer, model_validator
from pydantic_core import PydanticCustomError
from torch import Tensor, nn

from translate.contracts import Config, Step
from translate.errors import ContractError
from translate.objectives.forms import FORMS, LossOptions
from translate.objectives.penalties import Critic, gradient_penalty, margin, precise, zero_centred_penalty

Name = Literal[
    "minimax",
    "non-saturating",
    "maximum-likelihood",
    "lsgan",
    "hinge",
    "wgan",
    "wgan-gp",
    "loss-sensitive",
    "relativistic",
    "relativistic-average",
]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

_KNOWN_AS = {
    "vanilla": "non-saturating",
    "gan": "non-saturating",
    "rsgan": "relativistic",
    "ragan": "relativistic-average",
}
_COMMON = {"uses", "r1", "r2", "lazy", "noise", "noise_steps"}


class Objective(Config):
    """An adversarial objective: `objective: lsgan`, or `objective: {uses: wgan-gp, penalty: 10}`.

    `D` is any function from images, N x C x H x W in [-1, 1], to raw scores of any shape that starts with N: a network,
    or a closure that joins the image with a condition. An option that the objective does not read is refused.
    """

    uses: Name = "lsgan"
    """The losses of both players. `minimax`, `non-saturating`, `maximum-likelihood`: log losses (Goodfellow et al.
    2014), which differ in the generator's; `lsgan`: squares (Mao et al. 2017); `hinge` (Lim and Ye 2017); `wgan`:
    Wasserstein with clipped weights (Arjovsky et al. 2017); `wgan-gp`: with a gradient penalty (Gulrajani et al. 2017);
    `loss-sensitive` (Qi 2017); `relativistic`, `relativistic-average` (Jolicoeur-Martineau 2018)."""
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The target of real scores is 1 - smoothing, so that the critic is less sure (log losses and lsgan); that of fakes
    and of the generator stays. 0.1 is usual."""
    clamp: Positive = 10.0
    """The largest score of a fake that counts (maximum-likelihood): above it, a few fakes would be the whole loss."""
    clip: Positive = 0.01
    """The bound of every weight of the critic, plus and minus (wgan; 0.01 in the paper)."""
    penalty: Weight = 10.0
    """The weight of the one-centred gradient penalty between real and fake images (wgan-gp; 10 in the paper)."""
    slack: Weight = 1.0
    """The weight of the margin term (loss-sensitive)."""
    r1: Weight = 0.0
    """The weight g of g/2 E |slope of D|^2 at real images (Mescheder et al. 2018; 10 in their paper); 0: none."""
    r2: Weight = 0.0
    """The weight g of g/2 E |slope of D|^2 at fake images; 0: none."""
    lazy: Annotated[int, Field(ge=1)] = 1
    """The penalties `r1` and `r2` are computed every so many steps, then so many times as strong (16 in StyleGAN 2)."""
    noise: Weight = 0.0
    """The standard deviation, in values from -1 to 1, of fresh noise on all images that D sees; with `noise_steps`."""
    noise_steps: Annotated[int, Field(ge=0)] = 0
    """The steps over which the noise falls linearly to 0."""

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        value = {"uses": value} if isinstance(value, str) else value
        name = value.get("uses") if isinstance(value, dict) else None
        if isinstance(name, str) and name not in FORMS:
            near = [_KNOWN_AS.get(name.lower(), ""), *difflib.get_close_matches(name.lower(), FORMS, 1)]
            hint = next((f"; did you mean {n!r}?" for n in near if n), "")
            raise _error(f"no objective {name!r}{hint} (there are {', '.join(FORMS)})")
        return value

    @model_validator(mode="after")
    def _only_what_it_reads(self) -> Objective:
        for option in sorted(self.model_fields_set - _COMMON - {*FORMS[self.uses].options}):
            readers = " and ".join(name for name, form in FORMS.items() if option in form.options)
            raise _error(f"{self.uses} has no {option!r}: it is an option of {readers}")
        if self.lazy > 1 and not (self.r1 or self.r2):
            raise _error("'lazy' spaces out the penalties 'r1' and 'r2': set one of them")
        if bool(self.noise) != bool(self.noise_steps):
            raise _error("'noise' and 'noise_steps' belong together: how much noise, and over how many steps it fades")
        return self

    @model_serializer
    def _to_yaml(self) -> dict[str, Any]:
        read = _COMMON | {*FORMS[self.uses].options}
        return {name: getattr(self, name) for name in type(self).model_fields if name in read}

    def critic(self, D: Critic, real: Tensor, fake: Tensor, step: Step) -> Tensor:
        """Returns the loss that the critic's side minimises, penalties included; a scalar, float32.

        `real` and `fake` are images, N x C x H x W in [-1, 1]; `fake` is detached here. D is called on the real images
        first, then on the fakes, in two batches. Errors: ContractError where the objective compares images one to
        one and their shapes differ.
        """
        form = FORMS[self.uses]
        fake = fake.detach()
        if form.paired and real.shape != fake.shape:
            raise ContractError(
                f"{self.uses} compares real and fake images one to one: "
                f"there are {tuple(real.shape)} real and {tuple(fake.shape)} fake ones"
            )
        x, y = self._noisy(real, step), self._noisy(fake, step)
        a, b = precise(D(x)), precise(D(y))
        loss = form.critic(a, b, self._loss_options)
        if self.uses == "wgan-gp" and self.penalty:
            loss = loss + self.penalty * gradient_penalty(D, x, y, step.rng)
        if self.uses == "loss-sensitive" and self.slack:
            loss = loss + self.slack * margin(a, b, real, fake)
        if step.index % self.lazy == 0:
            for weight, images in ((self.r1, x), (self.r2, y)):
                if weight:
                    loss = loss + self.lazy * weight * zero_centred_penalty(D, images)
        return loss

    def generator(self, D: Critic, fake: Tensor, real: Tensor, step: Step) -> Tensor:
        """Returns the loss that the generator's side minimises; a scalar, float32.

        The arguments are those of `critic`, but gradients flow through `fake`. Relativistic objectives alone look at
        `real`. Errors: ContractError where they compare scores one to one and their shapes differ.
        """
        form = FORMS[self.uses]
        # Not under no_grad, whose casts of D's weights autocast would keep for the fakes; the graph goes with detach().
        a = precise(D(self._noisy(real, step))).detach() if form.relative else real
        b = precise(D(self._noisy(fake, step)))
        if form.relative and form.paired and a.shape != b.shape:
            raise ContractError(f"{self.uses} compares scores one to one: {tuple(a.shape)} real, {tuple(b.shape)} fake")
        return form.generator(a, b, self._loss_options)

    def constrain(self, *critics: nn.Module) -> None:
        """After a critic's update: wgan clips its parameters, all of them, to [-clip, clip]; the others do nothing."""
        if self.uses == "wgan":
            with torch.no_grad():
                for critic in critics:
                    for parameter in critic.parameters():
                        parameter.clamp_(-self.clip, self.clip)

    @property
    def _loss_options(self) -> LossOptions:
        return LossOptions(self.smoothing, self.clamp)

    def _noisy(self, images: Tensor, step: Step) -> Tensor:
        """Fresh noise at every call (Sonderby et al. 2016; Arjovsky and Bottou 2017)."""
        if step.index >= self.noise_steps:
            return images
        sigma = self.noise * (1 - step.index / self.noise_steps)
        draw = torch.randn(images.shape, generator=step.rng, device=images.device, dtype=images.dtype)
        return images + sigma * draw


def _error(message: str) -> PydanticCustomError:
    """Unlike a ValueError, whose message pydantic prefixes."""
    return PydanticCustomError("objective", message)
