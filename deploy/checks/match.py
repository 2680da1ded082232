"""What one file says of another."""

import re

from .common import (
    AUTOSCALE_UNIT, FAVORITES, ROOT, UNITS, alerts, compose, dashboard, documents, flag, kubernetes_settings, pods, resources,
    run, seconds, settings, text, unit_command, unit_values)

import yaml

# Default of drain.timeout, where a command line says nothing.
DRAIN = "30s"


def dockerfile_names():
    """Packages of the image, its user, its ports."""
    lines = text("Dockerfile").replace("\\\n", " ")
    last = lines[lines.rindex("\nFROM "):]
    packages = re.search(r"--no-install-recommends\s+(.*?)&&", last).group(1).split()
    user = re.search(r"^USER (\d+):(\d+)", last, re.MULTILINE).groups()
    ports = re.search(r"^EXPOSE (.*)$", last, re.MULTILINE).group(1).split()
    return packages, user, set(ports)


def runbook():
    """Each alert has an entry in the runbook, each entry an alert."""
    entries = re.findall(r"^#### (Favorites\w+)$", (ROOT / "docs/OPERATIONS.md").read_text(), re.MULTILINE)
    names = [rule["alert"] for rule in alerts()]
    for name in sorted(set(names) ^ set(entries)):
        yield f"{name} stands in {'alerts.yml' if name in names else 'OPERATIONS.md'} alone"
    for rule in alerts():
        notes = rule["annotations"]
        if notes.get("runbook_url") != f"docs/OPERATIONS.md#{rule['alert'].lower()}":
            yield f"{rule['alert']}: runbook_url is {notes.get('runbook_url')}"
        if rule["labels"].get("severity") not in ("page", "ticket") or not notes["summary"] or not notes["description"]:
            yield f"{rule['alert']}: no severity page or ticket, or no summary and description"
    if len(set(names)) != len(names):
        yield "an alert's name stands twice"


def links():
    """A link within a document leads to a heading."""
    for path in (ROOT / "docs/OPERATIONS.md", ROOT / "deploy/README.md"):
        document = path.read_text()
        headings = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
                    for title in re.findall(r"^#+ (.*)$", document, re.MULTILINE)}
        for link in set(re.findall(r"\]\(#([^)]*)\)", document)) - headings:
            yield f"{path.name}: no heading #{link}"


def image_packages():
    """The image has the libraries that the program is linked with, and no others."""
    packages, _, _ = dockerfile_names()
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", FAVORITES).stdout)
    places = dict(re.findall(r"^\s*(\S+) => (\S+)", run("ldd", FAVORITES).stdout, re.MULTILINE))
    linked = set()
    for library in needed:
        place = places.get(library, "")
        # The image links Swift's own libraries into the program.
        if not place or "/swift/" in place:
            continue
        owner = run("dpkg-query", "-S", "*" + place.removeprefix("/usr")).stdout.split(":")[0]
        if not owner:
            yield f"no package has {place}"
        linked.add(owner)
    linked -= {"libc6", "libgcc-s1"}
    listed = {name for name in packages if name.startswith(("lib", "zlib"))}
    if listed != linked or not linked:
        yield f"Dockerfile installs {sorted(listed)}, the program is linked with {sorted(linked)}"


def members():
    return {name: one for name, one in compose().items() if (one.get("command") or [""])[0] in ("node", "router")}


def compose_ports():
    _, _, exposed = dockerfile_names()
    for name, one in members().items():
        words = one["command"]
        port = flag(words, "management-port")
        if not any(f":{port}/health/ready" in word for word in one["healthcheck"]["test"]):
            yield f"compose.yaml: {name} is not checked at its management port {port}"
        ports = {value for value in (flag(words, f"{kind}-port") for kind in ("link", "http", "management")) if value}
        if not ports <= exposed:
            yield f"compose.yaml: {name} listens on {sorted(ports)}, the image exposes {sorted(exposed)}"
        if flag(words, "advertised-host") != name or flag(words, "node-id") != name:
            yield f"compose.yaml: {name} says that it is another"
        if not any(volume.split(":")[1] == flag(words, "data-dir") for volume in one["volumes"]):
            yield f"compose.yaml: {name} has no volume at its data.dir, and its root is read-only"
        if seconds(one["stop_grace_period"]) <= seconds(flag(words, "drain-timeout", DRAIN)):
            yield f"compose.yaml: {name} is killed before its drain.timeout has passed"
    for setting in ("cluster-replicas", "kafka-brokers"):
        if len({flag(one["command"], setting) for one in members().values()}) != 1:
            yield f"compose.yaml: --{setting} is not the same on all members"


