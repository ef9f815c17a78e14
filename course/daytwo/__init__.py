"""What the lessons stand on: the year's data, the replayed world and the model of record."""

from . import faults
from .data import airlines, airports, flights, planes, weather
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
    "faults",
    "features",
    "flights",
    "planes",
    "predict",
    "train",
    "weather",
]
