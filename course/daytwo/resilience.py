"""What survives failures: a circuit breaker, a ladder of answers, releases with a way back, a job that resumes.

The learner builds these in 01_pipelines/06_survive_failures; what breaks them on purpose is in `daytwo.crash`.
"""

import json
import os
from typing import NamedTuple


class Refused(Exception):
    """The breaker is open: nobody was asked."""


class Rung(NamedTuple):
    """One way to answer: `ask(flight)` gives a probability, or raises after `limit` ms at the latest."""

    name: str
    ask: object
    limit: float
    threshold: float


class CircuitBreaker:
    """Stands between callers and a server; `window` and `cooldown` are seconds (Nygard, *Release It!*, 2007)."""

    def __init__(self, window=600, minimum=5, rate=0.5, cooldown=300):
        self.window, self.minimum, self.rate, self.cooldown = window, minimum, rate, cooldown
        self.state, self.opened = "closed", None
        self.results = []  # (time, whether it failed)

    def call(self, now, ask):
        """What `ask()` returns or raises at second `now`; `Refused` where it is not asked.

        A `ValueError` says that the request was bad: it is no result, neither good nor bad.
        """
        if self.state == "open":
            if now - self.opened < self.cooldown:
                raise Refused
            self.state = "half-open"
        try:
            answer = ask()
        except ValueError:
            raise
        except Exception:
            self._note(now, failed=True)
            raise
        self._note(now, failed=False)
        return answer

    def _note(self, now, failed):
        if self.state == "half-open":
            self.state, self.results = ("open" if failed else "closed"), []
        else:
            self.results = [(t, f) for t, f in self.results if now - t < self.window] + [(now, failed)]
            failures = sum(f for _, f in self.results)
            if len(self.results) >= self.minimum and failures >= self.rate * len(self.results):
                self.state = "open"
        if self.state == "open":
            self.opened = now


def answer(flight, rungs, constant, clock, patience=250):
    """(name of the rung, probability, whether to warn) for one flight, within `patience` ms.

    The first rung counts that gives a number from 0 to 1, and only one whose whole limit still fits is asked. If none
    does, the answer is `constant`, which warns nobody.
    """
    end = clock() + patience
    for rung in rungs:
        if clock() + rung.limit > end:
            continue
        try:
            p = rung.ask(flight)
            usable = 0 <= p <= 1
        except Exception:
            continue
        if usable:
            return rung.name, p, p >= rung.threshold
    return "constant", constant, False


class Releases:
    """The releases in an MLflow registry (see `daytwo.registry`). One deployer at a time: an alias has no lock."""

    def __init__(self, client):
        self.client = client

    def promote(self, parts):
        """Let a release of these parts (texts: model, features, threshold) serve.

        Killed at any moment it leaves the old release or the new one, whole; run again it finishes.
        """
        from . import registry  # MLflow takes seconds to import

        if not all(parts.get(name) for name in registry.PARTS):
            raise ValueError(f"A release names its {', '.join(registry.PARTS)}; this one is {parts}.")
        now = registry.champion(self.client)
        if now and parts.items() <= now.tags.items():
            return
        tags = parts | ({"replaces": str(now.version)} if now else {})
        made = self.client.create_model_version(
            registry.RELEASE, f"models:/{registry.MODEL}/{parts['model']}", tags=tags
        )
        self.client.set_registered_model_alias(registry.RELEASE, registry.CHAMPION, str(made.version))

    def roll_back(self, version):
        """Take release `version` (a number) out of service: what it replaced serves again.

        When it does not serve, nothing changes: so a second run does not go one release too far.
        """
        from . import registry

        now = registry.champion(self.client)
        if now is None or int(now.version) != int(version):
            return
        if "replaces" not in now.tags:
            raise LookupError(f"Release {version} replaced nothing: there is no way back.")
        self.client.set_registered_model_alias(registry.RELEASE, registry.CHAMPION, now.tags["replaces"])


def resume(items, step, path):
    """The state after every item, `state = step(state, item)` from {}; goes on from the checkpoint at `path`, a Path.

    A checkpoint that cannot be read, or of another list, is none. Against a loss of power one would also `os.fsync`.
    """
    done, state = 0, {}
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        if saved["items"] == items:
            done, state = saved["done"], saved["state"]
    except (OSError, ValueError):
        pass
    for item in items[done:]:
        state = step(state, item)
        done += 1
        fresh = path.with_name("fresh")
        fresh.write_text(json.dumps({"items": items, "done": done, "state": state}), encoding="utf-8")
        os.replace(fresh, path)
    return state
