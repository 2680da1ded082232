// The rows of `RulesTests.field`.

import Model

private let badID = "is not 1 to 64 bytes out of A-Z a-z 0-9 . _ : -"
private let badTime = "scheduledStart is not an RFC 3339 time of the years 0001 to 9999"
private let longest = String(repeating: "aB3._:-z", count: 8)

let idCases: [FieldCase] = [
    FieldCase(.season, "id", #""a""#, .shows("season a ")),
    FieldCase(.season, "id", #""AZaz09._:-""#, .shows("season AZaz09._:- ")),
    FieldCase(.season, "id", "\"\(longest)\"", .shows("season \(longest) ")),
    FieldCase(.season, "id", "\"\(longest)x\"", .invalid("id \(badID)")),
    FieldCase(.event, "stageId", #""""#, .invalid("stageId \(badID)")),
    FieldCase(.event, "stageId", #""a b""#, .invalid("stageId \(badID)")),
    FieldCase(.event, "stageId", #""a/b""#, .invalid("stageId \(badID)")),
    FieldCase(.event, "stageId", #""a,b""#, .invalid("stageId \(badID)")),
    FieldCase(.event, "stageId", #""a;b""#, .invalid("stageId \(badID)")),
    FieldCase(.event, "stageId", #""a@b""#, .invalid("stageId \(badID)")),
    FieldCase(.event, "stageId", #""a[b""#, .invalid("stageId \(badID)")),
    FieldCase(.event, "stageId", #""a`b""#, .invalid("stageId \(badID)")),
    FieldCase(.event, "stageId", #""a{b""#, .invalid("stageId \(badID)")),
    FieldCase(.event, "stageId", #""a\u0000""#, .invalid("stageId \(badID)")),
    FieldCase(.event, "stageId", #""é""#, .invalid("stageId \(badID)")),
    FieldCase(.event, "stageId", #""\u0061\u002Db""#, .shows(" a-b ")),
    FieldCase(.participant, "regionId", #""""#, .invalid("regionId \(badID)")),
    FieldCase(.participant, "regionId", #""a b""#, .invalid("regionId \(badID)")),
    FieldCase(.stage, "categoryId", #""a b""#, .invalid("categoryId \(badID)")),
    FieldCase(.stage, "seasonId", "\"\(longest)x\"", .invalid("seasonId \(badID)")),
    FieldCase(.category, "regionId", #""ä""#, .invalid("regionId \(badID)")),
]

let valueCases: [FieldCase] = [
    FieldCase(.event, "sport", #""Soccer""#, .invalid("sport is not one of the known values")),
    FieldCase(.event, "sport", #""socce""#, .invalid("sport is not one of the known values")),
    FieldCase(.stage, "sport", #""""#, .invalid("sport is not one of the known values")),
    FieldCase(.event, "status", #""finished""#, .invalid("status is not one of the known values")),
    FieldCase(.event, "status", #""FINISHED ""#, .invalid("status is not one of the known values")),
    FieldCase(.event, "minute", "0", .shows("minute=0")),
    FieldCase(.event, "minute", "-0", .shows("minute=0")),
    FieldCase(.event, "minute", "-5", .shows("minute=-5")),
    FieldCase(.event, "minute", "9223372036854775807", .shows("minute=9223372036854775807")),
    FieldCase(.event, "minute", "-9223372036854775808", .shows("minute=-9223372036854775808")),
    FieldCase(.event, "minute", "9223372036854775808", .invalid("minute is not an integer of 64 bits")),
    FieldCase(.event, "minute", "-9223372036854775809", .invalid("minute is not an integer of 64 bits")),
    FieldCase(.event, "minute", "18446744073709551616", .invalid("minute is not an integer of 64 bits")),
    FieldCase(.event, "minute", "1.0", .invalid("minute is not an integer of 64 bits")),
    FieldCase(.event, "minute", "1e0", .invalid("minute is not an integer of 64 bits")),
    FieldCase(.event, "minute", "1e400", .invalid("minute is not an integer of 64 bits")),
    FieldCase(.event, "minute", #""67""#, .invalid("minute is not an integer of 64 bits")),
    FieldCase(.event, "minute", "067", .invalid("value is not JSON")),
    FieldCase(.event, "minute", "+67", .invalid("value is not JSON")),
    FieldCase(.event, "minute", "NaN", .invalid("value is not JSON")),
    FieldCase(.stage, "positionScores", "-9223372036854775808", .shows("positionScores=-9223372036854775808 ")),
    FieldCase(.stage, "positionTeams", "9223372036854775807", .shows("positionTeams=9223372036854775807")),
    FieldCase(.event, "period", #""""#, .shows(#"period="""#)),
    FieldCase(.region, "name", #""""#, .shows(#"name="""#)),
    FieldCase(.region, "code", #""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\u0000""#, .shows("\"\\\"\\\\/")),
    FieldCase(.region, "name", #""é\u00e9""#, .shows(#"name="éé""#)),
    FieldCase(.region, "name", #""\ud83d\ude00😀""#, .shows(#"name="😀😀""#)),
    FieldCase(.region, "name", #""\u0000""#, .shows(#"name="\0""#)),
    FieldCase(.region, "name", #""\uFFFF""#, .shows("name=\"\u{FFFF}\"")),
    FieldCase(.season, "startDate", #""not a date""#, .hides("startDate")),
    FieldCase(.season, "endDate", "20250101", .invalid("endDate is not a text")),
]

let timeCases: [FieldCase] =
    [
        ("2025-08-16T14:00:00Z", "2025-08-16T14:00:00Z"),
        ("2025-08-16t14:00:00z", "2025-08-16T14:00:00Z"),
        ("2025-08-16T14:00:00+00:00", "2025-08-16T14:00:00Z"),
        ("2025-08-16T14:00:00-00:00", "2025-08-16T14:00:00Z"),
        ("2025-08-16T14:00:00+05:30", "2025-08-16T08:30:00Z"),
        ("2025-08-16T14:00:00-23:59", "2025-08-17T13:59:00Z"),
        ("2025-08-16T14:00:00.1Z", "2025-08-16T14:00:00.100Z"),
        ("2025-08-16T14:00:00.12Z", "2025-08-16T14:00:00.120Z"),
        ("2025-08-16T14:00:00.1239Z", "2025-08-16T14:00:00.123Z"),
        ("2025-08-16T14:00:00.99999999999999999999999Z", "2025-08-16T14:00:00.999Z"),
        ("2025-08-16T14:00:00.000Z", "2025-08-16T14:00:00Z"),
        ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
        ("2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("0001-01-01T01:00:00+01:00", "0001-01-01T00:00:00Z"),
        ("0000-12-31T23:00:00-01:00", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ("9999-12-31T22:59:59.999-01:00", "9999-12-31T23:59:59.999Z"),
    ].map { FieldCase(.event, "scheduledStart", "\"\($0)\"", .shows(" \($1) IN_PROGRESS")) }
    + [
        "", "2025-08-16", "2025-08-16T14:00:00", "2025-08-16 14:00:00Z", "2025-08-16T14:00Z", "2025-8-16T14:00:00Z",
        "2025-08-16T14:00:00.Z", "2025-08-16T14:00:00,5Z", "2025-08-16T14:00:00+0530", "2025-08-16T14:00:00+05",
        "2025-08-16T14:00:00+24:00", "2025-08-16T14:00:00+05:60", "2025-08-16T14:00:00ZZ", "2025-08-16T14:00:00Z ",
        " 2025-08-16T14:00:00Z", "2025-13-01T00:00:00Z", "2025-00-01T00:00:00Z", "2025-01-00T00:00:00Z",
        "2025-04-31T00:00:00Z", "2025-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2025-08-16T24:00:00Z",
        "2025-08-16T14:60:00Z", "2016-12-31T23:59:60Z", "0000-12-31T23:59:59Z", "0001-01-01T00:59:59+01:00",
        "9999-12-31T23:00:00-01:00", "10000-01-01T00:00:00Z", "-001-01-01T00:00:00Z", "2025-08-16T14:00:00+5:300",
        "２025-08-16T14:00:00Z", "2025-08-16T14:00:00\u{2212}01:00",
    ].map { FieldCase(.event, "scheduledStart", "\"\($0)\"", .invalid(badTime)) }

let participantCases: [FieldCase] = [
    ("[]", .invalid("participants is empty")),
    (participants(64), .shows("participant=p64")),
    (participants(65), .invalid("participants has more than 64 elements")),
    ("[" + String(repeating: "1,", count: 64) + "1]", .invalid("participants has more than 64 elements")),
    ("{}", .invalid("participants is not a list")),
    ("[1]", .invalid("participants is not an object")),
    ("[null]", .invalid("participants is not an object")),
    (#"["p1"]"#, .invalid("participants is not an object")),
    (#"[{"id":"p1"},[]]"#, .invalid("participants is not an object")),
    ("[{}]", .invalid("participants.id is missing")),
    (#"[{"id":null}]"#, .invalid("participants.id is missing")),
    (#"[{"id":5}]"#, .invalid("participants.id is not a text")),
    (#"[{"id":"p 1"}]"#, .invalid("participants.id \(badID)")),
    (#"[{"id":"p1"},{"id":"p1"}]"#, .shows(" participant=p1 participant=p1 ")),
    (#"[{"id":"p2"},{"id":"p1"}]"#, .shows(" participant=p2 participant=p1 ")),
    (#"[{"id":"p1","id":"p2","id":"p3"}]"#, .shows("IN_PROGRESS participant=p3 period")),
    (#"[{"id":"p1","score":"2"}]"#, .shows(#"participant=p1 score="2" period="#)),
    (#"[{"id":"p1","score":""}]"#, .shows(#"participant=p1 score="" period="#)),
    (#"[{"id":"p1","score":"245/6"}]"#, .shows(#"score="245/6""#)),
    (#"[{"id":"p1","score":null}]"#, .hides("score")),
    (#"[{"id":"p1","score":2}]"#, .invalid("participants.score is not a text")),
    (#"[{"id":"p1","periodScores":null}]"#, .hides("periodScores")),
    (#"[{"id":"p1","periodScores":[]}]"#, .shows("participant=p1 periodScores=[] period")),
    (#"[{"id":"p1","periodScores":["1",""]}]"#, .shows(#"periodScores=["\"1\"", "\"\""]"#)),
    (
        #"[{"id":"p1","periodScores":["1"]},{"id":"p2","periodScores":["2","3"]}]"#,
        .shows(#"participant=p1 periodScores=["\"1\""] participant=p2 periodScores=["\"2\"", "\"3\""]"#)
    ),
    (#"[{"id":"p1","periodScores":["1"],"periodScores":["2"]}]"#, .shows(#"p1 periodScores=["\"2\""] period"#)),
    (#"[{"id":"p1","periodScores":["1"],"periodScores":null}]"#, .hides("periodScores")),
    (#"[{"id":"p1","periodScores":[1],"periodScores":["2"]}]"#, .shows(#"periodScores=["\"2\""]"#)),
    (#"[{"id":"p1","periodScores":["1",null]}]"#, .invalid("participants.periodScores is not a text")),
    (#"[{"id":"p1","periodScores":["1",2]}]"#, .invalid("participants.periodScores is not a text")),
    (#"[{"id":"p1","periodScores":[["1"]]}]"#, .invalid("participants.periodScores is not a text")),
    (#"[{"id":"p1","periodScores":"1"}]"#, .invalid("participants.periodScores is not a list")),
    (#"[{"id":"p1","periodScores":{}}]"#, .invalid("participants.periodScores is not a list")),
    (#"[{"id":"p1","name":{"id":"p9"},"x":[{"id":"p8"}]}]"#, .shows("IN_PROGRESS participant=p1 period")),
].map { FieldCase(.event, "participants", $0, $1) }

private func participants(_ count: Int) -> String {
    "[" + (1...count).map { #"{"id":"p\#($0)","score":"\#($0)"}"# }.joined(separator: ",") + "]"
}
