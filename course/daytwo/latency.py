"""A server's time: simulated traffic and its latencies, batches, a cache, percentiles over replicas, smaller models.

Simulated time is in whole milliseconds, and the same for everyone. One worker makes one call of the model at a time;
requests come whether or not earlier ones have been answered. A server's real address is in `daytwo.serving`.
"""

import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np

OBJECTIVE = 50  # ms, promised for 99 of 100 requests
CALL, ROW = 6, 0.05  # ms: what a call of the model costs, and each row in it
HIT = 0.05  # ms: an answer from the cache
BOUNDS = [10, 20, 30, 40, 50, 75, 100, 150, 200, 300, 500]  # ms, of the replicas' histograms
RUSH = 30_000, 60_000  # ms: when the evening's rush begins and ends


# The simulated server


def traffic(rate: int, seconds: int = 30, seed: int = 22) -> np.ndarray:
    """When requests come, in whole ms, sorted: `rate` a second on average."""
    return np.sort(np.random.default_rng(seed).integers(0, 1000 * seconds, rate * seconds))


def rush() -> np.ndarray:
    """Two minutes of the evening: 140 requests a second, 200 during the rush, and 140 again."""
    begin, end = RUSH
    return np.concatenate([traffic(140, 30, 1), begin + traffic(200, 30, 2), end + traffic(140, 60, 3)])


def alone(arrived: np.ndarray) -> list:
    """Each request as a batch of its own that leaves at once."""
    return [(now, [i]) for i, now in enumerate(arrived.tolist())]


def batches(batcher, arrived: Iterable[int]) -> list:
    """[(time it left, positions of its requests)] of the batches that a `MicroBatcher` makes of requests.

    Its `tick` is called every ms, then its `add` for each request of that ms; it goes on for 200 ms after the last.
    """
    arrived, left, place = [int(ms) for ms in arrived], [], 0
    for now in range(arrived[0], arrived[-1] + 201):
        said = [(now, batcher.tick(now))]
        while place < len(arrived) and arrived[place] == now:
            said.append((now, batcher.add(now, place)))
            place += 1
        left += [(ms, batch) for ms, batch in said if batch is not None and len(batch)]
    return [(ms, list(batch)) for ms, batch in left]


def latencies(arrived: np.ndarray, batches: Iterable, call: float = CALL) -> np.ndarray:
    """ms from each arrival to its answer, NaN where there is none; each batch (time, positions) is one call."""
    free, answered = 0, np.full(len(arrived), np.nan)
    for left, positions in batches:
        free = max(free, left) + call + ROW * len(positions)
        answered[list(positions)] = free
    return answered - arrived


def remembered(arrived: np.ndarray, cache, clock: dict, released: int) -> np.ndarray:
    """ms from each arrival to its answer, when the worker looks into a cache before it calls the model.

    Each request asks about one of 289 flights. `clock["s"]` is the cache's time in seconds, which this function sets.
    At `released` (ms) a new version of the model begins to serve.
    """
    free, took, flights = 0, [], np.random.default_rng(5).integers(0, 289, len(arrived)).tolist()
    for now, flight in zip(arrived.tolist(), flights, strict=True):
        free = max(free, now)
        question, clock["s"] = ({"flight": flight}, "new" if free >= released else "old"), free / 1000
        found = cache.get(*question) is not None
        free += HIT if found else CALL + ROW
        if not found:
            clock["s"] = free / 1000
            cache.put(*question, 0.5)
        took.append(free - now)
    return np.array(took)


def bounded(arrived: np.ndarray, most: int) -> np.ndarray:
    """ms from each arrival to its answer; one that finds `most` in line is refused at once (NaN)."""
    ends, took = deque(), []  # when the calls of the requests in line end
    for now in arrived.tolist():
        while ends and ends[0] <= now:
            ends.popleft()
        if len(ends) >= most:
            took.append(np.nan)
        else:
            ends.append((ends[-1] if ends else now) + CALL + ROW)
            took.append(ends[-1] - now)
    return np.array(took)


def p99(batcher, rate: int) -> float:
    """The 99th percentile of latency, in ms, with a batcher at `rate` requests a second."""
    arrived = traffic(rate)
    return float(np.quantile(latencies(arrived, batches(batcher, arrived)), 0.99))


