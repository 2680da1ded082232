"""deploy/local/up.sh, and what the running cluster says of the manifests. Ends everything that it has started."""

import atexit
import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

from .common import (
    DEPLOY, FAVORITES, ROOT, alerts, compose, dashboard, documents, failures, flag, kubernetes_settings, pods, resources,
    run, text)

# What PromQL has of its own.
WORDS = set(
    """abs absent and avg avg_over_time bool by changes count group_left group_right histogram_quantile ignoring increase
    label_values le max min on or rate sort sum time topk unless vector without""".split())
# A block of commands that takes longer, in seconds, is named: a drain that waits for its whole drain.timeout does.
SLOW = 20
# Labels that Prometheus gives, and its own series.
GIVEN = {"job", "instance", "namespace", "pod", "alertname", "alertstate"}
OWN = {"up", "ALERTS"}


def get(url, seconds=5):
    """Status, headers, body."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url), timeout=seconds) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()
    except OSError as error:
        return 0, {}, str(error)


def until(seconds, done):
    """Asks again until it is done; returns its last word."""
    deadline = time.monotonic() + seconds
    while not (found := done()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


class Cluster:
    """deploy/local's, in a folder and at addresses of its own."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="favorites-check-"))
        net = f"127.{random.randint(65, 126)}.{random.randint(0, 254)}"
        # Metric → its labels → their values, of all members, at any time.
        self.metrics = {}
        self.environment = dict(
            os.environ, LOCAL_DIR=str(self.folder), LOCAL_NET=net, FAVORITES_BIN=FAVORITES, EVENTS="2000")

    def end(self):
        """Ends what still runs, and removes the folder."""
        for process in self.running():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def script(self, name, *arguments):
        return run(DEPLOY / "local" / name, *arguments, seconds=90, env=self.environment)

    def address(self, name):
        return (self.folder / "services" / f"{name}.address").read_text().strip()

    def published(self, name, path):
        """What compose gives to the outside."""
        return "http://" + (self.folder / "services" / f"{name}.published").read_text().split()[0] + path

    def id(self, name):
        return int((self.folder / "run" / name).read_text().split()[0])

    def url(self, name, port, path):
        return f"http://{self.address(name)}:{port}{path}"

    def running(self):
        """The processes that have the folder in their command line."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if str(self.folder) in path.read_text():
                    found.append(int(path.parent.name))
            except OSError:
                pass
        return found


def up(cluster):
    yield from failures("up.sh", cluster.script("up.sh"))
    yield from failures("up.sh a second time", cluster.script("up.sh"))
    # The pods' settings and command make the same topics.
    words = pods()["Job/favorites-topics"]["spec"]["containers"][0]["args"]
    path = cluster.folder / "favorites.yaml"
    values = yaml.safe_load(kubernetes_settings())
    values["kafka"]["brokers"] = (cluster.folder / "run/bootstrap").read_text().strip()
    path.write_text(yaml.safe_dump(values))
    words = [f"--config={path}" if word.startswith("--config=") else word for word in words]
    yield from failures("Job/favorites-topics", run(FAVORITES, *words))


def served(cluster):
    """Answers come through the cache, which keeps them and keeps no errors."""
    base = cluster.published("varnish", "/v1/api/app")
    first, again = get(f"{base}/mym/soccer?teamIds=so0-t2"), get(f"{base}/mym/soccer?teamIds=so0-t2")
    if first[0] != 200 or json.loads(first[2])["total"] == 0 or again[2] != first[2]:
        yield f"the cache answers {first[0]} {first[2][:200]}"
    elif len(again[1]["X-Varnish"].split()) != 2:
        yield "the second answer does not come out of the cache"
    for path, status in (("/mym/curling?teamIds=x", 404), ("/mym/soccer?teamIds=%zz", 400)):
        if (found := get(base + path)[0]) != status:
            yield f"the cache answers {found} for {path}, not {status}"


def probes(cluster):
    """Every path that something is probed at answers 200 on a process of that kind."""
    places = {"node": "node-1", "router": "router-1", "autoscale": "autoscale"}
    asked = set()
    for pod in pods().values():
        one = pod["spec"]["containers"][0]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe in one:
                how = one[probe]["httpGet"]
                asked.add((one["args"][0], flag(one["args"], f"{how['port']}-port"), how["path"]))
        notes = pod["metadata"].get("annotations", {})
        if notes:
            asked.add((one["args"][0], notes["prometheus.io/port"], notes["prometheus.io/path"]))
    for one in compose().values():
        for url in re.findall(r"http://127\.0\.0\.1:(\d+)(\S+)", " ".join(one.get("healthcheck", {}).get("test", []))):
            asked.add((one["command"][0], *url))
    rules = text("varnish/default.vcl")
    asked.add(("router", re.search(r'\.port = "(\d+)"', rules).group(1), re.search(r'\.url = "(.*)"', rules).group(1)))
    if len(asked) < 7:
        yield f"only {len(asked)} probes were found"
    for kind, port, path in sorted(asked):
        status, _, body = get(cluster.url(places[kind], port, path))
        if status != 200:
            yield f"a {kind} answers {status} at port {port} for {path}: {body[:200]}"


def a_node_is_killed(cluster):
    """No request fails, and the node comes back by the same command line."""
    os.kill(cluster.id("node-2"), signal.SIGKILL)
    base = cluster.published("varnish", "/v1/api/app/mym/soccer")
    statuses = [get(f"{base}?teamIds=so0-t{team}&limit={limit}")[0] for limit in (10, 20, 30) for team in range(20)]
    if set(statuses) != {200}:
        yield f"with a node killed {sum(status != 200 for status in statuses)} of {len(statuses)} requests failed"
    yield from failures("up.sh node-2", cluster.script("up.sh", "node-2"))


def documented(cluster):
    """The local commands of OPERATIONS.md, as they stand, but for the folder."""
    document = (ROOT / "docs/OPERATIONS.md").read_text()
    elsewhere = re.compile(r"docker|kubectl|kustomize|systemctl|scripts/deps\.sh|^echo ")
    blocks = [[line for line in block.splitlines() if not elsewhere.search(line)]
              for block in re.findall(r"^```sh\n(.*?)^```", document, re.MULTILINE | re.DOTALL)
              if "deploy/local/" in block or "$(at " in block]
    if len(blocks) < 8:
        yield f"OPERATIONS.md: only {len(blocks)} blocks of local commands"
    define = next(line for block in blocks for line in block if line.startswith("at() "))
    for block in blocks:
        script = "\n".join(["set -eu", define, *block]).replace("favorites-data/local", str(cluster.folder))
        began = time.monotonic()
        result = run("bash", "-c", script, seconds=60, cwd=ROOT, env=cluster.environment)
        if (took := time.monotonic() - began) > SLOW:
            print(f"check.sh: live: OPERATIONS.md: {block[0].strip()} … took {took:.1f} s")
        if result.returncode != 0 or "null" in result.stdout.split():
            yield from failures("OPERATIONS.md: " + " / ".join(block)[:200], result)
            if result.returncode == 0:
                yield f"OPERATIONS.md: {block[0]} … shows null: {result.stdout[-300:]}"


@contextlib.contextmanager
def updates(cluster):
    """A match day is played into the topics meanwhile; gives what has gone wrong with it, which is known at the end."""
    problems = []
    with subprocess.Popen(
            [FAVORITES, "simulate", f"--data={cluster.folder}/offer", "--rate=50",
             "--now=" + time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
             "--kafka-brokers=" + (cluster.folder / "run/bootstrap").read_text().strip()],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as player:
        try:
            yield problems
        finally:
            player.terminate()
        said = player.communicate()[1]
        if player.returncode != 0:
            problems.append(f"simulate failed with {player.returncode}: {said[-500:]}")


def scrape(cluster):
    """Adds what the members export now, and what Prometheus has had of them: some of it is not there at every time."""
    for name, one in compose().items():
        if (one.get("command") or [""])[0] not in ("node", "router", "autoscale") or "profiles" in one:
            continue
        _, _, body = get(cluster.url(name, flag(one["command"], "management-port"), "/metrics"))
        for metric, labels in re.findall(r"^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? ", body, re.MULTILINE):
            values = cluster.metrics.setdefault(metric, {})
            for label, value in re.findall(r'([a-z_]+)="([^"]*)"', labels):
                values.setdefault(label, set()).add(value)
    query = urllib.parse.urlencode({"match[]": '{job=~"favorites-.+"}'})
    for series in prometheus(cluster, f"/series?{query}") or []:
        values = cluster.metrics.setdefault(series.pop("__name__"), {})
        for label, value in series.items():
            values.setdefault(label, set()).add(value)


def expressions():
    """Where an expression stands, and the expression."""
    for rule in alerts():
        yield rule["alert"], rule["expr"]
    board = dashboard()
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield f"panel {panel['title']}", target["expr"]
    for one in board["annotations"]["list"]:
        yield f"annotation {one['name']}", one["expr"]
    for one in resources():
        for metric in one.get("spec", {}).get("metrics", []) if one["kind"] == "HorizontalPodAutoscaler" else []:
            yield f"HorizontalPodAutoscaler/{one['metadata']['name']}", metric["pods"]["metric"]["name"]
    for rule in documents("prometheus/adapter.yaml")[0]["rules"]["custom"]:
        yield "adapter.yaml", rule["seriesQuery"]
    for one in re.findall(r"`([a-z_]+\{[^`]*\})`", (ROOT / "docs/OPERATIONS.md").read_text()):
        yield "OPERATIONS.md", one
    for test in documents("prometheus/alerts_test.yml")[0]["tests"]:
        for series in test["input_series"]:
            yield f"alerts_test.yml: {test['name']}", series["series"]


def unknown(expression, known):
    """What an expression names and no process has."""
    for metric, matchers in re.findall(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^}]*)\}", expression):
        for label, sign, value in re.findall(r'([a-z_]+)\s*(=~|!=|!~|=)\s*"([^"]*)"', matchers):
            if metric in OWN or label in GIVEN or metric not in known:
                continue
            # Of a pattern, what it names by whole words.
            words = [value] if sign in ("=", "!=") else re.findall(r"(?<![^|])[\w-]+(?![^|])", value)
            if label not in known[metric] or not known[metric][label].issuperset(words):
                yield f"{metric}{{{label}{sign}\"{value}\"}}"
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]', " ", expression)
    bare = re.sub(r"\b(by|on|ignoring|without)\s*\([^)]*\)", " ", bare)
    for name in re.findall(r"(?<![\w.])[a-zA-Z_:][a-zA-Z0-9_:]*", bare):
        if name not in WORDS | OWN and name not in known:
            yield name


def metrics(cluster):
    """Every metric, label and value that is named is exported."""
    scrape(cluster)
    known = cluster.metrics
    if len(known) < 40:
        yield f"only {len(known)} metrics were scraped"
    for where, expression in expressions():
        for name in sorted(set(unknown(expression, known))):
            yield f"{where} names {name}, which no process exports"
    for wrong in ('rate(no_such_metric{job="x"}[5m])', 'cache_size{no_such_label="x"}', 'cache_size{name="x"}',
                  'cache_size{name!~"events|x"}'):
        if not list(unknown(wrong, known)):
            yield f"{wrong} is taken for right"


def prometheus(cluster, path):
    """What Prometheus' interface says."""
    status, _, body = get(cluster.published("prometheus", "/api/v1" + path))
    return json.loads(body)["data"] if status == 200 else {}


