#!/usr/bin/env python3
"""Prints the code lengths in Sources/Render/DeflateCode.swift, trained on answers.

    scripts/train-deflate-code.py FILE...     bodies of mym and myt answers as they were sent, one a file

Cuts each body into fragments and pieces as Sources/Render/FragmentPacker.swift and Sources/Render/GzipBody.swift do,
counts the symbols that deflate would write, and prints the best lengths of at most 15 bits (package-merge). Every
symbol gets one: what these bodies lack may stand in others. New lengths change every gzip body, so a change of them
needs a new `GzipBody.tagMark`.
"""

import bisect
import collections
import json
import re
import sys

STATUSES = ["NOT_STARTED", "IN_PROGRESS", "INTERRUPTED", "FINISHED", "POSTPONED", "CANCELLED", "ABANDONED"]
OPENING = '{"id":"'
KICK_OFFS = [f'{minute}:00Z","participants":[{{"id":"' for minute in (":00", ":15", ":30", ":45")]
PIECES = (
    ['","name":"', '","shortName":"', '","abbreviation":"', '","score":"', '","periodScores":["', '","period":"',
     '","minute":', '","participants":[{"id":"', '"]},{"id":"', '"},{"id":"', '","slug":"', '","category":{"id":"',
     '"},"region":{"id":"', '","region":{"id":"', '","code":"', '"},"season":{"id":"', '","imageUrl":"https://']
    + [f'","status":"{status}","scheduledStart":"20' for status in STATUSES])
ENDINGS = ['"]}]}', '"}]}', '"}}']

LENGTHS = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227,
           258]
DISTANCES = [1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
             6145, 8193, 12289, 16385, 24577]


def fragments(body):
    """The texts an answer is joined of: connecting ones as (text, None), fragments as (text, True)."""
    text = body.decode()
    answer = json.loads(text)
    dump = lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    name = "stages" if "stages" in answer else "teams"
    yield text[:text.index(f'"{name}":[') + len(name) + 4], None
    for index, entry in enumerate(answer[name]):
        events = entry.pop("events", None)
        if index:
            yield ("," if events is None else "]},"), None
        whole = dump(entry)
        yield (whole if events is None else whole[:-1]), True
        for place, event in enumerate(events or []):
            yield ("," if place else ',"events":['), None
            yield dump(event), True
    yield ("]}]}" if name == "stages" and answer[name] else "]}"), None


def find_slots(text):
    """First occurrences of pieces, in order: (start, piece)."""
    slots, end = [], 0
    for start in [m.start() for m in re.finditer('["{]', text)]:
        if start < end:
            continue
        found = OPENING if start == 0 and text.startswith(OPENING) else None
        if found is None:
            found = next((p for p in PIECES if text.startswith(p, start)), None)
        if found is None and text[start:] in ENDINGS:
            found = text[start:]
        if found == '","participants":[{"id":"' and start - 7 >= end:
            whole = next((k for k in KICK_OFFS if text.startswith(k, start - 7)), None)
            if whole:
                found, start = whole, start - 7
        if found and all(found != other for _, other in slots):
            slots.append((start, found))
            end = start + len(found)
    return slots


def parse(data, start, end, table):
    """Greedy: the last place with the same four bytes."""
    place = start
    while place < end:
        key = data[place:place + 4]
        other = table.get(key) if place + 4 <= end else None
        length = 0
        if other is not None:
            while place + length < end and length < 258 and data[other + length] == data[place + length]:
                length += 1
        if length >= 4:
            yield length, place - other
            for index in range(place, place + length):
                table[data[index:index + 4]] = index
            place += length
        else:
            table[key] = place
            yield data[place], 0
            place += 1


class Counts:
    def __init__(self):
        self.symbols = collections.Counter()
        self.distances = collections.Counter()

    def literals(self, text):
        self.symbols.update(text.encode())

    def match(self, length, distance):
        self.symbols[257 + bisect.bisect_right(LENGTHS, length) - 1] += 1
        self.distances[bisect.bisect_right(DISTANCES, distance) - 1] += 1