def histogram(ms: np.ndarray) -> dict:
    """{bound: how many took longer than the bound before it, and at most this one}, for each of `BOUNDS`."""
    counts = np.bincount(np.searchsorted(BOUNDS, ms), minlength=len(BOUNDS))
    return dict(zip(BOUNDS, counts.tolist(), strict=True))


def replicas(cold: int) -> dict:
    """{replica: ms of each of its requests}: A and B have 9,000 each; C, just started, is four times as slow."""
    dice, sizes = np.random.default_rng(12), {"A": (9000, 20), "B": (9000, 20), "C": (2000, 80)}
    took = {name: typical * dice.lognormal(0, 0.35, n) for name, (n, typical) in sizes.items()}
    return took | {"C": took["C"][:cold]}


def cpu_ms(call: Callable) -> float:
    """CPU time of one call in ms, the mean of a twentieth of a second: other programs disturb it little."""
    began, calls = time.process_time(), 0
    while time.process_time() - began < 0.05:
        call()
        calls += 1
    return 1000 * (time.process_time() - began) / calls


# What the lesson's learners build


def percentile(replicas: Sequence[Mapping[float, int]], q: float) -> float | None:
    """The smallest bound so that at least q % of all requests took no longer; 0 < q <= 100, None without a request.

    Each replica says {upper bound of a bucket: how many requests fell into it} (milliseconds, not cumulative). Merging
    the counts is exact; percentiles of replicas cannot be averaged.
    """
    total, seen = sum((Counter(replica) for replica in replicas), Counter()), 0
    requests = sum(total.values())
    for bound in sorted(total):
        seen += total[bound]
        if 100 * seen >= q * requests:
            return bound
    return None


class MicroBatcher:
    """Collects requests into batches of at most `size`; the first request of a batch waits about `wait` ms at most.

    Its owner calls `tick` every ms, before it adds that millisecond's requests. One event loop uses it; there is no
    lock.
    """

    def __init__(self, size: int, wait: float):
        self.size, self.wait = size, wait
        self._first, self._open = None, []  # the time of the first open request, and all open ones

    def add(self, now: float, request: Any) -> list | None:
        """Take a request; the batch that it fills, in order of arrival, or None."""
        if not self._open:
            self._first = now
        self._open.append(request)
        return self._leave() if len(self._open) >= self.size else None

    def tick(self, now: float) -> list | None:
        """The open batch if its first request has waited `wait` ms or more, or None."""
        return self._leave() if self._open and now - self._first >= self.wait else None

    def _leave(self) -> list:
        batch, self._open = self._open, []
        return batch


class PredictionCache:
    """Answers of a model by features and version, each for `ttl` seconds; at most `size` of them.

    `clock` is a function that gives the present time in seconds. When there would be one answer too many, the one that
    was put longest ago goes, which would be the first to expire. There is no lock: threads that share it bring one.
    """

    def __init__(self, ttl: float, clock: Callable[[], float] = time.monotonic, size: int = 10_000):
        self.ttl, self.clock, self.size = ttl, clock, size
        self._answers = {}  # key -> (time of put, answer), in the order of the puts

    def get(self, features: Mapping[str, Any], version: Hashable) -> Any:
        """The answer that was put less than `ttl` ago for equal features and this version, or None."""
        put, answer = self._answers.get(self._key(features, version), (-float("inf"), None))
        return answer if self.clock() - put < self.ttl else None

    def put(self, features: Mapping[str, Any], version: Hashable, answer: Any) -> None:
        """Keep an answer from now on, in place of an older one for the same features and version."""
        key = self._key(features, version)
        self._answers.pop(key, None)
        self._answers[key] = self.clock(), answer
        while len(self._answers) > self.size:
            del self._answers[next(iter(self._answers))]

    def __len__(self) -> int:
        return len(self._answers)

    @staticmethod
    def _key(features: Mapping[str, Any], version: Hashable) -> tuple:
        """Equal for equal features in any order; every missing value is None, because NaN equals nothing."""
        return version, frozenset((name, None if value != value else value) for name, value in features.items())


