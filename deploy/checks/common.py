"""What several parts need: the files of deploy/ as data, and commands with a limit on their time."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import yaml

DEPLOY = Path(__file__).resolve().parent.parent
ROOT = DEPLOY.parent
FAVORITES = os.environ["FAVORITES_BIN"]
# Of members; and of the autoscaler, which is none.
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
AUTOSCALE_UNIT = DEPLOY / "autoscale/systemd/favorites-autoscale.service"


def run(*command, seconds=30, **options):
    """Runs a command to its end. A missing or endless one is a result too."""
    try:
        return subprocess.run(
            [str(word) for word in command], capture_output=True, text=True, timeout=seconds,
            stdin=subprocess.DEVNULL, check=False, **options)
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127, "", f"no {command[0]}; run scripts/deps.sh deploy")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"not done in {seconds} s")


def failures(name, result):
    """A problem where the command failed."""
    if result.returncode != 0:
        yield f"{name} failed with {result.returncode}: {(result.stdout + result.stderr).strip()[-2000:]}"


def text(path):
    return (DEPLOY / path).read_text()


def documents(path):
    return [document for document in yaml.safe_load_all(text(path)) if document]


def compose():
    return yaml.safe_load(text("compose.yaml"))["services"]


def resources():
    """Every Kubernetes resource, as the kustomization lists them."""
    return [one for path in documents("kubernetes/kustomization.yaml")[0]["resources"]
            for one in documents(f"kubernetes/{path}")]


def pods():
    """The pod templates by the names of what makes them."""
    return {f"{one['kind']}/{one['metadata']['name']}": one["spec"]["template"]
            for one in resources() if one["kind"] in ("Deployment", "StatefulSet", "Job")}


def alerts():
    return [rule for group in documents("prometheus/alerts.yml")[0]["groups"] for rule in group["rules"]]


def dashboard():
    return json.loads(text("grafana/favorites.json"))


def unit_values(path, key):
    """The values of a key of a systemd unit."""
    return re.findall(rf"^{key}=(.*)$", path.read_text(), re.MULTILINE)


def unit_command(path):
    return shlex.split(unit_values(path, "ExecStart")[0])


def flag(words, name, default=None):
    """The value of --name=value."""
    return next((word.split("=", 1)[1] for word in words if word.startswith(f"--{name}=")), default)


def seconds(duration):
    """30s, 10m, 1h, 500ms as seconds."""
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h|d)?", str(duration)).groups()
    return int(number) * {"ms": 0.001, None: 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[unit]


def settings(document, prefix=""):
    """A settings file's values by dotted keys."""
    found = {}
    for key, value in document.items():
        if isinstance(value, dict):
            found.update(settings(value, f"{prefix}{key}."))
        else:
            found[prefix + key] = value
    return found


def kubernetes_settings():
    """The text of the settings file of the pods."""
    return next(one["data"]["favorites.yaml"] for one in resources() if one["kind"] == "ConfigMap")
