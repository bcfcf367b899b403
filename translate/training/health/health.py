"""The health of a game: curves under `health/`, and a warning where several looks in a row see one kind of trouble.

Means of the curves, and what the live networks make of a few fixed images, are judged at looks: some log steps, the
first after a hundred steps, then fewer and fewer. So a look costs no wait of its own for the device, and nothing is
said of a training that has hardly begun. Nothing here changes a training: what is drawn for a look comes from
generators of its own, and each step seeds those of torch anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from torch import Tensor

from translate.contracts import StageContext
from translate.training.health import pictures
from translate.training.health.activations import Activations, Layers
from translate.training.health.alarms import Alarms
from translate.training.health.critics import ACCURACY, LOSS, SATURATION
from translate.training.health.looker import Looker, Seen
from translate.training.health.swings import swing
from translate.training.health.waiting import Waiting
from translate.training.saving.state import TrainingState

FIRST, APART, GROWTH = 100, 50, 1.1
"""The step of the first look, and the steps, and the factor, from one look to the next at least."""
CALLS = 3
"""Calls of networks for an output from which on looks are rarer: those of diffusion are many."""

WINS, SATURATED = 0.99, 0.9
"""Least accuracy and mean saturation of a critic that always wins: a healthy one loses now and then."""
VANISHED, EXPLODED, RATIO = 1e-6, 1e4, 1e4
"""Norms of a gradient that are nearly nothing and huge, and the ratio between those of two players."""
SWINGS, CERTAIN, SIZE = 0.8, 0.95, 0.1
"""Strength of an oscillation that is called one at two looks, and at the first, and its size (see `Swing`)."""
COLLAPSED = 0.15
"""Variety of outputs as a share of that of real images, below which they count as alike."""
IGNORED, BY_INPUT = 0.02, 0.2
"""Difference between outputs as a share of that between inputs, and share of the outputs' variety by their inputs,
below which the input counts as ignored."""
COLOURS, ERRORS, DRIFTED = 0.3, 4.0, 0.2
"""Distance of mean colours (1 is from black to white) that is a failure if it does not shrink, in no case less than so
many standard errors, and by how much it may exceed the smallest one so far."""
INVERTED, NEGATIVE = 0.15, 0.5
"""Distance of colours, and that of the negatives as a share of it, from which on colours count as inverted."""
DEAD, LARGEST = 0.95, 1e4
"""Share of a layer's channels without a signal, and the root mean square of its values, that are failures."""
PATTERN, TIMES, OF_CONTRAST = 0.03, 4.0, 0.1
"""Strength of a checkerboard (1 is from black to white), as a multiple of that of real images, and as a share of the
outputs' contrast, that are a failure."""