def quantise(weights: np.ndarray, bits: int = 8) -> tuple[np.ndarray, float]:
    """(q, s): whole numbers of type int8 and a scale, so that q * s is about `weights`; `bits` is 2 to 8.

    Symmetric, one scale for all (Jacob et al., 2018, with zero point 0). Weights that are all zero have the scale 1.
    """
    weights = np.asarray(weights, dtype=float)
    scale = float(np.abs(weights).max(initial=0)) / (2 ** (bits - 1) - 1) or 1.0
    return np.round(weights / scale).astype(np.int8), scale


class Locked:
    """A cache whose `get` and `put` are called by one thread at a time."""

    def __init__(self, cache):
        self._cache, self._lock = cache, threading.Lock()

    def get(self, features: Mapping[str, Any], version: Hashable) -> Any:
        """As the cache's own."""
        with self._lock:
            return self._cache.get(features, version)

    def put(self, features: Mapping[str, Any], version: Hashable, answer: Any) -> None:
        """As the cache's own."""
        with self._lock:
            self._cache.put(features, version, answer)


# What their checks ask


def story(new_cache: Callable, *events: tuple, ttl: float = 60, size: int = 100) -> list:
    """What the gets of a story return: (second, features, version, p) is a put, (second, features, version) a get."""
    now = {"s": 0}
    cache, said = new_cache(ttl, lambda: now["s"], size), []
    for second, *event in events:
        now["s"] = second
        if len(event) == 3:
            cache.put(*event)
        else:
            said.append(cache.get(*event))
    return said


def held(new_cache: Callable, size: int, puts: int) -> list[bool]:
    """[whether more than `size` answers are found after `puts` different ones were put, whether the newest is]."""
    flights = [{"origin": "JFK", "dest": f"D{i}"} for i in range(puts)]
    events = [(i, flight, "v1", (i + 1) / 100) for i, flight in enumerate(flights)]
    found = story(new_cache, *events, *[(puts, flight, "v1") for flight in flights], size=size)
    return [sum(p is not None for p in found) > size, found[-1] == puts / 100]


def replay(new_cache: Callable, flights: Sequence[Mapping], seed: int) -> dict:
    """What a desk with this cache did in 200 requests, one a second, about these flights; answers live 60.5 s.

    Version v2 serves from second 120 to 159, v1 before and after. Counts: how often a model computed, how many answers
    were too old, of the other version, and about another flight.
    """
    now, log = {"s": 0}, []
    cache, found = new_cache(60.5, lambda: now["s"], 1_000), Counter(too_old=0, other_version=0, other_flight=0)
    for second, i in enumerate(np.random.default_rng(seed).integers(0, len(flights), 200).tolist()):
        now["s"], version = second, "v2" if 120 <= second < 160 else "v1"
        p = cache.get(flights[i], version)
        if p is None:
            log.append((second, version, i))
            cache.put(flights[i], version, len(log) / 1024)
        else:
            since, was, about = log[round(p * 1024) - 1]
            found.update(too_old=second - since > 60.5, other_version=was != version, other_flight=about != i)
    return {"computed": len(log), **found}


def auc(scores: np.ndarray, late: np.ndarray) -> Callable:
    """The AUC as a function of the flights' weights: how likely a late flight scores higher than one in time.

    A tie counts half; scores that differ by the order of a sum only are tied. They are sorted once, for many weights.
    """
    values, rank = np.unique(np.round(scores, 9), return_inverse=True)
    late = np.asarray(late, dtype=bool)

    def weighed(weight):
        bad, good = (np.bincount(rank[k], weight[k], len(values)) for k in (late, ~late))
        return float(bad @ (np.cumsum(good) - good / 2) / (bad.sum() * good.sum()))

    return weighed


