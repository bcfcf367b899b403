"""All state of a training, item by item. A checkpoint is what `ITEMS` take, and a restart is what they put back.

Whoever adds state that the next step depends on (a scaler of losses, a choice that was measured) adds an `Item` here:
nothing else of a training is saved, and nothing else is restored. What follows from the seed, the step and the options
is no state: draws, the order of images, learning rates, the pictures of a batch. Tests hold both ends: a training that
is resumed without one of the items has to differ, and one that is resumed with all of them may differ in no attribute.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from translate.errors import StageError
from translate.objectives.pool import ImagePool
from translate.storage.checkpoint import state_under
from translate.training.saving.optimizers import optimizer_state, restore_numbers, restore_tensors
from translate.training.saving.state import TrainingState

Values = Mapping[str, Any]
"""Tensors, and values that JSON gives back as they are, by name."""


@dataclass(frozen=True)
class Item:
    """One part of the state.

    `take` gives its values, which the checkpoint has as `place/NAME`, and `put` takes all values that the checkpoint
    has under `place`; an old checkpoint may have none. An item without values puts in order what follows from the items
    before it.
    """

    name: str
    text: str
    """What it is, in a few words."""
    place: str
    take: Callable[[TrainingState], Values]
    put: Callable[[TrainingState, Values], None]
    own: bool = False
    """Whether it differs between the processes that train together."""


def _nothing(_: TrainingState) -> Values:
    return {}


# -------------------------------------------------------------------------------------------------------- networks


def _kinds(net: nn.Module) -> dict[str, str]:
    """The kind of each entry of a network's state dict; averages have weights, a count, and the rest."""
    kinds = dict.fromkeys(net.state_dict(), "statistics")
    for key, _ in net.named_parameters(remove_duplicate=False):
        kinds[key] = "weights"
    if isinstance(net, AveragedModel):
        return {**kinds, "n_averaged": "count"}
    for prefix, module in net.named_modules():
        if isinstance(module, ImagePool):
            kinds.update({f"{prefix}.{key}".lstrip("."): "pools" for key in module.state_dict()})
    for key in kinds:
        if key.endswith(("._u", "._v")):  # of torch.nn.utils.parametrizations.spectral_norm
            kinds[key] = "vectors"
    return kinds


def _networks(place: str, kind: str, text: str, own: bool = False) -> Item:
    """The entries of one kind of the state dicts of all networks, or of their averages."""

    def nets(state: TrainingState) -> Mapping[str, nn.Module]:
        return state.engine.nets if place == "net" else state.averages.nets

    def take(state: TrainingState) -> Values:
        values = {}
        for name, net in nets(state).items():
            entries = net.state_dict()
            values.update({f"{name}/{key}": entries[key] for key, each in _kinds(net).items() if each == kind})
        return values

    def put(state: TrainingState, values: Values) -> None:
        for name, net in nets(state).items():
            kinds = _kinds(net)
            # what is of no kind here is an error of torch, as is what is missing
            saved = {
                key: value for key, value in state_under(values, f"{name}/").items() if kinds.get(key, kind) == kind
            }
            others = {key: value for key, value in net.state_dict().items() if kinds[key] != kind}
            try:
                with torch.no_grad():
                    net.load_state_dict({**others, **saved})
            except RuntimeError as error:
                raise StageError(f"network {name} has another structure now: {error}") from error

    return Item(f"{'average ' * (place == 'ema')}{kind}", text, place, take, put, own)


# ---------------------------------------------------------------------------------------------------------- players


def _optimizer_tensors(state: TrainingState) -> Values:
    values: dict[str, Any] = {}
    for name, player in state.engine.players.items():
        tensors, _ = optimizer_state(player.optimizer)
        values.update({f"{name}/{key}": value for key, value in tensors.items()})
    return values


def _put_optimizer_tensors(state: TrainingState, values: Values) -> None:
    for name, player in state.engine.players.items():
        restore_tensors(player, state_under(values, f"{name}/"))


def _optimizer_numbers(state: TrainingState) -> Values:
    values: dict[str, Any] = {}
    for name, player in state.engine.players.items():
        _, numbers = optimizer_state(player.optimizer)
        values.update({f"{name}/{key}": value for key, value in numbers.items()})
    return values


def _put_optimizer_numbers(state: TrainingState, values: Values) -> None:
    for name, player in state.engine.players.items():
        restore_numbers(player, state_under(values, f"{name}/"))


def _updates(state: TrainingState) -> Values:
    return {name: player.done for name, player in state.engine.players.items()}


def _put_updates(state: TrainingState, values: Values) -> None:
    for name, player in state.engine.players.items():
        player.done = values[name]


# --------------------------------------------------------------------------------------------------------- counters


def _step(state: TrainingState) -> Values:
    return {"": state.engine.index}


def _put_step(state: TrainingState, values: Values) -> None:
    state.engine.index = values[""]


def _meters(state: TrainingState) -> Values:
    return state.engine.meters.sums


def _put_meters(state: TrainingState, values: Values) -> None:
    meters = state.engine.meters
    meters.sums = {name: value.to(meters.device, meters.wide) for name, value in values.items()}


def _rings(state: TrainingState) -> Values:
    return state.engine.meters.rings


def _put_rings(state: TrainingState, values: Values) -> None:
    meters = state.engine.meters
    meters.rings = {name: value.to(meters.device, meters.wide) for name, value in values.items()}


