"""Linters and schemas: each file is read by the program that will read it, or by the nearest to it that can be had."""

import os
import re
import sys
import tempfile
from pathlib import Path

import kubernetes_validate

from .common import AUTOSCALE_UNIT, DEPLOY, FAVORITES, ROOT, UNITS, compose, documents, failures, resources, run, text

TOOLS = Path(sys.executable).parent
# The oldest and the newest Kubernetes that the manifests are for.
KUBERNETES = ["1.32", "1.37"]


def yaml():
    yield from failures("yamllint", run("yamllint", "--strict", "-c", DEPLOY / ".yamllint", DEPLOY))


def shell():
    scripts = sorted(DEPLOY.glob("*.sh")) + sorted(DEPLOY.glob("*/*.sh"))
    yield from failures("shellcheck", run("shellcheck", "-x", "-P", "SCRIPTDIR", *scripts))


def dockerfile():
    yield from failures("hadolint", run(TOOLS / "hadolint", "--failure-threshold", "info", DEPLOY / "Dockerfile"))


def compose_file():
    """compose's own reader; it starts nothing."""
    yield from failures(
        "docker-compose config", run(TOOLS / "docker-compose", "-f", DEPLOY / "compose.yaml", "config", "--quiet"))


def kubernetes():
    listed = documents("kubernetes/kustomization.yaml")[0]["resources"]
    there = sorted(path.name for path in (DEPLOY / "kubernetes").glob("*.yaml") if path.name != "kustomization.yaml")
    if sorted(listed) != there:
        yield f"kustomization.yaml lists {sorted(listed)}, there are {there}"
    for version in KUBERNETES:
        for one in resources():
            name = f"{one['kind']}/{one['metadata']['name']}"
            try:
                kubernetes_validate.validate(one, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"{name} is not of Kubernetes {version}: {error.message}"


def kustomize():
    """kubectl is no package of Debian: where it is, it puts the manifests together."""
    result = run("kubectl", "kustomize", DEPLOY / "kubernetes")
    if result.returncode != 127:
        yield from failures("kubectl kustomize", result)


def prometheus():
    yield from failures("promtool check rules", run("promtool", "check", "rules", DEPLOY / "prometheus/alerts.yml"))
    yield from failures(
        "promtool check config", run("promtool", "check", "config", DEPLOY / "prometheus/prometheus.yml"))
    # Debian builds Prometheus without the discovery of pods: it is left out, the rest of that file is checked.
    config = re.sub(r"    kubernetes_sd_configs:\n(?:      .*\n)+", "", text("prometheus/kubernetes.yml"))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "kubernetes.yml").write_text(config)
        Path(folder, "alerts.yml").write_text(text("prometheus/alerts.yml"))
        yield from failures("promtool check config kubernetes.yml", run("promtool", "check", "config", f"{folder}/kubernetes.yml"))


def systemd():
    for unit in [*UNITS, AUTOSCALE_UNIT]:
        with tempfile.TemporaryDirectory() as folder:
            # The program is not where packages put it.
            copy = Path(folder, unit.name.replace("@.", "@node-b."))
            copy.write_text(unit.read_text().replace("/usr/bin/favorites", FAVORITES))
            quiet = dict(os.environ, SYSTEMD_LOG_LEVEL="warning")
            result = run("systemd-analyze", "verify", "--man=no", copy, env=quiet)
            yield from failures(f"systemd-analyze verify {unit.name}", result)
            if result.stderr.strip():
                yield f"systemd-analyze verify {unit.name}: {result.stderr.strip()}"
            if unit == AUTOSCALE_UNIT:
                # It starts and stops units, which fences would forbid.
                continue
            # In tenths: 0 is fenced off from everything, 10.0 not at all.
            yield from failures(
                f"systemd-analyze security {unit.name}",
                run("systemd-analyze", "security", "--offline=true", "--threshold=15", copy))


def varnish():
    """Compiled, with addresses in place of the names."""
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder, "default.vcl")
        rules.write_text(re.sub(r'\.host = "[^"]*"', '.host = "127.0.0.1"', text("varnish/default.vcl")))
        yield from failures("varnishd -C", run("/usr/sbin/varnishd", "-C", "-j", "none", "-n", f"{folder}/n", "-f", rules))
    routers = sorted(re.findall(r'\.host = "([^"]*)"', text("varnish/default.vcl")))
    there = sorted(name for name in compose() if name.startswith("router-"))
    if routers != there:
        yield f"default.vcl names the backends {routers}, compose.yaml has {there}"


def openly_readable():
    """No secret, and no machine's own path, in what is shipped."""
    for path in DEPLOY.rglob("*"):
        if path.is_file() and path.suffix not in (".pyc", ".py") and str(ROOT) in path.read_text():
            yield f"{path.relative_to(ROOT)} names {ROOT}"


CHECKS = [yaml, shell, dockerfile, compose_file, kubernetes, kustomize, prometheus, systemd, varnish, openly_readable]
