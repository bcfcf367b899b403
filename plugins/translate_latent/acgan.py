"""ACGAN: Odena, Olah, Shlens, "Conditional Image Synthesis with Auxiliary Classifier GANs", ICML 2017, arXiv
1610.09585."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from translate import Build, Direction, DirectionCall, Draw, Nets, Objective, Step, Update
from translate_latent.base import LatentConfig
from translate_latent.conditional import GENERATE_CLASS, ClassMethod
from translate_latent.networks import Parts


class ACGANConfig(LatentConfig):
    """Knobs of ACGAN."""

    objective: Objective = Objective(uses="non-saturating")
    """The game about real and fake; the log losses in the paper."""


class ACGAN(ClassMethod[ACGANConfig]):
    """A critic D that also says the class: D maximises L_S + L_C, G maximises L_C - L_S (equations 2 and 3).

    L_S is the log likelihood of real and fake, L_C that of the class, of real images and of fakes. D's first value is
    its score, the others are logits of the classes. `classify` uses D as a classifier.
    """

    name = "acgan"
    players = {"D": ("D",), "G": ("G",)}
    losses = {"critic": 1.0, "class_real": 1.0, "class_fake": 1.0, "adversarial": 1.0, "class": 1.0}
    views = {"D": ("critic", "real", "fake"), "G": ("critic", "real", "fake", "output")}
    directions = {
        "generate": GENERATE_CLASS,
        "classify": Direction(nets=("D",), sides=("image",), target="class", output="class"),
    }

    def networks(self, build: Build) -> dict[str, nn.Module]:
        classes = self.classes
        return {"G": self.build_generator(build, classes), "D": self.build_critic(build, 1 + classes)}

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        real, label, objective = batch["image"], batch["class"], self.config.objective
        fake = nets.G(torch.cat((self.noise(real, step), self.hot(label)), 1))
        judge = Parts(nets.D)
        losses = {"critic": objective.critic(judge, real, fake, step)}
        of_real, of_fake = judge.calls[:2]
        losses["class_real"] = F.cross_entropy(of_real[:, 1:].float(), label)
        losses["class_fake"] = F.cross_entropy(of_fake[:, 1:].float(), label)
        views = {"critic": judge, "real": real}
        yield Update("D", losses, views | {"fake": fake.detach()})
        objective.constrain(nets.D)
        judge = Parts(nets.D)
        losses = {"adversarial": objective.generator(judge, fake, real, step)}
        losses["class"] = F.cross_entropy(judge.calls[-1][:, 1:].float(), label)
        yield Update("G", losses, views | {"critic": judge, "fake": fake, "output": fake})

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        if direction == "classify":
            logits: Tensor = nets.D(self.as_trained(inputs["image"]))[:, 1:]
            return logits
        return super().translate(nets, inputs, direction, draw)
