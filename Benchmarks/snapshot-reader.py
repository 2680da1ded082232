#!/usr/bin/env python3
"""Reads a node's snapshots as a peer does, one file after the other, until it is told to stop.

    Benchmarks/snapshot-reader.py MANAGEMENT_PORT FOLDER

FOLDER is the node's folder of snapshots: its file names are asked for. SIGTERM ends it; then one line says how many bytes
came, how long that took, and how often the node said that its own reads are slow.
"""
import http.client
import os
import random
import signal
import sys
import time

port, folder = int(sys.argv[1]), sys.argv[2]
running = True


def stop(_signal, _frame):
    global running
    running = False


signal.signal(signal.SIGTERM, stop)
names = sorted(name for name in os.listdir(folder) if name.endswith(".snapshot"))
if not names:
    sys.exit(f"{sys.argv[0]}: no snapshots in {folder}")
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
began = time.monotonic()
total = slow = 0
while running:
    for name in names:
        lease, offset = random.getrandbits(64), 0
        size = os.path.getsize(os.path.join(folder, name))
        while running and offset < size:
            connection.request("GET", f"/snapshots/{name}/{lease:x}/{offset}")
            answer = connection.getresponse()
            body = answer.read()
            if answer.status == 503:
                slow += 1
                time.sleep(int(answer.headers["Retry-After"]))
                continue
            if answer.status != 200 or not body:
                sys.exit(f"{sys.argv[0]}: {answer.status} for {name} at {offset} of {size}")
            offset += len(body)
            total += len(body)
seconds = time.monotonic() - began
print(f"bytes={total} seconds={seconds:.2f} slow={slow}")
