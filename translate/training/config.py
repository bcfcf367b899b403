"""The options of `train`: what a pipeline writes under `with:` of a train stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from translate.contracts import Config, MetricUse, TransformUse

Momentum = Annotated[float, Field(ge=0, lt=1)]


class OptimizerConfig(Config):
    """A torch optimizer. Options that the chosen one does not have are left unread."""

    uses: Literal["adam", "adamw", "rmsprop", "sgd"] = "adam"
    """The algorithm: `adam` (the default of GAN papers), `adamw`, `rmsprop` (WGAN), or `sgd`."""
    lr: PositiveFloat = 2e-4
    """Learning rate at the start; a schedule multiplies it. The default is that of DCGAN, pix2pix and CycleGAN."""
    betas: tuple[Momentum, Momentum] = (0.5, 0.999)
    """Decay rates of the two running averages of adam and adamw. GANs take 0.5 where torch has 0.9 (DCGAN)."""
    momentum: Momentum = 0.0
    """Momentum of sgd and rmsprop."""
    alpha: Momentum = 0.99
    """Decay rate of the running average of squared gradients of rmsprop."""
    eps: PositiveFloat = 1e-8
    """Added to the denominator of adam, adamw and rmsprop, so that nothing is divided by zero."""
    weight_decay: NonNegativeFloat = 0.0
    """Weight of the L2 penalty; of adamw, the share of a weight that each step takes off, times `lr`."""


class ScheduleConfig(Config):
    """The learning rate over time, as a factor of `lr`. Example: `{uses: linear-decay, start: 100}`."""

    uses: Literal["constant", "linear-decay", "cosine", "step"] = "constant"
    """Shape of the curve: `constant`; `linear-decay`, a line from 1 at `start` down to 0 at the end; `cosine`, half a
    cosine wave from 1 at `start` down to 0 at the end; `step`, times `gamma` after every `every`."""
    start: NonNegativeInt = 0
    """Where `linear-decay` and `cosine` begin, in `unit`; before it the factor is 1. CycleGAN: 100 of 200 epochs."""
    every: PositiveInt = 50
    """Length of a step of `step`, in `unit`."""
    gamma: PositiveFloat = 0.1
    """Factor of each step of `step`."""
    unit: Literal["epochs", "updates"] = "epochs"
    """Unit of `start` and `every`: `epochs`, or `updates`, the optimizer steps of the player. With `updates` the end is
    the number of training steps."""


class PlayerConfig(Config):
    """Options of one player that differ from those of all: `players: {D: {optimizer: {uses: adam, lr: 4e-4}}}`."""

    optimizer: OptimizerConfig | None = None
    """Optimizer of this player; `null` takes the one of all."""
    schedule: ScheduleConfig | None = None
    """Schedule of this player; `null` takes the one of all."""
    clip: PositiveFloat | None = None
    """Largest norm of this player's gradient; `null` takes the one of all."""


class ValidateConfig(Config):
    """Looks at fixed images during the training and at its end: scores, and a grid of sample pictures."""

    every: PositiveFloat = 1
    """Epochs between two validations; 0.5 is twice an epoch. The last step always validates."""
    metrics: tuple[MetricUse, ...] = ()
    """Metrics to score with, such as `[l1, swd]`; empty for pictures alone."""
    directions: tuple[str, ...] = ()
    """Directions of the method to score, such as `[a_to_b, b_to_a]`; empty for the first. Grids show every one."""
    split: str | None = None
    """Split to look at; `null` takes `val` where there is one, else `test`."""
    images: PositiveInt = 100
    """Images that are scored, from the beginning of the split."""
    samples: PositiveInt = 6
    """Images of the grid, from the beginning of the split."""


class KeepConfig(Config):
    """Checkpoints that stay on disk; older ones are deleted."""

    best: str | None = None
    """Metric whose best checkpoint stays and gives the bundle its weights, such as `swd`; where several directions are
    scored, a checkpoint counts as good as its worst direction. `null`: the bundle holds the last weights."""
    last: PositiveInt = 2
    """Newest checkpoints that stay. Two, so that a damaged one costs little."""


class CheckpointConfig(Config):
    """Times at which the whole state of the training is saved. Saving changes nothing in the result."""

    minutes: PositiveFloat = 5.0
    """Minutes between two checkpoints: what a kill may cost."""
    steps: PositiveInt | None = None
    """Steps between two checkpoints, beside `minutes`; `null` for none."""


