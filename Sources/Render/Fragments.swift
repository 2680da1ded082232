// The JSON of a model's own fields, in the order of the contract. What comes from other models (an event's names, a
// stage's category) is joined to it by the store, which knows them.

public import Model

/// The fragments of one message. All append to `text`.
public enum Fragments {
    /// `{"id":"p1"`: how every object begins, and all of an unknown one.
    public static func open(_ id: ID, to text: inout TextBuffer) {
        text.append(ascii: "{\"id\":\"")
        text.append(id)
        text.append(0x22)
    }

    /// Where the id stands in every object.
    public static let idOffset = 7
    /// How far behind the id a name begins, where there is one: behind `","name":"`.
    public static let nameGap = 10

    /// `,"name":"Arsenal FC"`. Returns whether the name needed escaping.
    public static func name(_ name: UnsafeBufferPointer<UInt8>, to text: inout TextBuffer) -> Bool {
        text.append(ascii: ",\"name\":\"")
        let escaped = unsafe text.append(escaping: name)
        text.append(0x22)
        return escaped
    }

    /// `,"status":"IN_PROGRESS","scheduledStart":"…","period":"2H","minute":67,"participants":[`
    public static func eventMiddle(_ event: EventMessage, _ arena: MessageArena, to text: inout TextBuffer) {
        text.append(ascii: ",\"status\":\"")
        text.append(ascii: event.status.name)
        text.append(ascii: "\",\"scheduledStart\":\"")
        text.append(event.start)
        text.append(0x22)
        optional(",\"period\":\"", event.period, arena, to: &text)
        if let minute = event.minute {
            text.append(ascii: ",\"minute\":")
            text.append(decimal: minute)
        }
        text.append(ascii: ",\"participants\":[")
    }

    /// `,"score":"2","periodScores":["1","1"]}`: what of an event's participant comes from the event.
    public static func participantTail(
        _ participant: EventParticipant, _ arena: MessageArena, to text: inout TextBuffer
    ) {
        optional(",\"score\":\"", participant.score, arena, to: &text)
        if let periodScores = participant.periodScores {
            text.append(ascii: ",\"periodScores\":[")
            for index in periodScores {
                text.append(ascii: index == periodScores.lowerBound ? "\"" : ",\"")
                append(arena.periodScores[index], arena, to: &text)
                text.append(0x22)
            }
            text.append(0x5D)
        }
        text.append(0x7D)
    }

    /// `,"slug":"x"` and its like; nothing where the text is absent.
    @inline(__always)
    public static func optional(
        _ opening: StaticString, _ value: Text?, _ arena: MessageArena, to text: inout TextBuffer
    ) {
        guard let value else { return }
        text.append(ascii: opening)
        append(value, arena, to: &text)
        text.append(0x22)
    }

    @inline(__always)
    private static func append(_ value: Text, _ arena: MessageArena, to text: inout TextBuffer) {
        _ = unsafe arena.withBytes(value) { unsafe text.append(escaping: $0) }
    }
}

extension MessageArena {
    /// Calls `body` with the bytes of a text.
    @inlinable @inline(__always)
    public func withBytes<Result>(_ text: Text, _ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        unsafe bytes.withUnsafeBufferPointer {
            unsafe body(UnsafeBufferPointer(rebasing: $0[text.offset..<text.offset + text.count]))
        }
    }
}