def count(body, counts):
    position, last, pending = 0, {}, None

    def flush():
        nonlocal pending
        if pending:
            counts.match(*pending)
        pending = None

    def piece(text):
        nonlocal position, pending
        distance = position - last[text] if text in last else 0
        if pending and pending[1] == distance and pending[0] + len(text) <= 258:
            pending = (pending[0] + len(text), distance)
        else:
            flush()
            if 0 < distance <= 32768 and len(text) >= 4:
                pending = (len(text), distance)
            else:
                counts.literals(text)
        last[text] = position
        position += len(text)

    for text, is_fragment in fragments(body):
        if not is_fragment:
            if text.startswith('{"sport"'):
                counts.literals(text)
                position += len(text)
            else:
                piece(text)
            continue
        start, data, table = position, text.encode(), {}
        # Pieces are ASCII, so places in the text and in its bytes differ by what stands before alone.
        offset = 0
        for at, found in find_slots(text) + [(len(text), "")]:
            at = len(text[:at].encode())
            for length, distance in parse(data, offset, at, table):
                flush()
                if distance:
                    counts.match(length, distance)
                else:
                    counts.symbols[length] += 1
            position = start + at
            if found:
                for index in range(at, at + len(found)):
                    table[data[index:index + 4]] = index
                piece(found)
            offset = at + len(found)
        position = start + len(data)
    flush()
    counts.symbols[256] += 1


def lengths(frequencies, limit):
    items = sorted((frequency, (symbol,)) for symbol, frequency in frequencies.items())
    packages = []
    for _ in range(limit):
        pairs = [(packages[i][0] + packages[i + 1][0], packages[i][1] + packages[i + 1][1])
                 for i in range(0, len(packages) - 1, 2)]
        packages = sorted(items + pairs, key=lambda package: package[0])
    found = collections.Counter()
    for _, symbols in packages[:2 * len(items) - 2]:
        found.update(symbols)
    return [found[symbol] for symbol in sorted(frequencies)]


def run_lengths(values):
    """How often each symbol of the block's header is written: a length, or 16 for three to six times the last one."""
    found, index = collections.Counter(), 0
    while index < len(values):
        found[values[index]] += 1
        run = next((n for n in range(index, len(values)) if values[n] != values[index]), len(values)) - index - 1
        index += 1
        while run >= 3:
            found[16] += 1
            index += min(run, 6)
            run -= min(run, 6)
    return found


def floor(symbol):
    """How often a symbol is taken for at least, as a part of all: text of any language must not grow."""
    if 0x20 <= symbol < 0x7F:
        return 2.0 ** -11
    if 0x80 <= symbol < 0xC0 or 0xC2 <= symbol < 0xF0:
        return 2.0 ** -12
    return 2.0 ** -15 if symbol < 256 else 2.0 ** -14


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    counts = Counts()
    for path in sys.argv[1:]:
        with open(path, "rb") as file:
            count(file.read(), counts)
    total = sum(counts.symbols.values())
    symbols = {s: max(counts.symbols[s], floor(s) * total) for s in range(286)}
    total = sum(counts.distances.values())
    distances = {d: max(counts.distances[d], total * 2.0 ** -14) for d in range(30)}
    table, far = lengths(symbols, 15), lengths(distances, 15)
    runs = run_lengths(table + far)
    written = dict(zip(sorted(runs), lengths(runs, 7)))
    packed = [written.get(symbol, 0) for symbol in range(19)]
    for name, values in (("symbols", table), ("distances", far), ("lengths of these lengths", packed)):
        print(name)
        for start in range(0, len(values), 32):
            print("    " + ", ".join(map(str, values[start:start + 32])) + ",")
    bits = sum(n * table[s] for s, n in counts.symbols.items())
    bits += sum(n * max(0, (s - 261) // 4) for s, n in counts.symbols.items() if 265 <= s < 285)
    bits += sum(n * (far[d] + max(0, d // 2 - 1)) for d, n in counts.distances.items())
    print(f"{bits / 8 / len(sys.argv[1:]):.0f} bytes a body, header and trailer apart", file=sys.stderr)


main()
