"""The health of a game: curves under `health/`, and a warning where several looks in a row see one kind of trouble.

Means of what is metered, and what the live networks make of a few fixed images, are judged at looks: the first after a
hundred steps, then fewer and fewer, whatever the steps at which a training logs. So looks cost next to nothing, and
nothing is said of a training that has hardly begun. Nothing here changes a training: what is drawn for a look comes
from generators of its own, and each step seeds those of torch anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from translate.contracts import StageContext
from translate.metrics.distances.patterns import checkerboard
from translate.training.health import pictures
from translate.training.health.activations import Activations, Layers
from translate.training.health.alarms import PATIENCE, Alarms
from translate.training.health.critics import GAP, LOSS, SATURATION, SEPARATION
from translate.training.health.looker import Looker, Seen
from translate.training.health.swings import swing
from translate.training.health.victories import victory
from translate.training.health.waiting import Waiting
from translate.training.saving.state import TrainingState

BEGUN = 20
"""The step up to which a critic's first losses are taken."""
SURE = 2
"""Looks in a row that suffice for a critic that has nothing left to learn."""
FIRST, APART, GROWTH = 100, 60, 1.1
"""The step of the first look, and the steps, and the factor, from one look to the next at least."""
CALLS = 3
"""Calls of networks for an output from which on looks are rarer: those of diffusion are many."""

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
PATTERN, TIMES, PEAK, ALIKE = 2 / 255, 2.0, 10.0, 0.97
"""Strength of a checkerboard (1 is from black to white), the same as a multiple of that of real images, the energy of
its peak as a multiple of its neighbours', and the likeness with that of the look before, that are a failure."""


