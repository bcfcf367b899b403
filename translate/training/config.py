"""The options of `train`: what a pipeline writes under `with:` of a train stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from translate.contracts import Config, MetricUse, TransformUse

Momentum = Annotated[float, Field(ge=0, lt=1)]


class OptimizerConfig(Config):
    """A torch optimizer. `betas` belong to adam and adamw, `momentum` to sgd and rmsprop, `alpha` to rmsprop."""

    uses: Literal["adam", "adamw", "rmsprop", "sgd"] = "adam"
    lr: PositiveFloat = 2e-4
    betas: tuple[Momentum, Momentum] = (0.5, 0.999)
    momentum: Momentum = 0.0
    alpha: Momentum = 0.99
    eps: PositiveFloat = 1e-8
    weight_decay: NonNegativeFloat = 0.0


class ScheduleConfig(Config):
    """The learning rate over time, as a factor of `lr`.

    `constant`; `linear-decay` to zero from epoch `start` to the end; `cosine` from epoch `start` to the end;
    `step`, times `gamma` after every `every` epochs. With `unit: updates`, `start` and `every` count optimizer steps of
    the player, and the end is the number of training steps.
    """

    uses: Literal["constant", "linear-decay", "cosine", "step"] = "constant"
    start: NonNegativeInt = 0
    every: PositiveInt = 50
    gamma: PositiveFloat = 0.1
    unit: Literal["epochs", "updates"] = "epochs"


class PlayerConfig(Config):
    """What one player does differently: `players: {D: {optimizer: {uses: adam, lr: 4e-4}}}`."""

    optimizer: OptimizerConfig | None = None
    schedule: ScheduleConfig | None = None
    clip: PositiveFloat | None = None


class ValidateConfig(Config):
    """Every `every` epochs and at the end: metrics on `images` images of `split`, a grid of the first `samples`.

    Metrics score the method's first direction, or all `directions` named here; grids show every direction.
    """

    every: PositiveFloat = 1
    metrics: tuple[MetricUse, ...] = ()
    directions: tuple[str, ...] = ()
    split: str | None = None
    images: PositiveInt = 100
    samples: PositiveInt = 6


class KeepConfig(Config):
    """Which checkpoints stay: the `last` few, and the one with the best value of the metric `best`: that of
    its worst direction, where `validate` scores several.

    The bundle holds the best one's weights where `best` is set, else the last one's.
    """

    best: str | None = None
    last: PositiveInt = 2


class CheckpointConfig(Config):
    """When to save: every so many `minutes` or `steps`. Saving changes nothing in the result."""

    minutes: PositiveFloat = 5.0
    steps: PositiveInt | None = None


class InitConfig(Config):
    """Weights to start from: the `bundle` in a folder (or, without one, the stage that `needs: {init: ...}` names).

    `networks` maps names of this method's networks to names in the bundle: `{G_ab: net}`. Default: those that both
    have; where there is none, a bundle's only network goes to the only one that this method's directions use.
    """

    bundle: Path | None = None
    networks: dict[str, str] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        return {"bundle": value} if isinstance(value, str) else value


class ExtraLoss(Config):
    """A registered loss term, what it counts for which player, and the views of the method that it reads:
    `on: {argument: view}`."""

    uses: str
    options: dict[str, Any] = {}
    weight: Annotated[float, Field(allow_inf_nan=False)] = 1.0
    player: str
    on: dict[str, str]


class TrainConfig(Config):
    """Options of the `train` stage."""

    method: str
    options: dict[str, Any] = {}
    init: InitConfig = InitConfig()
    losses: dict[str, float] = {}
    extra_losses: tuple[ExtraLoss, ...] = ()
    augment: tuple[TransformUse, ...] = ()
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    players: dict[str, PlayerConfig] = {}
    epochs: PositiveInt = 100
    max_steps: PositiveInt | None = None
    batch_size: PositiveInt = 1
    accumulate: PositiveInt = 1
    clip: PositiveFloat | None = None
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    fast: Literal["auto", "off"] = "auto"
    validation: ValidateConfig = Field(default=ValidateConfig(), alias="validate")
    keep: KeepConfig = KeepConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    log_every: PositiveInt = 20
    workers: NonNegativeInt | Literal["auto"] = "auto"
