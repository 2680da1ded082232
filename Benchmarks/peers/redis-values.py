#!/usr/bin/env python3
"""What Redis is filled with: the very bytes that a running `favorites serve` answers, event by event.

    redis-values.py BASE OFFER | redis-cli -p PORT --pipe

BASE: http://127.0.0.1:PORT of `favorites serve`; OFFER: the folder it was filled from (event ids, positions of stages).
Each answer is put together again from its pieces and compared, so no byte is changed on the way.

    ID            the event's JSON, what the MGET row asks for
    e:SPORT:ID    what redis-http.lua reads; so are s:ID and t:SPORT:ID, see there
"""

import datetime
import json
import sys
import urllib.request

SHOWN = {"NOT_STARTED", "IN_PROGRESS", "INTERRUPTED", "FINISHED"}
IDS_A_REQUEST = 150


def dump(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def command(*words):
    out = b"*%d\r\n" % len(words)
    for word in words:
        data = word.encode()
        out += b"$%d\r\n%s\r\n" % (len(data), data)
    sys.stdout.buffer.write(out)


def event_key(event):
    start = datetime.datetime.fromisoformat(event["scheduledStart"].replace("Z", "+00:00"))
    since = start - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    ms = since // datetime.timedelta(milliseconds=1)
    return ms, "%016d%s\0%s" % (ms, event["name"], event["id"])


def stage_key(stage, positions):
    def position(value):
        return "1" if value is None else "0%020d" % (value + 2**63)

    scores, teams = positions.get(stage["id"], (None, None))
    return "0" + position(scores) + position(teams) + stage["name"] + "\0" + stage["id"]


def put_stage(stage, positions):
    if "name" in stage:
        command("SET", "s:" + stage["id"], stage_key(stage, positions) + "\1" + dump(stage)[:-1])


def put_event(sport, stage, event):
    text = dump(event)
    ms, key = event_key(event)
    assert "\1" not in key and key.count("\0") == 1, "a name with control characters: " + event["id"]
    command("SET", event["id"], text)
    command("SET", "e:%s:%s" % (sport, event["id"]), key + "\1" + stage + "\1" + text)
    if event["status"] in SHOWN:
        for team in {participant["id"] for participant in event["participants"]}:
            command("ZADD", "t:%s:%s" % (sport, team), str(ms), key + "\1" + stage)


def put_answer(body, positions, stages_done):
    answer = json.loads(body)
    assert dump(answer).encode() == body, "an answer does not come together again from its pieces"
    for stage in answer["stages"]:
        events = stage.pop("events")
        if stage["id"] not in stages_done:
            stages_done.add(stage["id"])
            put_stage(stage, positions)
        for event in events:
            put_event(answer["sport"], stage["id"], event)
    return answer["total"]


def main():
    base, offer = sys.argv[1:]
    ids, positions, stages_done = {}, {}, set()
    with open(offer + "/events.ndjson", encoding="utf-8") as lines:
        for line in lines:
            message = json.loads(line)
            ids.setdefault(message["value"]["sport"], []).append(message["key"])
    with open(offer + "/stages.ndjson", encoding="utf-8") as lines:
        for line in lines:
            value = json.loads(line)["value"]
            positions[value["id"]] = (value.get("positionScores"), value.get("positionTeams"))
    for sport, list_ in ids.items():
        for first in range(0, len(list_), IDS_A_REQUEST):
            asked = list_[first : first + IDS_A_REQUEST]
            url = "%s/v1/api/app/mym/%s?eventIds=%s" % (base, sport, ",".join(asked))
            with urllib.request.urlopen(url) as answer:
                total = put_answer(answer.read(), positions, stages_done)
            assert total == len(asked), "%d of %d events are known" % (total, len(asked))


main()