def compose_order():
    """What is waited for can come about: compose's own reader does not look."""
    services = compose()
    for name, one in services.items():
        for other, how in one.get("depends_on", {}).items():
            wanted = how["condition"]
            if wanted not in ("service_healthy", "service_completed_successfully"):
                yield f"compose.yaml: {name} waits for {other} to be {wanted}"
            if wanted == "service_healthy" and "healthcheck" not in services[other]:
                yield f"compose.yaml: {name} waits for {other} to be healthy, which has no healthcheck"


def compose_scraped():
    """Prometheus asks every member, under the job's name that the alerts expect."""
    jobs = {job["job_name"]: sorted(target for group in job["static_configs"] for target in group["targets"])
            for job in documents("prometheus/prometheus.yml")[0]["scrape_configs"]}
    wanted = {}
    for name, one in {**members(), "autoscale": compose()["autoscale"]}.items():
        if "profiles" in one:
            continue
        job = f"favorites-{one['command'][0]}"
        wanted.setdefault(job, []).append(f"{name}:{flag(one['command'], 'management-port')}")
    if jobs != wanted:
        yield f"prometheus.yml asks {jobs}, compose.yaml has {wanted}"


def compose_published():
    for name in ("varnish", "prometheus"):
        one = compose()[name]
        for port in one["ports"]:
            if not any(word.endswith(f"0.0.0.0:{port.rsplit(':', 1)[1]}") for word in one["command"]):
                yield f"compose.yaml: {name} publishes {port} and does not listen there"


def container(pod):
    return pod["spec"]["containers"][0]


def pod_ports():
    for name, pod in pods().items():
        one = container(pod)
        ports = {port["name"]: str(port["containerPort"]) for port in one.get("ports", [])}
        for kind, port in ports.items():
            if flag(one["args"], f"{kind}-port") != port:
                yield f"{name}: port {kind} is {port}, the command says {flag(one['args'], f'{kind}-port')}"
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe in one and one[probe]["httpGet"]["port"] not in ports:
                yield f"{name}: {probe} asks a port that is not there"
        notes = pod["metadata"].get("annotations", {})
        if notes.get("prometheus.io/port", ports.get("management")) != ports.get("management"):
            yield f"{name}: prometheus.io/port is not the management port"


def pod_security():
    """As the namespace demands, as the image is, and with what the program needs."""
    _, (user, group), _ = dockerfile_names()
    images = [image["name"] for image in documents("kubernetes/kustomization.yaml")[0]["images"]]
    values = settings(yaml.safe_load(kubernetes_settings()))
    for name, pod in pods().items():
        one, spec = container(pod), pod["spec"]
        who = spec["securityContext"]
        if (str(who["runAsUser"]), str(who["runAsGroup"])) != (user, group) or not who["runAsNonRoot"]:
            yield f"{name}: runs as {who}, the image's user is {user}:{group}"
        fences = one["securityContext"]
        if fences != {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}:
            yield f"{name}: securityContext is {fences}"
        if one["image"] not in images:
            yield f"{name}: its image is not set by the kustomization"
        mounts = [mount["mountPath"] for mount in one["volumeMounts"]]
        if not flag(one["args"], "config").startswith(tuple(mounts)):
            yield f"{name}: its settings file is not mounted"
        if one["args"][0] in ("node", "router") and values["data.dir"] not in mounts:
            yield f"{name}: nothing is mounted at data.dir"
        if "limits" not in one["resources"] or "memory" not in one["resources"]["requests"]:
            yield f"{name}: no requests and limits"


def pod_end():
    drain = seconds(settings(yaml.safe_load(kubernetes_settings()))["drain.timeout"])
    for name, pod in pods().items():
        one, spec = container(pod), pod["spec"]
        if one["args"][0] not in ("node", "router"):
            continue
        pause = int(one.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["", "0"])[1])
        if spec["terminationGracePeriodSeconds"] <= drain + pause:
            yield f"{name}: killed before its drain.timeout has passed"


