"""The course's batcher, cache, percentile and quantiser do what the lesson's answers do; its simulations add up."""

import random
import threading

import numpy as np
import pytest
from daytwo import features, flights, latency, train, weather

from grading.environment import SOLUTIONS
from grading.lesson.read import read

LESSON = read(SOLUTIONS / "02_serving" / "02_answer_fast.py")


@pytest.fixture(scope="module")
def model():
    """A model of one week, and what it knows of another one with a destination that it never saw."""
    year = flights()
    known = features(year, weather())
    first, second = (year.month.eq(1) & year.day.le(9) & year.sched_dep.dt.minute.eq(m) for m in (0, 30))
    return train(known[first], year.late[first]), known[second][:200].assign(dest="XYZ")


def test_percentile_is_that_of_the_lesson_and_of_all_samples(built):
    dice = random.Random(4)
    for _ in range(200):
        replicas = [{bound: dice.randint(0, 30) for bound in (5, 10, 20, 50)} for _ in range(dice.randint(1, 4))]
        replicas[0][10] += 1
        q = dice.choice([1, 25, 50, 90, 95, 99, 100])
        samples = sorted(ms for replica in replicas for ms, n in replica.items() for _ in range(n))
        expected = samples[-(-q * len(samples) // 100) - 1]
        assert latency.percentile(replicas, q) == built["percentile"](replicas, q) == expected


def test_percentile_takes_replicas_with_other_bounds_and_idle_ones():
    assert latency.percentile([{20: 1, 5: 1}, {}, {10: 1, float("inf"): 1}], 75) == 20
    assert latency.percentile([{}, {10: 0}], 99) is None


def test_batches_are_those_of_the_lesson_and_of_a_clock_that_ticks(built):
    dice = random.Random(2)
    for _ in range(60):
        size, wait = dice.randint(1, 5), dice.randint(1, 12)
        times = sorted(dice.randint(0, 60) for _ in range(30))
        expected, waiting = [], []
        for t in range(100):
            if waiting and t == times[waiting[0]] + wait:
                expected.append((t, waiting))
                waiting = []
            for i in [i for i, when in enumerate(times) if when == t]:
                waiting.append(i)
                if len(waiting) == size:
                    expected.append((t, waiting))
                    waiting = []
        for batcher in (latency.MicroBatcher, built["MicroBatcher"]):
            assert latency.batches(batcher(size, wait), times) == expected


def test_cache_is_that_of_the_lesson_and_of_a_plain_list(built):
    dice, now = random.Random(3), [0]
    ours, lessons = (make(20, lambda: now[0], 6) for make in (latency.PredictionCache, built["PredictionCache"]))
    log = []
    for step in range(5_000):
        now[0] += dice.randint(0, 4)
        features = {"origin": dice.choice("JL"), "humid": dice.choice([float("nan"), 60, 61.0])}
        if dice.random() < 0.5:
            features = dict(reversed(features.items()))
        key = str(sorted((k, str(float(v)) if k == "humid" else v) for k, v in features.items()))
        version = dice.choice("ab")
        if dice.random() < 0.3:
            for cache in (ours, lessons):
                cache.put(features, version, step)
            log[:] = [entry for entry in log if entry[:2] != (key, version)] + [(key, version, now[0], step)]
            del log[:-6]
        found = [p for k, v, t, p in log if (k, v) == (key, version) and now[0] - t < 20]
        assert ours.get(features, version) == lessons.get(features, version) == (found[0] if found else None)
        assert len(ours) <= 6


def test_cache_tells_text_from_numbers_and_keeps_a_zero():
    cache = latency.PredictionCache(10, lambda: 0)
    cache.put({"hour": 7}, "1", 0.0)
    assert cache.get({"hour": 7.0}, "1") == 0.0
    assert cache.get({"hour": "7"}, "1") is None and cache.get({"hour": 7}, "2") is None


def test_a_locked_cache_is_asked_by_one_thread_at_a_time():
    class Careful:
        inside = most = 0

        def get(self, features, version):
            Careful.inside += 1
            Careful.most = max(Careful.most, Careful.inside)
            threading.Event().wait(0.002)
            Careful.inside -= 1

        def put(self, features, version, answer):
            self.get(features, version)

    cache = latency.Locked(Careful())
    threads = [
        threading.Thread(target=ask, args=("f", "v", 1)[: 2 + n]) for n, ask in enumerate((cache.get, cache.put))
    ]
    for thread in threads * 1:
        thread.start()
    for thread in threads:
        thread.join()
    assert Careful.most == 1


def test_quantise_is_that_of_the_lesson_and_of_onnx_runtime(built):
    dice = np.random.default_rng(1)
    for bits in (8, 8, 5, 3, 2):
        weights = dice.normal(size=(4, 9)).astype(np.float32).astype(float)
        ours, theirs = latency.quantise(weights, bits), built["quantise"](weights, bits)
        assert (ours[0] == theirs[0]).all() and ours[1] == theirs[1] and ours[0].dtype == theirs[0].dtype == np.int8
    whole, scale = latency.int8_by_onnxruntime(weights.ravel())
    assert (latency.quantise(weights)[0].ravel() == whole).all()
    assert latency.quantise(weights)[1] == pytest.approx(scale)
    assert latency.quantise(np.zeros(3))[1] == 1


def test_requests_wait_for_the_calls_before_them():
    arrived = np.array([0, 1, 100])
    assert latency.latencies(arrived, latency.alone(arrived)) == pytest.approx([6.05, 11.1, 6.05])
    assert latency.latencies(arrived, [(5, [0, 1])], call=1)[:2] == pytest.approx([6.1, 5.1])
    assert np.isnan(latency.latencies(arrived, [(5, [0, 1])])[2])


def test_a_bounded_queue_refuses_who_finds_it_full():
    took = latency.bounded(np.zeros(5, dtype=int), 3)
    assert took[:3] == pytest.approx([6.05, 12.1, 18.15]) and np.isnan(took[3:]).all()
    assert not np.isnan(latency.bounded(latency.traffic(20), 8)).any()


def test_a_remembered_answer_costs_next_to_nothing_until_it_expires_or_a_version_is_released():
    clock, calls = {}, [0]
    arrived = np.repeat([0, 10_000, 20_000, 90_000], 289 * 12)  # all flights, many times

    class Counting(latency.PredictionCache):
        def put(self, *question):
            calls[0] += 1
            super().put(*question)

    took = latency.remembered(arrived, Counting(60, lambda: clock["s"]), clock, released=15_000)
    assert calls[0] == 3 * 289 and (took >= latency.HIT - 1e-6).all()


def test_a_replica_s_histogram_counts_every_request():
    for ms in latency.replicas(90).values():
        assert sum(latency.histogram(ms).values()) == len(ms)
    assert latency.histogram(np.array([10, 10.1, 500]))[10] == latency.histogram(np.array([10, 10.1, 500]))[20] == 1


def test_traffic_comes_at_the_rate_that_was_asked_for():
    assert len(latency.traffic(140, 10)) == 1_400 and (np.diff(latency.rush()) >= 0).all()
    begin, end = latency.RUSH
    assert ((latency.rush() >= begin) & (latency.rush() < end)).sum() == 200 * (end - begin) // 1000


def test_a_story_and_its_kin_see_a_faulty_cache():
    class Forgetful(latency.PredictionCache):
        def get(self, features, version):
            return None

    class Eternal(latency.PredictionCache):
        def get(self, features, version):
            return self._answers.get(frozenset(features.items()), (0, None))[1]

        @staticmethod
        def _key(features, version):
            return frozenset(features.items())

    events = (0, {"a": 1}, "v1", 0.5), (9, {"a": 1}, "v1"), (99, {"a": 1}, "v1")
    assert latency.story(latency.PredictionCache, *events) == [0.5, None]
    assert latency.story(Forgetful, *events) == [None, None]
    flights = [{"a": i} for i in range(40)]
    good, bad = (latency.replay(cache, flights, 7) for cache in (latency.PredictionCache, Eternal))
    assert good["too_old"] == good["other_version"] == good["other_flight"] == 0 and 80 < good["computed"] < 140
    assert bad["too_old"] > 0 and bad["other_version"] > 0 and bad["other_flight"] == 0
    assert latency.replay(Forgetful, flights, 7)["computed"] == 200
    assert latency.held(latency.PredictionCache, 3, 20) == [False, True]
    assert latency.held(Forgetful, 3, 20) == [False, False]


def test_auc_is_scikit_learn_s_with_weights_and_ties():
    from sklearn.metrics import roc_auc_score

    dice = np.random.default_rng(2)
    scores, late, weight = dice.integers(0, 9, 300), dice.random(300) < 0.3, dice.integers(0, 4, 300)
    assert latency.auc(scores, late)(weight) == pytest.approx(roc_auc_score(late, scores, sample_weight=weight))


def test_weights_that_are_only_scaled_change_no_auc():
    dice = np.random.default_rng(2)
    month = dice.normal(size=(300, 3)), dice.random(300) < 0.3, np.arange(300) % 10
    assert latency.auc_change(month, np.ones(3), np.ones(3) * 2) == pytest.approx((0, 0, 0))
    change, low, high = latency.auc_change(month, np.ones(3), np.array([1, -1, 1]))
    assert low < change < high


def test_a_converted_model_says_what_the_model_says_of_new_categories_too(model):
    fitted, strange = model
    assert latency.agreement(latency.served(fitted), fitted, strange) == "within 1e-6"
    assert "nknown" in latency.agreement(latency.converted(fitted), fitted, strange)
    assert "apart" in latency.agreement(lambda columns: np.zeros(200), fitted, strange)


def test_bytes_are_those_of_one_row(model):
    _, rows = model
    one, many = latency.bytes_each(rows[:1]), latency.bytes_each(rows)
    assert one["JSON"] < one["Arrow"] and many["Arrow"] < many["JSON"]