def figures(cluster, expression):
    """Whether Prometheus has a number for it. A router is asked before, so that there is something to count."""
    for name in ("router-1", "router-2"):
        get(cluster.url(name, 8080, "/v1/api/app/mym/soccer?teamIds=so0-t2"))
    query = urllib.parse.urlencode({"query": expression})
    return any(one["value"][1] != "NaN" for one in prometheus(cluster, f"/query?{query}").get("result", []))


def queried(cluster):
    """Prometheus asks every member, has every alert, and a figure for every panel; nobody would be woken."""
    ask = lambda path: prometheus(cluster, path)
    healthy = until(15, lambda: len(
        [one for one in ask("/targets").get("activeTargets", []) if one["health"] == "up"]) == 6)
    if not healthy:
        yield f"Prometheus does not reach all members: {[one['lastError'] for one in ask('/targets').get('activeTargets', [])]}"
    rules = [rule for group in ask("/rules").get("groups", []) for rule in group["rules"]]
    if sorted(rule["name"] for rule in rules) != sorted(rule["alert"] for rule in alerts()):
        yield f"Prometheus has {len(rules)} rules of {len(alerts())}"
    firing = [one["labels"]["alertname"] for one in ask("/alerts").get("alerts", []) if one["state"] == "firing"]
    if firing:
        yield f"alerts fire: {firing}"
    with updates(cluster) as problems:
        # Rates need two scrapes, and the autoscaler a settled cluster.
        end = time.monotonic() + 30
        for panel in dashboard()["panels"]:
            for target in panel.get("targets", []):
                expression = target["expr"].replace("$instance", ".+")
                # Of 30 s in all, but each is given a few.
                if not until(max(5, end - time.monotonic()), lambda: figures(cluster, expression)):
                    yield f"panel {panel['title']} is empty: {expression}"
    yield from problems
    scrape(cluster)