def selectors():
    """Every selector finds a pod of ours, every name of another resource is one."""
    labels = [pod["metadata"]["labels"] for pod in pods().values()]
    finds = lambda wanted: any(wanted.items() <= one.items() for one in labels)
    names = {(one["kind"], one["metadata"]["name"]) for one in resources()}
    ports = {port["name"] for pod in pods().values() for port in container(pod).get("ports", [])}
    for one in resources():
        name, spec = f"{one['kind']}/{one['metadata']['name']}", one.get("spec", {})
        wanted = spec.get("selector", spec.get("podSelector", {}))
        if not finds(wanted.get("matchLabels", wanted)):
            yield f"{name} selects no pod"
        for port in spec.get("ports", []) if one["kind"] == "Service" else []:
            if port["targetPort"] not in ports:
                yield f"{name}: no pod has a port {port['targetPort']}"
        if one["kind"] == "HorizontalPodAutoscaler":
            target = spec["scaleTargetRef"]
            if (target["kind"], target["name"]) not in names:
                yield f"{name} scales nothing"
        if one["kind"] == "StatefulSet" and ("Service", spec["serviceName"]) not in names:
            yield f"{name}: no Service {spec['serviceName']}"


def network():
    """What the policies let in is what is listened on, and each component has one."""
    for component in ("node", "router"):
        pod = next(pod for pod in pods().values() if pod["metadata"]["labels"]["app.kubernetes.io/component"] == component)
        listens = {port["containerPort"] for port in container(pod)["ports"]}
        policy = next(one for one in resources()
                      if one["kind"] == "NetworkPolicy" and one["metadata"]["name"] == f"favorites-{component}")
        let_in = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
        if let_in != listens:
            yield f"NetworkPolicy favorites-{component} lets in {sorted(let_in)}, the pod listens on {sorted(listens)}"


def units():
    values = settings(yaml.safe_load(text("systemd/favorites.yaml")))
    user = re.search(r"^u (\S+)", text("systemd/favorites.sysusers"), re.MULTILINE).group(1)
    programs = {unit_command(unit)[0] for unit in [*UNITS, AUTOSCALE_UNIT]}
    if programs != {"/usr/bin/favorites"}:
        yield f"units run {sorted(programs)}"
    for unit in UNITS:
        words = unit_command(unit)
        if seconds(unit_values(unit, "TimeoutStopSec")[0]) <= seconds(values["drain.timeout"]):
            yield f"{unit.name}: killed before its drain.timeout has passed"
        if "/var/lib/" + unit_values(unit, "StateDirectory")[0] != flag(words, "data-dir"):
            yield f"{unit.name}: StateDirectory is not its data.dir"
        if unit_values(unit, "User") != [user]:
            yield f"{unit.name}: its user is not that of favorites.sysusers"


def partitions():
    """The numbers are for ever, so they should not differ by accident."""
    lists = [compose()["topics"]["command"], container(pods()["Job/favorites-topics"])["args"]]
    for name in ("partitions", "global-partitions"):
        counts = {flag(words, name) for words in lists}
        if len(counts) != 1:
            yield f"topics get different numbers of {name}: {sorted(counts)}"


def grafana():
    board = dashboard()
    if board["title"] != "Favorites prometheus monitoring":
        yield f"the dashboard's title is {board['title']}"
    taken, ids = set(), [panel["id"] for panel in board["panels"]]
    if len(set(ids)) != len(ids):
        yield "two panels have one id"
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        if cells & taken or at["x"] + at["w"] > 24:
            yield f"panel {panel['title']} lies over another, or beyond the edge"
        taken |= cells
        for target in panel.get("targets", []):
            if target["datasource"]["uid"] != "${datasource}" or not target["expr"]:
                yield f"panel {panel['title']}: a target without its Prometheus"


CHECKS = [
    runbook, links, image_packages, compose_ports, compose_order, compose_scraped, compose_published, pod_ports, pod_security, pod_end,
    selectors, network, units, partitions, grafana]