class InitConfig(Config):
    """Weights to start from. Example: `init: runs/faces/train`, or `{bundle: PATH, networks: {G_ab: net}}`."""

    bundle: Path | None = None
    """Folder of a trained model whose weights are taken; `null` takes the stage that `needs: {init: STAGE}` names, if
    there is one."""
    networks: dict[str, str] = {}
    """Networks of this method and those of the bundle that they start from: `{G_ab: net}`. Empty: those that both have;
    where there are none, the bundle's only network goes to the only one that this method's directions use."""

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        return {"bundle": value} if isinstance(value, str) else value


class ExtraLoss(Config):
    """A registered loss term that is added to a player's loss.

    Example: `{uses: total-variation, weight: 1e-4, player: G, on: {output: output}}`.
    """

    uses: str
    """Name of the loss term, such as `total-variation` or `acme/edge-loss`."""
    options: dict[str, Any] = {}
    """Options of the loss term."""
    weight: Annotated[float, Field(allow_inf_nan=False)] = 1.0
    """Factor of the term in the player's loss."""
    player: str
    """Player whose loss it is added to, such as `G`."""
    on: dict[str, str]
    """Arguments of the term and the views of the method that they read: `{output: fake_b, target: real_b}`."""


class TrainConfig(Config):
    """Options of the `train` stage."""

    method: str
    """Method to train: `pix2pix`, `cyclegan`, or `PLUGIN/NAME`; `translate methods` lists them."""
    options: dict[str, Any] = {}
    """Options of the method, which `translate methods NAME` lists: `{generator: resnet_9, objective: lsgan}`."""
    init: InitConfig = InitConfig()
    """Weights to start from: the folder of a trained model, or a mapping."""
    losses: dict[str, float] = {}
    """Weights of the method's losses that differ from its defaults: `{cycle: 10, identity: 5}`. With 0 a loss counts
    nothing, and the method may leave out what only it needs."""
    extra_losses: tuple[ExtraLoss, ...] = ()
    """Loss terms that are added to the method's own, in a list."""
    augment: tuple[TransformUse, ...] = ()
    """Transforms of each training image, drawn anew in each epoch: `[{uses: random-crop, size: 256}]`."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """Optimizer of all players."""
    schedule: ScheduleConfig = ScheduleConfig()
    """Learning rate over time, of all players."""
    players: dict[str, PlayerConfig] = {}
    """Options of single players by name, where they differ: `{D: {optimizer: {uses: adam, lr: 4e-4}}}`."""
    epochs: PositiveInt = 100
    """Passes over the training images."""
    max_steps: PositiveInt | None = None
    """Step at which the training ends even if epochs are left; schedules still run over all `epochs`. `null`: none."""
    batch_size: PositiveInt = 1
    """Images of each side in a step. 1 is the choice of pix2pix and CycleGAN."""
    accumulate: PositiveInt = 1
    """Batches whose gradients are averaged before an optimizer step: a larger batch in the memory of a small one. Equal
    to it for networks without batch norm."""
    clip: PositiveFloat | None = None
    """Largest norm of a player's gradient; longer ones are scaled down to it. `null`: no limit."""
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay of the running average of the generators' weights, such as 0.999; validation, samples and the bundle then
    use the average. `null`: none."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Number format of the networks' calculations: `fp32`; `bf16`, half the bits (losses and weights stay in fp32);
    `auto` takes bf16 where the hardware multiplies it."""
    fast: Literal["auto", "off"] = "auto"
    """Ways to compute the same faster: `auto` takes those that suit the device; `off` is the plain path, bit-equal to a
    training loop written by hand."""
    validation: ValidateConfig = Field(default=ValidateConfig(), alias="validate")
    """Scores and sample pictures during the training."""
    keep: KeepConfig = KeepConfig()
    """Checkpoints that stay on disk, and the one that becomes the bundle."""
    checkpoint: CheckpointConfig = CheckpointConfig()
    """Times of saving."""
    log_every: PositiveInt = 20
    """Steps between two points of the curves. Numbers are fetched from the device only then."""
    workers: NonNegativeInt | Literal["auto"] = "auto"
    """Processes that decode and augment images ahead of the training: a number (0: the training's own process), or
    `auto`, which goes by the cores. It changes speed alone."""