def _choice(state: TrainingState) -> Values:
    return state.engine.choice.to_json()


def _put_choice(state: TrainingState, values: Values) -> None:
    state.engine.choice.restore(values or None)
    state.engine.apply_choice()


def _augment(*names: str) -> tuple[Callable[[TrainingState], Values], Callable[[TrainingState, Values], None]]:
    """Some of the state of what changes images in front of critics."""

    def take(state: TrainingState) -> Values:
        critics = state.engine.critic_augment
        return {name: critics.state()[name] for name in names} if critics else {}

    def put(state: TrainingState, values: Values) -> None:
        if state.engine.critic_augment:
            state.engine.critic_augment.restore({name: values[name] for name in names if name in values})

    return take, put


def _scales(state: TrainingState) -> Values:
    values: dict[str, Any] = {}
    for name, scale in state.engine.scales.items() if state.engine.precision == "fp16" else ():
        values.update({f"{name}/{key}": value for key, value in scale.state().items()})
    return values


def _put_scales(state: TrainingState, values: Values) -> None:
    for name, scale in state.engine.scales.items():
        scale.restore(state_under(values, f"{name}/"))


def _met(state: TrainingState) -> Values:
    return {bound.name: bound.met for bound in state.engine.extra}


def _put_met(state: TrainingState, values: Values) -> None:
    for bound in state.engine.extra:
        bound.met = values.get(bound.name, bound.met)


# ---------------------------------------------------------------------------------------------------------- history


def _history(name: str, text: str) -> Item:
    def take(state: TrainingState) -> Values:
        return {name: getattr(state.history, name)}

    def put(state: TrainingState, values: Values) -> None:
        if name in values:
            setattr(state.history, name, values[name])

    return Item(f"history {name}", text, "progress", take, put)


def _health(state: TrainingState) -> Values:
    return state.health.take()


def _put_health(state: TrainingState, values: Values) -> None:
    state.health.put(values if state.engine.world.leads else {})


def _put_seen(state: TrainingState, _: Values) -> None:
    state.averages.restored()


def _put_drops(state: TrainingState, _: Values) -> None:
    state.set_drops()


ITEMS: tuple[Item, ...] = (
    # first, since what optimizers keep has to lie in memory like the weights
    Item("fast", "the way in which steps are computed", "fast", _choice, _put_choice),
    _networks("net", "weights", "weights of all networks"),
    _networks("net", "statistics", "buffers of networks, such as running averages of batch norms", own=True),
    _networks("net", "pools", "pools of past images", own=True),
    _networks("net", "vectors", "singular vectors of spectral norms"),
    _networks("ema", "weights", "averages of weights"),
    _networks("ema", "statistics", "buffers of the averaged networks", own=True),
    _networks("ema", "count", "updates of the averages, by which a warm-up goes"),
    Item("optimizer tensors", "moments and the like", "opt", _optimizer_tensors, _put_optimizer_tensors),
    Item(
        "optimizer numbers",
        "plain numbers of optimizers and their groups",
        "optimizers",
        _optimizer_numbers,
        _put_optimizer_numbers,
    ),
    Item("updates", "optimizer steps of each player", "updates", _updates, _put_updates),
    Item("step", "steps that are done, from which the place in the data follows", "step", _step, _put_step),
    Item("meters", "sums since the last point of the curves", "meter", _meters, _put_meters, own=True),
    Item("last losses", "losses of the last steps, one by one", "ring", _rings, _put_rings, own=True),
    Item("loss scales", "factors of the losses in fp16, and updates since they changed", "scale", _scales, _put_scales),
    Item("critic augment share", "share of the images that are changed", "critic_augment", *_augment("p")),
    Item(
        "critic augment scores",
        "signs of scores since the share was moved",
        "critic_augment",
        *_augment("signs", "count"),
        own=True,
    ),
    Item("critic augment calls", "critics that were called", "critic_augment", *_augment("called")),
    Item("critic augment heard", "whether scores were told", "critic_augment", *_augment("heard")),
    Item("extra losses met", "whether a term has seen what it reads", "extra_losses", _met, _put_met),
    _history("validations", "scores of all validations"),
    _history("best", "the best one by the metric that chooses the weights of the model"),
    _history("others", "the best ones by further metrics"),
    # rank 0 alone judges
    Item("health", "what the warnings of the game's health have seen", "health", _health, _put_health, own=True),
    # what follows from the items above
    Item("average updates seen", "updates that are in the averages", "", _nothing, _put_seen),
    Item("drops", "what the scores make of learning rates", "", _nothing, _put_drops),
)  # fmt: skip

NETWORKS = ("net", "ema")
"""The places of what a model is made of."""


def taken(state: TrainingState, *, own: bool = False) -> Iterator[tuple[str, Any]]:
    """The values of all items by their names in a checkpoint, or of those that are each process's own. Tensors are the
    training's own ones, which change with its next step."""
    for item in ITEMS:
        if item.own or not own:
            for name, value in item.take(state).items():
                yield f"{item.place}/{name}" if name else item.place, value


def put_back(state: TrainingState, values: Values, places: Collection[str] | None = None) -> None:
    """Gives all items, or those of some places, what a checkpoint holds. Errors: StageError for networks of another
    structure."""
    for item in ITEMS:
        if places is not None and item.place not in places:
            continue
        below = state_under(values, f"{item.place}/")
        item.put(state, {"": values[item.place], **below} if item.place in values else below)
