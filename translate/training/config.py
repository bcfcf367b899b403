"""The options of `train`: what a pipeline writes under `with:` of a train stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from translate.contracts import Config, DeviceTransformUse, MetricUse, OptimizerUse, ScheduleUse, TransformUse


class Steps(Config):
    """A number of steps where a plain number would be epochs: `validate: {every: {steps: 500}}`."""

    steps: PositiveInt
    """Optimizer steps of the training."""


Every = PositiveFloat | Steps


class PlayerConfig(Config):
    """Options of one player that differ from those of all: `players: {D: {optimizer: {uses: adam, lr: 4e-4}}}`."""

    optimizer: OptimizerUse | None = None
    """Optimizer of this player; `null` takes the one of all."""
    schedule: ScheduleUse | None = None
    """Schedule of this player; `null` takes the one of all."""
    clip: PositiveFloat | None = None
    """Largest norm of this player's gradient; `null` takes the one of all."""


class ValidateConfig(Config):
    """Looks at fixed images during the training and at its end: scores, and a grid of sample pictures."""

    every: Every = 1
    """Epochs between two validations; 0.5 is twice an epoch, and `{steps: 500}` counts steps. The last step always
    validates."""
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

    best: str | tuple[str, ...] | None = None
    """Metric whose best checkpoint stays and gives the bundle its weights, such as `swd`; where several directions are
    scored, a checkpoint counts as good as its worst direction. Of a list the best checkpoint of each stays, and the
    first gives the weights. `null`: the bundle holds the last weights."""
    last: PositiveInt = 2
    """Newest checkpoints that stay. Two, so that a damaged one costs little."""
    every: Every | None = None
    """Epochs between two checkpoints that stay for good, or `{steps: 10000}`; `null` for none."""
    critics: bool = False
    """Whether the model also holds the networks that only the training needs, such as critics, in a file of their own,
    from which another training can start (`init`)."""

    def metrics(self) -> tuple[str, ...]:
        """The metrics whose best checkpoints stay."""
        if self.best is None:
            return ()
        return (self.best,) if isinstance(self.best, str) else self.best


class StopConfig(Config):
    """Ends a training early: `stop: {metric: swd, patience: 10}`."""

    metric: str
    """Metric of `validate.metrics` that is watched; where several directions are scored, that of the worst one."""
    patience: PositiveInt = 10
    """Validations without an improvement after which the training ends."""
    least: NonNegativeFloat = 0.0
    """Smallest improvement that counts, in the units of the metric."""


class EmaConfig(Config):
    """A running average of weights that begins quickly: `ema: {decay: 0.999, warmup: true}`."""

    decay: Annotated[float, Field(gt=0, lt=1)]
    """Share of the average that each update leaves."""
    warmup: bool = True
    """Whether the decay is smaller in the beginning, (1 + n) / (10 + n) after n updates, so that the first weights are
    soon forgotten."""


class CheckpointConfig(Config):
    """Times at which the whole state of the training is saved. Saving changes nothing in the result."""

    minutes: PositiveFloat = 5.0
    """Minutes between two checkpoints: what a kill may cost."""
    steps: PositiveInt | None = None
    """Steps between two checkpoints, beside `minutes`; `null` for none."""


class InitConfig(Config):
    """Weights to start from. Example: `init: runs/faces/train`, or `{bundle: PATH, networks: {G_ab: net}}`."""

    bundle: Path | None = None
    """Folder of a trained model whose weights are taken, of an interrupted training, `runs/NAME/train-1234.partial`,
    whose last checkpoint is taken, or of one checkpoint, `runs/NAME/train/checkpoints/000005000`; `null` takes the
    stage that `needs: {init: STAGE}` names, if there is one."""
    networks: dict[str, str] = {}
    """Networks of this method, critics too, and those of the bundle that they start from: `{G_ab: net, D_a: disc}`.
    Empty: those of directions that both have; where there are none, the bundle's only network goes to the only one that
    this method's directions use."""
    critics: bool = False
    """Whether networks that only the training needs, such as critics, start from there as well, where both have them.
    A model has them by `keep: {critics: true}`, or where the checkpoint of its step lies beside it."""

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        return {"bundle": value} if isinstance(value, str) else value


class AdaptConfig(Config):
    """Moves the share of changed images by how sure critics are (Karras et al. 2020): `adapt: {target: 0.6}`."""

    target: Annotated[float, Field(gt=-1, lt=1)] = 0.6
    """Mean sign of the scores of real images that is aimed at: 1 is a critic that is sure of each one, 0 one that
    guesses. Above it the share rises, below it the share falls."""
    images: PositiveInt = 500_000
    """Training images over which the share moves by 1 at most; fewer for a short training."""
    every: PositiveInt = 4
    """Steps between two moves."""


