"""The same workflow and job for real: HTTP providers on this machine, the server with the definitions, and throughline.

The providers have the rates and latencies of the month. Their windows are a second, with the quota of a second, so
that half a minute of work has thirty windows. Nothing else is simulated.
"""

import json
import pathlib
import random
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

from functions import Failure, functions, serve
from server import Server, expect, function
from simulate import Provider

HERE = pathlib.Path(__file__).resolve().parent
PERIOD = "2026-11"


class Cloud:
    """Three providers behind HTTP. They know which objects they have."""

    def __init__(self, parameters):
        self.p, self.lock, self.objects = parameters, threading.Lock(), {}
        self.providers, self.urls = {}, {}
        for name, of in parameters["providers"].items():
            limits = [
                {"of": q["of"], "count": q["count"] // q["window"], "window": 1} for q in of["limits"]
            ]
            chance = random.Random(name)
            self.providers[name] = Provider(
                limits, of["cost"], of["retry_after"], of["refused_count"], parameters["other_errors"], chance
            )
            self.urls[name] = serve(lambda method, path, headers, body, name=name: self.respond(name, path))

    def respond(self, name, path):
        """A PUT of /STAGE/ENTITY/NUMBER. Retry-After has whole seconds."""
        stage = path.split("/")[1]
        time.sleep(self.p["latency"][stage])
        with self.lock:
            status, after = self.providers[name].request(time.time(), stage)
            if status == 200:
                self.objects.setdefault(name, set()).add(path)
        return status, {} if after is None else {"retry-after": "1"}, b"{}"

    def totals(self):
        return {what: sum(getattr(p, what) for p in self.providers.values()) for what in ("requests", "throttled", "failed")}

    def has(self, name, entity):
        """Whether an entity is complete."""
        counts = self.p["requests_of_an_entity"].items()
        paths = {f"/{stage}/{entity}/{number}" for stage, count in counts for number in range(count)}
        return paths <= self.objects.get(name, set())

    def complete(self, work):
        return all(self.has(name, f"{name}-{n}") for name, count in work.items() for n in range(count))


class Functions:
    """The functions of the definitions, with the state that they would keep in a table."""

    def __init__(self, cloud, work):
        self.cloud, self.lock = cloud, threading.Lock()
        self.waiting = {name: [f"{name}-{n}" for n in range(count)] for name, count in work.items()}
        self.taken, self.workers = {}, {name: set() for name in work}
        self.open, self.seen = dict(work), {name: 0 for name in work}

    def group(self, _call):
        return {"providers": list(self.waiting)}

    def metrics(self, call):
        name, provider = call["provider"], self.cloud.providers[call["provider"]]
        with self.lock:
            throttled, self.seen[name] = provider.throttled - self.seen[name], provider.throttled
            limit = self.cloud.p["metronome"]["workers"][name]
            return {
                "open": self.open[name], "waiting": len(self.waiting[name]), "throttled": throttled,
                "workers": len(self.workers[name]), "limit": limit,
            }

    def take(self, call):
        name = call["provider"]
        with self.lock:
            if call["worker"] not in self.taken:
                # A batch of one, since there are few entities.
                self.taken[call["worker"]] = self.waiting[name][:1]
                self.waiting[name] = self.waiting[name][1:]
                self.workers[name].add(call["worker"])
            return {"entities": self.taken[call["worker"]]}

    def done(self, call):
        with self.lock:
            if call["worker"] in self.workers[call["provider"]]:
                self.workers[call["provider"]].remove(call["worker"])
                for entity in self.taken[call["worker"]]:
                    if self.cloud.has(call["provider"], entity):
                        self.open[call["provider"]] -= 1
                    else:
                        self.waiting[call["provider"]].append(entity)
        return {}

    def stage(self, stage):
        def requests(call):
            name = call["provider"]
            for number in range(self.cloud.p["requests_of_an_entity"][stage]):
                path = f"/{stage}/{call['entity']}/{number}"
                if path in self.cloud.objects.get(name, ()):
                    continue
                try:
                    request = urllib.request.Request(self.cloud.urls[name] + path, b"", method="PUT")
                    urllib.request.urlopen(request, timeout=30).close()
                except urllib.error.HTTPError as error:
                    raise Failure("Throttled" if error.code == 429 else "ProviderError", str(error)) from error
            return {}

        return requests

    def named(self):
        stages = {stage: self.stage(stage) for stage in self.cloud.p["requests_of_an_entity"]}
        return {"group": self.group, "metrics": self.metrics, "take": self.take, "done": self.done, **stages}


def workflow(parameters, work, state):
    """The definitions of this folder, with a tick of a second."""
    cloud = Cloud(parameters)
    named = Functions(cloud, work).named()
    with Server(state, functions=functions(named)) as server:
        values = {f"{name.capitalize()}FunctionArn": function(name) for name in named}
        for name in ("task", "worker", "metronome", "service"):
            arn = server.machine(name, HERE / f"{name}.asl.json", **values)
            values[f"{name.capitalize()}StateMachineArn"] = arn
        begun = time.monotonic()
        execution = server.run(arn, {"period": PERIOD, "tick": 1})
        server.show(execution)
        server.succeeded(execution, 110)
        seconds = time.monotonic() - begun
    expect(cloud.complete(work), "the workflow has replicated every entity")
    return {"seconds": seconds, **cloud.totals()}


def job(parameters, work):
    """A job per stage, since a stage needs the one before. Each provider has its own limit."""
    cloud, begun = Cloud(parameters), time.monotonic()
    share = parameters["job"]["share_of_quota"]
    with tempfile.TemporaryDirectory() as folder:
        for stage, count in parameters["requests_of_an_entity"].items():
            limits = ""
            for name, provider in cloud.providers.items():
                rate = min(q.count / q.window / provider.cost for q in provider.quotas if q.of in ("all", stage))
                limits += f'[limits.{name}]\nrate = "{round(rate * share * 3600)}/h"\n'
            path = pathlib.Path(folder)
            (path / f"{stage}.toml").write_text(
                f'[request]\nmethod = "PUT"\nurl = "{{{{ endpoint }}}}/{stage}/{{{{ entity }}}}/{{{{ number }}}}"\n'
                f'allow = ["127.0.0.1"]\n[limits]\nby = "{{{{ provider }}}}"\n{limits}'
            )
            lines = [
                f"{name},{cloud.urls[name]},{name}-{entity},{number}"
                for entity in range(max(work.values())) for name in work if entity < work[name] for number in range(count)
            ]
            (path / f"{stage}.csv").write_text("\n".join(["provider,endpoint,entity,number", *lines, ""]))
            command = ["throughline", "run", f"{stage}.toml", f"{stage}.csv", "-o", f"{stage}.out.csv", "--json"]
            ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            expect(ran.returncode == 0, f"the job of {stage} succeeds: {ran.stdout[-400:]}{ran.stderr}")
    expect(cloud.complete(work), "the job has replicated every entity")
    return {"seconds": time.monotonic() - begun, **cloud.totals()}
