"""The replication in simulated time: providers with quotas, and three ways to call them.

Everything here is simulated: the clock, the providers, the functions, and the pace of the job. One event is one
request. The order of events is that of their times, and chance comes from a seed, so a simulation can be repeated.
"""

import heapq
import itertools
import math
import random


class Quota:
    """One limit of a provider, counted in windows that begin at multiples of their length."""

    def __init__(self, of, count, window):
        self.of, self.count, self.window = of, count, window
        self.at, self.used = -1, 0

    def left(self, now):
        """What is left in the window of this moment."""
        at = math.floor(now / self.window)
        if at != self.at:
            self.at, self.used = at, 0
        return self.count - self.used

    def reset(self, now):
        """The time until the next window."""
        return (math.floor(now / self.window) + 1) * self.window - now


class Provider:
    """A storage provider. It takes a request or refuses it, and counts both."""

    def __init__(self, limits, cost, retry_after, refused_count, other_errors, chance):
        self.quotas = [Quota(**limit) for limit in limits]
        self.cost, self.retry_after, self.refused_count = cost, retry_after, refused_count
        self.other_errors, self.chance = other_errors, chance
        self.requests = self.throttled = self.failed = 0

    def request(self, now, stage):
        """Status and Retry-After of a request."""
        self.requests += 1
        quotas = [quota for quota in self.quotas if quota.of in ("all", stage)]
        over = [quota for quota in quotas if quota.left(now) < self.cost]
        if not over or self.refused_count:
            for quota in quotas:
                quota.used += self.cost
        if over:
            self.throttled += 1
            return 429, max(quota.reset(now) for quota in over) if self.retry_after else None
        if self.chance.random() < self.other_errors:
            self.failed += 1
            return 503, None
        return 200, None


class Month:
    """A simulation: a clock, and processes that are generators of the times for which they wait."""

    def __init__(self, parameters, seed=1):
        self.p, self.now, self.queue, self.count = parameters, 0.0, [], 0
        self.chance = random.Random(seed)
        self.providers = {
            name: Provider(**of, other_errors=parameters["other_errors"], chance=self.chance)
            for name, of in parameters["providers"].items()
        }

    def start(self, process, after=0.0):
        self.count += 1
        heapq.heappush(self.queue, (self.now + after, self.count, process))

    def run(self):
        """Runs until nothing is left, and returns the time of the last event."""
        while self.queue:
            self.now, _, process = heapq.heappop(self.queue)
            wait = next(process, None)
            if wait is not None:
                self.start(process, wait)
        return self.now

    def entity(self):
        """The stages of the requests of an entity, in their order."""
        return [stage for stage, count in self.p["requests_of_an_entity"].items() for _ in range(count)]


def chain(month):
    """Every entity at once. Three functions, one per stage, call each other; a function that fails is called again by
    Lambda, and in the end by the next start of the whole. It goes on with the request that failed."""
    p = month.p["chain"]
    slots = {"free": p["functions_at_once"]}

    def call(provider, stage):
        for attempt in range(p["attempts"]):
            yield month.p["latency"][stage]
            status, _ = provider.request(month.now, stage)
            if status == 200:
                return True
            yield month.chance.uniform(0, min(p["longest_backoff"], p["backoff"] * 2**attempt))
        return False

    def function(provider, stage, left):
        begun = month.now
        while left:
            done = yield from call(provider, stage)
            if not done or month.now - begun > p["function_limit"]:
                return left
            left -= 1
        return 0

    def entity(provider):
        for stage, left in month.p["requests_of_an_entity"].items():
            waits = itertools.cycle([*p["function_retries"], p["started_again_after"]])
            while left:
                while slots["free"] == 0:
                    yield 1.0
                slots["free"] -= 1
                left = yield from function(provider, stage, left)
                slots["free"] += 1
                if left:
                    yield next(waits)

    for name, count in month.p["work"].items():
        for _ in range(count):
            month.start(entity(month.providers[name]))
    return month.run()


def workflow(month):
    """The metronome, its workers and their tasks, as in the definitions of this folder."""
    p = month.p["metronome"]

    def worker(name, provider, entities, running):
        for _ in range(entities):
            for stage in month.entity():
                tries = 0
                while True:
                    yield month.p["latency"][stage]
                    status, _ = provider.request(month.now, stage)
                    if status == 200:
                        break
                    tries += 1
                    yield month.chance.uniform(0, p["interval"] * 2 ** min(tries - 1, p["attempts"] - 2))
        running[name] -= 1

    def metronome(name, running):
        provider, left, seen = month.providers[name], month.p["work"][name], 0
        running[name] = 0
        while left:
            throttled, seen = provider.throttled - seen, provider.throttled
            if running[name] < p["workers"][name] and throttled == 0:
                batch = min(left, p["batch"])
                left, running[name] = left - batch, running[name] + 1
                month.start(worker(name, provider, batch, running))
            yield p["tick"]

    running = {}
    for name in month.p["work"]:
        month.start(metronome(name, running))
    return month.run()


def job(month):
    """One request per line, stage by stage, at a share of the rate that the provider allows."""
    share = month.p["job"]["share_of_quota"]

    def line(provider, stage, left):
        yield month.p["latency"][stage]
        while provider.request(month.now, stage)[0] != 200:
            yield month.chance.uniform(0, 2.0)
        left[0] -= 1

    def lane(name):
        provider = month.providers[name]
        for stage, count in month.p["requests_of_an_entity"].items():
            rates = [q.count / q.window / provider.cost for q in provider.quotas if q.of in ("all", stage)]
            pause, left = 1 / (min(rates) * share), [count * month.p["work"][name]]
            for _ in range(left[0]):
                month.start(line(provider, stage, left))
                yield pause
            while left[0]:
                yield 0.1

    for name in month.p["work"]:
        month.start(lane(name))
    return month.run()


WAYS = {"chain of functions": chain, "workflow": workflow, "throughline job": job}


def simulate(parameters, seed=1):
    """The three ways: hours, requests, throttled ones and other errors of each."""
    results = {}
    for name, way in WAYS.items():
        month = Month(parameters, seed)
        seconds = way(month)
        total = lambda what: sum(getattr(provider, what) for provider in month.providers.values())
        results[name] = {"hours": seconds / 3600, **{what: total(what) for what in ("requests", "throttled", "failed")}}
    return results
