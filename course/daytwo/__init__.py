"""What the lessons stand on: the year's data, the replayed world and the model of record."""

from . import faults, llm
from .data import airlines, airports, answers, flights, planes, runbooks, weather
from .events import Event
from .faults import Fault, Truth
from .model import features, predict, train
from .world import Response, World

__all__ = [
    "Event",
    "Fault",
    "Response",
    "Truth",
    "World",
    "airlines",
    "airports",
    "answers",
    "faults",
    "features",
    "flights",
    "llm",
    "planes",
    "predict",
    "runbooks",
    "train",
    "weather",
]