class Health:
    """Measures the game of `state`, and warns on rank 0."""

    def __init__(self, context: StageContext, state: TrainingState, looker: Looker | None) -> None:
        self.state, self.engine, self.memory = state, state.engine, state.health
        self.looker = looker
        self.console, self.leads = context.console, state.engine.world.leads
        self.alarms = Alarms(self.memory, context.console, context.tracker)
        self.waiting = Waiting(self.engine.clock)
        self._activations: Activations | None = None

    # ------------------------------------------------------------------------------------------------ when

    def due(self, step: int) -> bool:
        """Whether there is a look after this step."""
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
        if not self.due(step) or (stepper is not None and not stepper.failed):
            return nullcontext()
        self._activations = Activations(self.engine.nets)
        return self._activations

    # ------------------------------------------------------------------------------------------------ what

    def after(self, step: int) -> dict[str, float]:
        """Takes note of a step, after `logged` where it is logged; returns the curves of a look, if there is one.

        A look waits for the device.
        """
        if self.leads and step == BEGUN:
            self._note_first()
        if not self.due(step):
            return {}
        with self.engine.clock.part("health"):
            return self._look(step)

    def logged(self, step: int, values: Mapping[str, float]) -> dict[str, float]:
        """The curves of health at a log step, whose other curves are `values`."""
        norms = [value for name, value in values.items() if name.startswith("grad_norm/")]
        curves = {"health/gradient_ratio": _ratio(norms)} if len(norms) > 1 else {}
        curves |= self._saturation(values)
        share = self.waiting.share()
        if self.leads:
            self.memory.add(self.engine.meters.latest)
            if share is not None:
                curves["health/data_wait"] = share
        return curves

    def _note_first(self) -> None:
        """Remembers the losses of critics in the first steps."""
        sums = self.engine.meters.peek()
        self.memory.add(sums)
        for player in self.engine.scores.critics:
            loss = self.memory.means().get(f"{LOSS}/{player}", 0.0)
            if loss > 0:
                self.memory.first[player] = loss
        self.memory.add(sums, -1)

    def _saturation(self, means: Mapping[str, float]) -> dict[str, float]:
        """The saturation of critics whose objective tells no scores: by how much their loss has fallen since the first
        steps. Losses that are not positive have none."""
        if self.leads:
            self.memory.told |= self.engine.scores.told
        if self.memory.told or SATURATION in means or SEPARATION in means:
            return {}
        shares: list[float] = []
        for player, first in self.memory.first.items():
            loss = means.get(f"{LOSS}/{player}", -1.0)
            shares += [1 - loss / first] if loss >= 0 else []
        return {SATURATION: min(shares)} if shares else {}

    def _look(self, step: int) -> dict[str, float]:
        """Judges everything; returns the curves of this look."""
        held = self.engine.meters.peek()
        self.memory.add(held)
        means = self.memory.means()
        self.memory.begin(step)
        self.memory.add(held, -1)  # the next log step reads them once more
        self._judge_gradients(step, means)
        self._judge_critics(step, {**means, **self._saturation(means)})
        self.engine.clock.read()
        self.waiting.share()
        slow, share = self.waiting.slow()
        text = f"{share:.0%} of the time the training waits for data"
        self.alarms.judge(step, "slow-data", "", text, bad=slow)
        curves = self._swings(step)
        if self._activations is not None:
            curves |= self._layers(step, self._activations.read())
        return {**curves, **self._outputs(step)}

    # ------------------------------------------------------------------------------------------------ judgements

    def _judge_gradients(self, step: int, means: Mapping[str, float]) -> None:
        norms = {name: norm for name, norm in means.items() if name.startswith("grad_norm/")}
        for name, norm in norms.items():
            player = name.removeprefix("grad_norm/")
            text = f"the gradient of player {player} is nearly zero ({norm:.1e}): it no longer learns"
            self.alarms.judge(step, "vanished-gradient", player, text, bad=norm < VANISHED)
            text = f"the gradient of player {player} is huge ({norm:.1e})"
            self.alarms.judge(step, "exploding-gradient", player, text, bad=norm > EXPLODED)
        ratio = _ratio([*norms.values()])
        text = f"the gradient of one player is {ratio:.1e} times as large as that of another"
        self.alarms.judge(step, "gradient-ratio", "", text, bad=ratio > RATIO)

    def _judge_critics(self, step: int, means: Mapping[str, float]) -> None:
        if not self._has_opponent():
            return
        before, self.memory.gap = self.memory.gap, means.get(GAP, 0.0)
        self.memory.answered |= self.engine.scores.answered
        found = victory(means, before, self.memory.answered)
        if found is None:
            return
        text = f"the critic always wins ({found.text}): the generator has nothing to learn from it"
        patience = SURE if found.sure else PATIENCE
        measure, limit, better = found.left, found.limit, found.better
        self.alarms.judge(
            step, "critic-wins", "", text, bad=found.bad, patience=patience, measure=measure, limit=limit, better=better
        )

    def _has_opponent(self) -> bool:
        """Whether a player that is no critic has had a turn: a classifier that learns alone beats nobody."""
        critics = self.engine.scores.critics
        return any(player.done for name, player in self.engine.players.items() if name not in critics)

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
            use, share = pictures.input_use(seen.inputs, seen.compared, seen.alike)
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
        found = checkerboard(seen.outputs, seen.real)
        if found is None:
            return {}
        before = self.memory.patterns.pop(direction, {})
        bad = found.ratio > PEAK and found.strength > max(PATTERN, TIMES * found.usual)
        text = f"the outputs of {direction} have a checkerboard of {255 * found.strength:.0f} of 255 steps, which"
        text = f"{text} repeats every {found.period} pixels"
        if bad:
            self.memory.patterns[direction] = found.shape
        if bad and before and found.likeness(before) < ALIKE:
            # another pattern than at the look before: the training is at work on it
            self.alarms.judge(step, "checkerboard", direction, text, bad=False)
        self.alarms.judge(
            step, "checkerboard", direction, text, bad=bad, measure=found.strength, limit=PATTERN, better="lower"
        )
        return {f"health/checkerboard/{direction}": found.strength}


def _ratio(norms: Sequence[float]) -> float:
    """The largest of the players' gradient norms over the smallest."""
    return max(norms) / max(min(norms), 1e-12) if norms else 1.0
