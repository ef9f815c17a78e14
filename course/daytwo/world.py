"""The replayed world: one virtual clock, and the year's events in the order in which they become available."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .events import ANNOUNCED, Event, record
from .faults import SERVING, Truth, damaged, inject, last_readings
from .validate import REPLICAS, checked, moment

YEAR = pd.Timestamp("2013-01-01", tz="UTC"), pd.Timestamp("2014-01-01 05:00", tz="UTC")  # ends at New York's midnight
CHUNK = 5000  # events that are objects at one time


class Response(NamedTuple):
    """Who answered a request, and after how many (simulated) milliseconds."""

    replica: int
    latency_ms: float


class World:
    """The flights scheduled to depart in [start, end), told from 24 hours before until the last of them has landed.

    `for event in world` replays it from the beginning; `world.until(time)` goes on from `world.now`. Neighbouring
    worlds share no flight. The events are described at `daytwo.events.record`, the faults in `daytwo.faults`; what
    really went wrong is in `world.truth` and nowhere in the events. The same arguments give the same world.
    """

    def __init__(self, start, end, faults=(), seed: int = 0):
        self.start, self.end, self.seed = moment(start, "start"), moment(end, "end"), seed
        if not YEAR[0] <= self.start < self.end <= YEAR[1]:
            raise ValueError(
                f"This world cannot run from {self.start} to {self.end}: choose start < end "
                f"between {YEAR[0]} and {YEAR[1]}, where the year's data are."
            )
        self._tape, self._faults, truth = record(self.start, self.end), [], []
        for number, request in enumerate(faults):
            fault, hit = checked(request, self._faults, self.start, self.end), ()
            rng = np.random.default_rng([seed, number])
            if fault.name == "slow_replica" and fault.options["replica"] is None:
                fault = fault._replace(options=fault.options | {"replica": int(rng.integers(REPLICAS))})
            truth.append(fault)
            if fault.name == "frozen_feed":
                fault = fault._replace(options=fault.options | {"readings": last_readings(self._tape, fault.start)})
            if fault.name not in SERVING:
                self._tape, hit = inject(self._tape, fault, number, rng)
            self._faults.append(fault)
            truth[-1] = Truth(fault.name, fault.kind, fault.start, fault.end, truth[-1].options, hit)
        self.truth = tuple(truth)
        self._rewind()

    def __len__(self) -> int:
        return len(self._tape.times)

    def __iter__(self) -> Iterator[Event]:
        self._rewind()
        while self._next < len(self):
            first, chunk = self._next, self._read(self._next, self._next + CHUNK)
            while first <= self._next < first + len(chunk):
                event = chunk[self._next - first]
                self._next, self.now = self._next + 1, event.available_time
                yield event

    def until(self, time) -> list[Event]:
        """The events that become available after `now`, up to and including `time`; then it is `time`."""
        time, first = moment(time, "time"), self._next
        if time < self.now:
            raise ValueError(f"It is {self.now} already: the clock only runs forward; start over with a new World.")
        self._next = int(self._tape.times.available_time.searchsorted(time, side="right"))
        self.now = time
        return self._read(first, self._next)

    def _read(self, first: int, last: int) -> list[Event]:
        return damaged(self._tape, self._faults, slice(first, last))

    def respond(self, flight_id: int) -> Response:
        """Which replica answers a request for this flight now, and how fast: about 20 ms, with a long tail."""
        rng = np.random.default_rng([self.seed, flight_id])
        replica, latency = int(rng.integers(REPLICAS)), float(20 * rng.lognormal(0, 0.35))
        for fault in self._active("slow_replica"):
            latency *= fault.options["factor"] if replica == fault.options["replica"] else 1
        return Response(replica, round(latency, 3))

    def artefact(self, model: Any) -> Any:
        """What really serves now when `model` was shipped: itself, or a copy with shuffled coefficients."""
        for _ in self._active("bad_artefact"):
            model = deepcopy(model)
            last = model[-1] if hasattr(model, "steps") else model
            if not hasattr(last, "coef_"):
                raise TypeError(f"Only a fitted linear model can go bad here, not {type(last).__name__}.")
            last.coef_ = np.random.default_rng(self.seed).permuted(last.coef_, axis=-1)
        return model

    def _rewind(self) -> None:
        self._next, self.now = 0, self.start - ANNOUNCED

    def _active(self, name: str) -> list[Truth]:
        return [fault for fault in self.truth if fault.name == name and fault.start <= self.now < fault.end]