def all_nodes_are_killed(cluster):
    """Then requests are refused, and the metric says so that wakes somebody."""
    for name in ("node-1", "node-2", "node-3"):
        os.kill(cluster.id(name), signal.SIGKILL)
    status = get(cluster.url("router-1", 8080, "/v1/api/app/mym/soccer?teamIds=so0-t2"))[0]
    if status != 503:
        yield f"without nodes a router answers {status}, not 503"
    missing = lambda: re.search(
        r"^router_partitions_missing [1-9]", get(cluster.url("router-1", 8081, "/metrics"))[2], re.MULTILINE)
    if not until(15, missing):
        yield "without nodes router_partitions_missing stays 0"


def down(cluster):
    yield from failures("down.sh", cluster.script("down.sh"))
    if left := cluster.running():
        yield f"down.sh has left processes: {left}"


STEPS = [up, served, probes, a_node_is_killed, queried, documented, all_nodes_are_killed, metrics, down]


def cluster():
    """All steps on one cluster; where one has found something, the next would tell the same in other words."""
    one = Cluster()
    # Told to stop, by `timeout` or Ctrl-C, this thread has no say.
    atexit.register(one.end)
    try:
        for step in STEPS:
            began = time.monotonic()
            found = list(step(one))
            print(f"check.sh: live: {step.__name__}, {time.monotonic() - began:.1f} s")
            yield from found
            if found:
                break
    finally:
        one.end()


CHECKS = [cluster]