def auc_change(month: tuple, before: np.ndarray, after: np.ndarray, draws: int = 100) -> tuple:
    """(change of the AUC, its 2.5 % and 97.5 % quantiles when whole days are drawn again).

    `month` is (matrix of the model's columns, late, day of each flight); `before` and `after` are weights.
    """
    columns, late, day = month
    old, new = (auc(columns @ np.asarray(w, dtype=float), late) for w in (before, after))
    days, place = np.unique(day, return_inverse=True)
    dice, again = np.random.default_rng(9), []
    for _ in range(draws):
        weight = np.bincount(dice.integers(0, len(days), len(days)), minlength=len(days))[place]
        again.append(new(weight) - old(weight))
    once = np.ones(len(place))
    return new(once) - old(once), *np.quantile(again, [0.025, 0.975]).tolist()


# ONNX: the model without its framework

COLUMNS = dict.fromkeys(["origin", "dest", "carrier"], object) | dict.fromkeys(["hour", "weekday"], np.int64)
COLUMNS |= dict.fromkeys(["distance", "humid", "visib", "wet"], np.float32)


def converted(model) -> Callable:
    """`p_late` by ONNX Runtime, as skl2onnx converts the model of record: a function of {name: list of values}.

    It fails on categories that the model has never seen: the graph does not know what scikit-learn does with them.
    """
    import onnxruntime
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

    kinds = {object: StringTensorType, np.int64: Int64TensorType, np.float32: FloatTensorType}
    types = [(name, kinds[kind]([None, 1])) for name, kind in COLUMNS.items()]
    graph = to_onnx(model, initial_types=types, options={"zipmap": False}).SerializeToString()
    onnxruntime.set_default_logger_severity(4)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, settings)

    def answer(columns):
        feed = {name: np.array(columns[name], dtype=kind).reshape(-1, 1) for name, kind in COLUMNS.items()}
        return session.run(["probabilities"], feed)[0][:, 1]

    return answer


def served(model) -> Callable:
    """As `converted`, for categories never seen too.

    scikit-learn gives them the coefficient that rare categories share, or none where nothing is rare. We do the first
    in front of the graph, and the second in it.
    """
    model = deepcopy(model)
    encoder = model[0].named_transformers_["onehotencoder"].set_params(handle_unknown="ignore")  # sets no column
    graph = converted(model)
    found = zip(encoder.feature_names_in_, encoder.categories_, encoder.infrequent_categories_, strict=True)
    rare = {name: (set(seen), few[0]) for name, seen, few in found if few is not None}

    def answer(columns):
        mapped = {n: [x if x in seen else stand_in for x in columns[n]] for n, (seen, stand_in) in rare.items()}
        return graph({**columns, **mapped})

    return answer


def agreement(graph: Callable, model, rows) -> str:
    """How far a graph's answers lie from the model's on a table of features; an error's last sentence."""
    try:
        far = np.abs(graph(rows.to_dict("list")) - model.predict_proba(rows)[:, 1]).max()
    except Exception as error:
        return str(error).split("Message: ")[-1]
    return "within 1e-6" if far < 1e-6 else f"up to {far:.0e} apart"


def int8_by_onnxruntime(weights: np.ndarray) -> tuple[np.ndarray, float]:
    """(whole numbers, scale) that ONNX Runtime's `quantize_dynamic` makes of the weights of a matrix product."""
    import logging

    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from onnxruntime.quantization import quantize_dynamic

    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, len(weights)])]
    outputs = [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])]
    kernel = numpy_helper.from_array(np.asarray(weights, dtype=np.float32).reshape(-1, 1), "w")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["score"])], "linear", inputs, outputs, [kernel])
    linear = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)  # it recommends a preparation that larger graphs need
    try:
        with tempfile.TemporaryDirectory() as folder:
            quantize_dynamic(linear, Path(folder) / "int8.onnx")
            made = onnx.load(Path(folder) / "int8.onnx").graph.initializer
    finally:
        logging.getLogger().setLevel(level)
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in made}
    return found["w_quantized"].ravel().astype(int), float(found["w_scale"])


def bytes_each(rows) -> dict:
    """How many bytes a row of a table takes as JSON, and as a stream of Arrow."""
    import json

    import pyarrow

    sink, table = pyarrow.BufferOutputStream(), pyarrow.Table.from_pandas(rows, preserve_index=False)
    table = table.replace_schema_metadata(None)
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    text = len(json.dumps(rows.to_dict("records")))
    return {"JSON": text / len(rows), "Arrow": sink.getvalue().size / len(rows)}
