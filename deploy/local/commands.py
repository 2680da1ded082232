#!/usr/bin/env python3
"""The services of deploy/compose.yaml as processes on this machine.

    commands.py DIR NET          writes what up.sh runs into DIR/services, for addresses NET.1, NET.2, … (NET: 127.x.y)

What a container would run is read from compose.yaml, and its program from the Dockerfile. Only this is changed:

    0.0.0.0, 127.0.0.1           the service's own address, so every service has the ports that it has in a container
    SERVICE:PORT                 that service's address, in arguments and in mounted files; --advertised-host=SERVICE and
                                 VCL's .host = "SERVICE" too. Kafka's brokers become @KAFKA@, which up.sh fills in
    /a/mounted/path              DIR/SERVICE/a/mounted/path: a volume, or a copy of the mounted file
    favorites, varnishd, …       FAVORITES_BIN, and Debian's

Kafka itself is Java and not run: up.sh starts the embedded broker in its place, with the partitions that `topics` asks for.
"""

import json
import os
import re
import shutil
import sys
from pathlib import Path

import yaml

DEPLOY = Path(__file__).resolve().parent.parent
KAFKA_IMAGE = "apache/kafka"


def load():
    """The services by name, as compose sees them."""
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


def entrypoint():
    """The Dockerfile's last ENTRYPOINT."""
    lines = re.findall(r"^ENTRYPOINT\s+(\[.*\])\s*$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    return json.loads(lines[-1])


def is_kafka(service):
    return service["image"].startswith(KAFKA_IMAGE + ":")


def command_line(service):
    """What the container runs. Of the images that are not ours the command names the program."""
    ours = "build" in service
    return service.get("entrypoint", entrypoint() if ours else []) + service.get("command", [])


def partition_options(services):
    """How many partitions `topics` makes: options that the embedded broker takes too."""
    names = ("--partitions=", "--global-partitions=")
    options = [word for word in services["topics"]["command"] if word.startswith(names)]
    if not any(word.startswith(names[0]) for word in options):
        sys.exit("commands.py: the service topics has no --partitions=N")
    return options


def levels(services):
    """How many services stand before each: compose stops those of one level together, the highest first."""
    found = {}

    def level(name):
        if name not in found:
            found[name] = 1 + max((level(other) for other in services[name].get("depends_on", {})), default=0)
        return found[name]

    for name in services:
        level(name)
    return found


class Local:
    """Where things are on this machine."""

    def __init__(self, services, folder, net):
        self.folder = folder
        members = [name for name in services if not is_kafka(services[name])]
        self.addresses = {name: f"{net}.{index + 1}" for index, name in enumerate(members)}
        self.kafka = [name for name in services if is_kafka(services[name])]

    def text(self, text, name):
        """A text of the service `name`, with this machine's addresses."""
        broker = "(?:" + "|".join(map(re.escape, self.kafka)) + r"):\d+"
        text = re.sub(rf"\b{broker}(?:,{broker})*", "@KAFKA@", text)
        own = self.addresses[name]
        text = re.sub(r"\b(?:0\.0\.0\.0|127\.0\.0\.1)\b", own, text)
        for other, address in self.addresses.items():
            other = re.escape(other)
            text = re.sub(rf"(?<![\w.-]){other}(?=:\d)", address, text)
            text = re.sub(rf"(--advertised-host=){other}$", rf"\g<1>{address}", text)
            text = re.sub(rf'(\.host = "){other}"', rf'\g<1>{address}"', text)
        return text

    def path(self, path, name):
        return str(self.folder / name) + path

    def mounts(self, service, name):
        """The paths in the container that are something of their own; mounted files are copied, volumes made."""
        paths = []
        for volume in service.get("volumes", []):
            source, target = volume.split(":")[:2]
            paths.append(target)
            local = Path(self.path(target, name))
            if source.startswith("."):
                local.parent.mkdir(parents=True, exist_ok=True)
                local.write_text(self.text((DEPLOY / source).read_text(), name))
            else:
                local.mkdir(parents=True, exist_ok=True)
        for volume in service.get("tmpfs", []):
            target = volume.split(":")[0]
            paths.append(target)
            Path(self.path(target, name)).mkdir(parents=True, exist_ok=True)
        return paths

    def argument(self, argument, name, paths):
        argument = self.text(argument, name)
        for path in paths:
            argument = re.sub(rf"(^|=){re.escape(path)}(?=/|$)", rf"\g<1>{self.path(path, name)}", argument)
        return argument


def program(name):
    """Where a program of a container is here."""
    name = os.path.basename(name)
    if name == "favorites":
        return os.environ["FAVORITES_BIN"]
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    # Told when it is started: not every run needs it.
    return found or name


def write(path, text):
    """At once, so that whoever reads it meanwhile finds the old text or the new one."""
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.rename(path)


def main():
    if len(sys.argv) != 3 or not re.fullmatch(r"127\.\d+\.\d+", sys.argv[2]):
        sys.exit(__doc__)
    folder = Path(sys.argv[1]).resolve()
    services = load()
    local = Local(services, folder, sys.argv[2])
    out = folder / "services"
    out.mkdir(parents=True, exist_ok=True)
    depth = levels(services)
    names = sorted((name for name in services if not is_kafka(services[name])), key=depth.get)
    for name in names:
        service = services[name]
        paths = local.mounts(service, name)
        words = command_line(service)
        words = [program(words[0])] + [local.argument(word, name, paths) for word in words[1:]]
        health = service.get("healthcheck", {}).get("test", ["CMD"])[1:]
        # A service that others wait for until it is done, and not until it is healthy, ends by itself.
        ends = any(
            other.get("depends_on", {}).get(name, {}).get("condition") == "service_completed_successfully"
            for other in services.values())
        # NUL between words: what bash reads as it stands.
        write(out / f"{name}.command", "".join(word + "\0" for word in words))
        write(out / f"{name}.health", "".join(local.argument(word, name, []) + "\0" for word in health))
        write(out / f"{name}.kind", "ends\n" if ends else "runs\n")
        write(out / f"{name}.address", local.addresses[name] + "\n")
        published = [local.addresses[name] + ":" + port.rsplit(":", 1)[1] for port in service.get("ports", [])]
        write(out / f"{name}.published", "".join(address + "\n" for address in published))
    write(out / "order", "".join(name + "\n" for name in names))
    write(out / "default", "".join(name + "\n" for name in names if "profiles" not in services[name]))
    write(out / "levels", "".join(f"{depth[name]} {name}\n" for name in names))
    write(out / "partitions", "".join(option + "\0" for option in partition_options(services)))


if __name__ == "__main__":
    main()
