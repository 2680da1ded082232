"""Every command line is given to the program, as it stands. Its management port is taken, so a member ends at once with a
line that says so: by then it has read and checked all its flags, values, variables and files. Those of `topics` are run
by the part `live`."""

import re
import socket
import tempfile
from pathlib import Path

from .common import AUTOSCALE_UNIT, FAVORITES, UNITS, compose, kubernetes_settings, pods, run, text, unit_command

# What systemd and Kubernetes fill in.
FILLED_IN = {"$(POD_NAME)": "favorites-0", "$(POD_IP)": "10.0.0.1", "%i": "node-b", "%l": "host-1", "%H": "host-1.example.com"}


def command_lines():
    """Where it stands, the words behind the program, the text of its settings file."""
    for name, one in compose().items():
        if "build" in one:
            yield f"compose.yaml: {name}", one["command"], None
    for name, pod in pods().items():
        yield name, pod["spec"]["containers"][0]["args"], kubernetes_settings()
    for unit in UNITS:
        yield unit.name, unit_command(unit)[1:], text("systemd/favorites.yaml")
    hook = re.search(r"^# +(autoscale\.command: .*)$", AUTOSCALE_UNIT.read_text(), re.MULTILINE).group(1)
    yield AUTOSCALE_UNIT.name, unit_command(AUTOSCALE_UNIT)[1:], f"{hook}\n"


def ends_as_expected(where, words, settings, port, folder):
    Path(folder, "favorites.yaml").write_text(settings or "")
    given = []
    for word in words:
        for name, value in FILLED_IN.items():
            word = word.replace(name, value)
        key = word.split("=")[0]
        replaced = {"--management-port": port, "--data-dir": f"{folder}/data", "--config": f"{folder}/favorites.yaml"}
        given.append(f"{key}={replaced[key]}" if key in replaced else word)
    if words[0] != "autoscale" and not any(word.startswith("--data-dir=") for word in given):
        given.append(f"--data-dir={folder}/data")
    result = run(FAVORITES, *given, seconds=20)
    if result.returncode != 69 or "management.port" not in result.stderr:
        yield f"{where} does not start: {result.returncode}: {result.stderr.strip()[-500:]}"


def every_command_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for where, words, settings in command_lines():
            if words[0] == "topics":
                continue
            with tempfile.TemporaryDirectory() as folder:
                yield from ends_as_expected(where, words, settings, port, folder)


def a_wrong_flag_is_found():
    """That this way of checking can fail."""
    with socket.socket() as taken, tempfile.TemporaryDirectory() as folder:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for wrong in (["node", "--no-such-flag=1", "--management-port=1"], ["node", "--node-weight=99", "--management-port=1"]):
            if not list(ends_as_expected("", wrong, None, taken.getsockname()[1], folder)):
                yield f"{wrong} is taken for right"


CHECKS = [every_command_line, a_wrong_flag_is_found]
