#!/usr/bin/env python3
"""Whose the calls of the allocator are that count_mallocs.c counted.

    allocation-callers.py MAPS EXECUTABLE SYMBOLS BEFORE AFTER [--stacks N]

MAPS: a copy of /proc/PID/maps; SYMBOLS: what `nm --defined-only` and `readelf -lW` say of EXECUTABLE, one behind the other
(asked for once, since that takes longer than all the rest); BEFORE and AFTER: copies of the counts. Prints the calls between the two by owner:

    ours N          the innermost caller that is no runtime's or standard library's is of a module of this project
    nio N           of SwiftNIO
    rest N          of another package, or no such caller is known
    background N    whoever called: on the writer's thread, the watch's, the cluster's or one of librdkafka's, which no request waits for

With --stacks also the N stacks that called most, innermost first.
"""

import bisect
import collections
import os
import re
import struct
import subprocess
import sys

STACK_WORDS = 16
MODULES = set(os.listdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Sources")))


def read_counts(path):
    counts = {}
    with open(path, "rb") as file:
        for words in struct.iter_unpack("<%dQ" % STACK_WORDS, file.read()):
            if words[0]:
                counts[words[1]] = (words[0], [word for word in words[2:] if word])
    return counts


def read_maps(path):
    """Start, end, offset and file of what can be run."""
    maps = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            fields = line.split()
            if len(fields) >= 6 and "x" in fields[1]:
                start, end = (int(text, 16) for text in fields[0].split("-"))
                maps.append((start, end, int(fields[2], 16), fields[5]))
    return maps


class Symbols:
    """Names of an executable's functions, by address."""

    def __init__(self, path):
        found, self.loads = [], []
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                symbol = re.match(r"([0-9a-f]+) [tTwW] (.*)", line)
                # Where the file's bytes that can be run are linked to: an offset in the file is another address.
                load = re.match(r"\s+LOAD\s+(0x[0-9a-f]+) (0x[0-9a-f]+) 0x[0-9a-f]+ (0x[0-9a-f]+)", line)
                if symbol:
                    found.append((int(symbol[1], 16), symbol[2]))
                elif load:
                    self.loads.append(tuple(int(text, 16) for text in load.groups()))
        found.sort()
        self.addresses = [address for address, _ in found]
        self.names = [name for _, name in found]

    def name(self, offset):
        for start, address, size in self.loads:
            if start <= offset < start + size:
                index = bisect.bisect_right(self.addresses, offset - start + address) - 1
                return self.names[index] if index >= 0 else "?"
        return "?"


def owner_of(name):
    """None for what belongs to a runtime or the standard library: then its caller decides."""
    if name.startswith(("CNIO", "c_nio")):
        return "nio"
    if name.startswith(("cxxhash", "csimdjson")):
        return "ours"
    mangled = re.match(r"\$s(\d+)", name)
    if not mangled:
        return None
    module = name[mangled.end() : mangled.end() + int(mangled.group(1))]
    if module in MODULES:
        return "ours"
    return "nio" if module.startswith(("NIO", "_NIO")) else "rest"


def is_background(name):
    """Whether a function runs on the writer's, the watch's or the cluster's thread alone, or writes a router's view."""
    return name.startswith("$s7Cluster") or any(
        owner in name for owner in ("12WriterThread", "11BrokerWatch", "10ViewKeeper"))


def main():
    arguments = sys.argv[1:]
    shown = 0
    if "--stacks" in arguments:
        place = arguments.index("--stacks")
        shown = int(arguments[place + 1])
        del arguments[place : place + 2]
    maps_path, executable, symbols_path, before_path, after_path = arguments
    maps, symbols = read_maps(maps_path), Symbols(symbols_path)
    executable = os.path.realpath(executable)
    before, after = read_counts(before_path), read_counts(after_path)

    def frame(address):
        # A return address stands behind its call, which may be the last of its function.
        address -= 1
        for start, end, offset, path in maps:
            if start <= address < end:
                if os.path.realpath(path) == executable:
                    return symbols.name(address - start + offset), path
                return None, path
        return None, "?"

    def owner_of_stack(frames):
        callers = [frame(address) for address in frames]
        if any("librdkafka" in path or is_background(name or "") for name, path in callers):
            return "background"
        found = [owner for owner in (owner_of(name) for name, _ in callers if name) if owner]
        return found[0] if found else "rest"

    owners, stacks = collections.Counter(ours=0, nio=0, rest=0, background=0), []
    for key, (calls, frames) in after.items():
        calls -= before.get(key, (0, []))[0]
        if calls > 0:
            owner = owner_of_stack(frames)
            owners[owner] += calls
            stacks.append((calls, owner, frames))
    for owner, calls in owners.items():
        print(owner, calls)
    for calls, owner, frames in sorted(stacks, key=lambda stack: -stack[0])[:shown]:
        names = [name or os.path.basename(path) for name, path in map(frame, frames)]
        text = subprocess.run(["swift", "demangle", "--simplified", "--compact"] + names, capture_output=True, text=True)
        print("\n%d calls, %s" % (calls, owner))
        print("    " + "\n    ".join(line[:150] for line in text.stdout.splitlines()))


main()