class Health:
    """Measures the game of `state`, whose steps are logged every `log_every` steps, and warns on rank 0."""

    def __init__(self, context: StageContext, state: TrainingState, looker: Looker | None, log_every: int) -> None:
        self.state, self.engine, self.memory = state, state.engine, state.health
        self.looker, self.log_every = looker, log_every
        self.console, self.leads = context.console, state.engine.world.leads
        self.alarms = Alarms(self.memory, context.console, context.tracker)
        self.waiting = Waiting(self.engine.clock)
        self._activations: Activations | None = None

    # ------------------------------------------------------------------------------------------------ when

    def due(self, step: int) -> bool:
        """Whether there is a look at this log step."""
        if not self.leads:
            return False
        if not self.memory.looked:
            return step >= FIRST
        effort = max(1.0, self.memory.calls / CALLS)
        return step >= max(self.memory.looked + effort * APART, GROWTH * self.memory.looked)

    def watching(self) -> AbstractContextManager[object]:
        """A context for the next step, in which networks are looked at where a look follows it."""
        step = self.state.step + 1
        self._activations = None
        stepper = self.engine.stepper
        # recorded and compiled steps cannot be looked into
        if step % self.log_every or not self.due(step) or (stepper is not None and not stepper.failed):
            return nullcontext()
        self._activations = Activations(self.engine.nets)
        return self._activations

    # ------------------------------------------------------------------------------------------------ what

    def logged(self, step: int, values: Mapping[str, float]) -> dict[str, float]:
        """The curves of health at a log step, whose other curves are `values`."""
        curves = {**self._gradients(values), **self._by_losses(values)}
        share = self.waiting.share()
        if not self.leads:
            return curves
        own = (ACCURACY, SATURATION)
        norms = {name: value for name, value in values.items() if name.startswith("grad_norm/") or name in own}
        self.memory.add({**norms, **curves})
        if share is not None:
            curves["health/data_wait"] = share
        if self.due(step):
            with self.engine.clock.part("health"):
                curves |= self._look(step)
        return curves

    def _gradients(self, values: Mapping[str, float]) -> dict[str, float]:
        """The ratio of the largest to the smallest mean gradient norm of the players."""
        norms = [value for name, value in values.items() if name.startswith("grad_norm/")]
        return {"health/gradient_ratio": max(norms) / max(min(norms), 1e-12)} if len(norms) > 1 else {}

    def _by_losses(self, values: Mapping[str, float]) -> dict[str, float]:
        """The saturation of critics whose objective tells no scores: by how much their loss has fallen since the first
        log step. Losses that are not positive have none."""
        if self.leads:
            self.memory.told |= self.engine.scores.told
        if self.memory.told or SATURATION in values or ACCURACY in values:
            return {}
        shares = []
        for player in self.engine.scores.critics:
            loss = values.get(f"{LOSS}/{player}", -1.0)
            if loss < 0:
                continue
            first = self.memory.first.setdefault(player, loss) if self.leads else 0.0
            shares += [1 - loss / first] if first > 0 else []
        return {SATURATION: min(shares)} if shares else {}

    def _look(self, step: int) -> dict[str, float]:
        """Judges everything; returns the curves of this look."""
        means = self.memory.means()
        self._judge_gradients(step, means)
        self._judge_critics(step, means)
        self.memory.begin(step)
        slow, share = self.waiting.slow()
        text = f"{share:.0%} of the time the training waits for data"
        self.alarms.judge(step, "slow-data", "", text, bad=slow)
        curves = self._swings(step)
        if self._activations is not None:
            curves |= self._layers(step, self._activations.read())
        return {**curves, **self._outputs(step)}

    # ------------------------------------------------------------------------------------------------ judgements

    def _judge_gradients(self, step: int, means: Mapping[str, float]) -> None:
        for name, norm in means.items():
            player = name.removeprefix("grad_norm/")
            if player == name:
                continue
            text = f"the gradient of player {player} is nearly zero ({norm:.1e}): it no longer learns"
            self.alarms.judge(step, "vanished-gradient", player, text, bad=norm < VANISHED)
            text = f"the gradient of player {player} is huge ({norm:.1e})"
            self.alarms.judge(step, "exploding-gradient", player, text, bad=norm > EXPLODED)
        ratio = means.get("health/gradient_ratio", 1.0)
        text = f"the gradient of one player is {ratio:.1e} times as large as that of another"
        self.alarms.judge(step, "gradient-ratio", "", text, bad=ratio > RATIO)

    def _judge_critics(self, step: int, means: Mapping[str, float]) -> None:
        saturation = means.get(SATURATION, 0.0)
        wins = saturation > SATURATED and self.memory.lowest.get(ACCURACY, 1.0) > WINS
        told = f" ({means[ACCURACY]:.1%} of its answers are right)" if ACCURACY in means else ""
        text = f"the critic always wins{told}, and its loss is {max(0.0, 1 - saturation):.1%} of that of a guess"
        text = f"{text}: the generator has nothing to learn from it"
        self.alarms.judge(step, "critic-wins", "", text, bad=wins, patience=2)

    def _swings(self, step: int) -> dict[str, float]:
        """Oscillations of losses that are computed in every step; a game has two players, who move in every step."""
        if len(self.engine.players) < 2:
            return {}
        curves: dict[str, float] = {}
        playing = {name for name, player in self.engine.players.items() if player.done >= step}
        followed = [name for name in self.engine.meters.rings if name.partition("/")[0] in playing]
        for key, series in self.engine.meters.series(followed, step).items():
            name, found = key.partition("/")[2], swing(series)
            if found is None:
                continue
            curves |= {f"health/period/{name}": found.period, f"health/swing/{name}": found.strength}
            bad = found.strength > SWINGS and found.size > SIZE
            text = f"loss {name} goes up and down every {found.period:.0f} steps: the players run after each other"
            patience = 1 if found.strength > CERTAIN else 2
            self.alarms.judge(step, "oscillation", name, text, bad=bad, patience=patience)
        return curves

    def _layers(self, step: int, seen: Mapping[str, Layers]) -> dict[str, float]:
        curves: dict[str, float] = {}
        for name, layers in seen.items():
            curves |= {f"health/dead/{name}": layers.dead, f"health/activation/{name}": layers.largest}
            text = f"a layer of network {name} gives no signal in {layers.dead:.0%} of its channels"
            self.alarms.judge(step, "dead-activations", name, text, bad=layers.dead >= DEAD)
            text = f"values in network {name} have grown to {layers.largest:.1e}"
            # not a number is not small
            self.alarms.judge(step, "exploding-activations", name, text, bad=not layers.largest < LARGEST)
        return curves

    # ------------------------------------------------------------------------------------------------ outputs

    def _outputs(self, step: int) -> dict[str, float]:
        """What a few translations show; an error in one ends the looks and not the training."""
        if self.looker is None:
            return {}
        curves: dict[str, float] = {}
        try:
            self.looker.load({name: self.engine.nets[name] for name in self.state.averages.names})
            for direction in filter(self._is_trained, self.looker.directions()):
                seen = self.looker.see(direction)
                self.memory.calls = max(self.memory.calls, seen.calls)
                if len(seen.outputs) > 1:
                    curves |= self._direction(step, direction, seen)
        except Exception as error:
            self.looker = None
            self.console.warn(f"outputs are no longer looked at for collapse and the like: {error}")
        return curves

    def _is_trained(self, direction: str) -> bool:
        """Whether a player that has had a turn moves one of a direction's networks; the others stay as they began."""
        assert self.looker is not None
        nets = {*self.looker.validator.translator.route(direction).nets}
        moved = [name for name, player in self.engine.players.items() if player.done]
        return any(not nets.isdisjoint(self.engine.method.players[name]) for name in moved)

    def _direction(self, step: int, direction: str, seen: Seen) -> dict[str, float]:
        curves: dict[str, float] = {}
        ignored = False
        if len(seen.inputs) > 1 and pictures.apart(seen.inputs) > 1e-6:
            use, share = pictures.input_use(seen.inputs, seen.outputs, seen.again)
            curves[f"health/input_use/{direction}"] = use
            ignored = use < IGNORED or share < BY_INPUT
            text = f"{direction} ignores its input: other images change its outputs by {use:.1%} of what they differ"
            self.alarms.judge(
                step, "input-ignored", direction, text, bad=ignored, measure=use, limit=IGNORED, better="higher"
            )
        if len(seen.real) > 1:
            variety = pictures.diversity(seen.outputs) / max(pictures.diversity(seen.real), 1e-12)
            curves[f"health/diversity/{direction}"] = variety
            text = (
                f"the outputs of {direction} stay nearly alike ({variety:.0%} of the variety of real ones): collapse?"
            )
            bad = variety < COLLAPSED and not ignored
            self.alarms.judge(
                step, "collapse", direction, text, bad=bad, measure=variety, limit=COLLAPSED, better="higher"
            )
        if seen.picture:
            curves |= self._colours(step, direction, seen) | self._patterns(step, direction, seen)
        return curves

    def _colours(self, step: int, direction: str, seen: Seen) -> dict[str, float]:
        if not seen.real or seen.real[0].shape[0] != seen.outputs[0].shape[0]:
            return {}
        as_is, negative = pictures.inversion(seen.outputs, seen.real, paired=seen.paired)
        inverted = as_is > INVERTED and negative < NEGATIVE * as_is
        times = as_is / max(negative, 1e-3)
        text = f"the colours of {direction} seem inverted: its negatives come {times:.1f} times nearer to real images"
        self.alarms.judge(
            step, "inverted-colours", direction, text, bad=inverted, measure=as_is, limit=INVERTED, better="lower"
        )
        curve = f"health/colour_drift/{direction}"
        distance, error = pictures.colour_distance(seen.outputs, seen.real, paired=seen.paired)
        least = self.memory.least[curve] = min(distance, self.memory.least.get(curve, distance))
        far = distance > max(COLOURS, ERRORS * error) and not inverted
        text = f"the mean colour of {direction} is {distance:.0%} of the range away from that of real images"
        if distance > least + DRIFTED:
            self.alarms.judge(step, "colour-drift", direction, f"{text}, and was {least:.0%}", bad=far)
        else:
            self.alarms.judge(
                step, "colour-drift", direction, text, bad=far, measure=distance, limit=COLOURS, better="lower"
            )
        return {curve: distance}

    def _patterns(self, step: int, direction: str, seen: Seen) -> dict[str, float]:
        strength = pictures.checkerboard(seen.outputs)
        usual = pictures.checkerboard(seen.real) if seen.real else 0.0
        bad = strength > max(PATTERN, TIMES * usual, OF_CONTRAST * _contrast(seen.outputs))
        text = f"the outputs of {direction} have a checkerboard of {255 * strength:.0f} of 255 steps"
        self.alarms.judge(
            step, "checkerboard", direction, text, bad=bad, measure=strength, limit=PATTERN, better="lower"
        )
        return {f"health/checkerboard/{direction}": strength}


def _contrast(images: Sequence[Tensor]) -> float:
    """The mean standard deviation of the values of an image."""
    return sum(float(image.float().std()) for image in images) / len(images)