class CriticAugmentConfig(Config):
    """Random differentiable changes of all images that critics see, for few training images (Zhao et al. 2020):
    `critic_augment: {policy: [colour, translation, cutout]}`."""

    policy: tuple[Literal["colour", "translation", "cutout"], ...] = ("colour", "translation", "cutout")
    """Changes that are made: `colour` (brightness, saturation, contrast), `translation` by up to an eighth of the
    sides, `cutout` of a rectangle of half the sides."""
    transforms: tuple[DeviceTransformUse, ...] = ()
    """Augmentations of kornia that are made after those of `policy`, each in a share `p` of the images as well:
    `[{uses: kornia/RandomAffine, degrees: 10}]`. They have to be differentiable, and to keep the size."""
    p: Annotated[float, Field(ge=0, le=1)] | None = None
    """Share of the images in which each change is made; `null` is 1, and 0 at the start where it adapts."""
    adapt: AdaptConfig | None = None
    """Moves the share during the training: `{}` for the paper's numbers; `null`: it stays."""

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.policy and not self.transforms:
            raise ValueError("`policy` and `transforms` are empty: nothing would be changed; `null` is no augmentation")
        return self

    def acts(self) -> bool:
        """Whether any image may be changed."""
        return self.adapt is not None or self.p != 0

    def share(self) -> float:
        """The share at the start."""
        if self.p is not None:
            return self.p
        return 1.0 if self.adapt is None else 0.0


class FastConfig(Config):
    """A way to compute steps that is fixed, without a trial: `fast: {layers: quick, memory_format: channels_last}`."""

    memory_format: Literal["contiguous", "channels_last"] | None = None
    """Order of weights and images in memory: `contiguous`, or `channels_last`, which tensor cores and AMX want; `null`
    takes `channels_last` for bf16 on a GPU."""
    merge: bool = True
    """Whether two calls of a network are joined into one where each image counts by itself."""
    layers: Literal["plain", "quick"] = "plain"
    """Layers of a processor: `plain` are torch's own, `quick` compute the same with fewer passes over memory."""
    fused: bool = True
    """Whether an optimizer updates all weights in one call, where it can."""
    threads: PositiveInt | None = None
    """Threads of a processor; `null` for as many as torch takes."""
    step: Literal["eager", "graph", "compile"] = "eager"
    """The way in which a device gets its work: `eager` queues it as it comes, `graph` records a whole step once and
    replays it (CUDA), `compile` lets `torch.compile` make kernels of each network. What cannot be recorded or compiled
    is computed as it comes, and the training says so."""
    tf32: bool | None = None
    """Whether CUDA computes products of float32 with shorter numbers (TensorFloat-32, from Ampere on); `null`: unless
    `precision` is `fp32`."""


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
    every: PositiveInt = 1
    """Updates of the player from one computation of the term to the next; it then counts so many times as much (lazy
    regularisation, Karras et al. 2020: 16 for a gradient penalty)."""
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
    device_augment: tuple[DeviceTransformUse, ...] = ()
    """Transforms of each batch on the device, after `augment`, drawn anew in each step:
    `[{uses: kornia/RandomAffine, degrees: 10}]`."""
    critic_augment: CriticAugmentConfig | None = None
    """Random changes of all images that critics see, real and fake: `{}` for colour, translation and cutout of every
    image; `null`: none."""
    optimizer: OptimizerUse = OptimizerUse(uses="adam")
    """Optimizer of all players: `{uses: adam, lr: 2e-4}`."""
    schedule: ScheduleUse = ScheduleUse(uses="constant")
    """Learning rate over time, of all players, as a factor of `lr`: `{uses: linear-decay, start: 100}`."""
    players: dict[str, PlayerConfig] = {}
    """Options of single players by name, where they differ: `{D: {optimizer: {uses: adam, lr: 4e-4}}}`."""
    epochs: PositiveInt = 100
    """Passes over the training images."""
    steps: PositiveInt | None = None
    """Length of the training in steps, in place of `epochs`, which are not read then."""
    max_steps: PositiveInt | None = None
    """Step at which the training ends even if epochs are left; schedules still run over all `epochs`. `null`: none."""
    stop: StopConfig | None = None
    """A metric at whose standstill the training ends early: `{metric: swd, patience: 10}`; `null`: none."""
    freeze: tuple[str, ...] = ()
    """Networks, or parts of them, whose weights stay as they start: `[gen.down]` is the encoder of a U-Net."""
    spectral_norm: tuple[str, ...] = ()
    """Networks, or parts of them, whose weights are divided by their largest singular values (Miyato et al. 2018):
    `[disc]` holds a critic's slope within bounds, `[gen, disc]` is that of SAGAN."""
    batch_size: PositiveInt = 1
    """Images of each side in a step, on each device. 1 is the choice of pix2pix and CycleGAN."""
    accumulate: PositiveInt = 1
    """Batches whose gradients are averaged before an optimizer step: a larger batch in the memory of a small one. Equal
    to it for networks without batch norm."""
    clip: PositiveFloat | None = None
    """Largest norm of a player's gradient; longer ones are scaled down to it. `null`: no limit."""
    ema: Annotated[float, Field(gt=0, lt=1)] | EmaConfig | None = None
    """Decay of the running average of the generators' weights, such as 0.999; validation, samples and the bundle then
    use the average. `{decay: 0.999, warmup: true}` begins quickly. `null`: none."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Number format of the networks' calculations: `fp32`; `bf16` or `fp16`, half the bits (losses and weights stay in
    fp32), where for `fp16`, which holds no small numbers, losses are scaled; `auto` takes bf16 where the hardware
    multiplies it, fp16 on GPUs that multiply only that (T4, V100), else fp32."""
    fast: Literal["auto", "off"] | FastConfig = "auto"
    """Ways to compute the same faster: `auto` tries them in the first seconds of a longer training, and takes the
    fastest; `off` is the plain path, bit-equal to a training loop written by hand; a mapping fixes them, such as
    `{layers: quick, memory_format: channels_last}`."""
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
