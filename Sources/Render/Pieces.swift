// Texts that most fragments have in common, `","name":"` and its like, and those that connect fragments.
//
// In a packed fragment the first of each kind is a slot: whoever joins fragments refers to where the piece stood last
// in the answer, or writes it out where it has not been yet. No other bytes of a fragment depend on the answer.

/// A piece: its text, and its bits in `DeflateCode` as single bytes.
public struct Piece: Sendable {
    public let text: [UInt8]
    /// Padded, as `BitOutput.copy` wants it.
    public let packed: [UInt8]
    public let packedBits: Int

    fileprivate init(_ text: String) {
        self.text = Array(text.utf8)
        var output = BitOutput(capacity: 2 * self.text.count + 16)
        for byte in self.text { output.put(DeflateCode.shared.literals[Int(byte)]) }
        packedBits = output.bitCount
        output.put(0, 56)
        packed = unsafe Array(output.bytes)
    }
}

public enum Pieces {
    // The first ones are known by their place: those that stand between fragments, and how every fragment begins.
    public static let comma = 0
    /// From a stage's header to its first event.
    public static let events = 1
    /// From a stage's last event to the next stage.
    public static let nextStage = 2
    public static let end = 3
    public static let opening = 4
    /// How a packed fragment may end.
    static let endings = 5..<8
    static let participants = 8
    /// `participants` and what stands before it where an event starts at one of these minutes.
    static let kickOffs = 9..<13
    /// Found by their first six bytes.
    static let searched = 8..<9
    static let searchedMore = 13..<36

    public static let all: [Piece] = texts.map { Piece($0) }

    private static let texts: [String] =
        [",", ",\"events\":[", "]},", "]}", "{\"id\":\"", "\"]}]}", "\"}]}", "\"}}", "\",\"participants\":[{\"id\":\""]
        + ["00", "15", "30", "45"].map { ":\($0):00Z\",\"participants\":[{\"id\":\"" }
        + [
            "\",\"name\":\"", "\",\"shortName\":\"", "\",\"abbreviation\":\"", "\",\"score\":\"",
            "\",\"periodScores\":[\"", "\",\"period\":\"", "\",\"minute\":", "\"]},{\"id\":\"", "\"},{\"id\":\"",
            "\",\"slug\":\"", "\",\"category\":{\"id\":\"", "\"},\"region\":{\"id\":\"", "\",\"region\":{\"id\":\"",
            "\",\"code\":\"", "\"},\"season\":{\"id\":\"", "\",\"imageUrl\":\"https://",
        ]
        + [
            "NOT_STARTED", "IN_PROGRESS", "INTERRUPTED", "FINISHED", "POSTPONED", "CANCELLED", "ABANDONED",
        ].map { "\",\"status\":\"\($0)\",\"scheduledStart\":\"20" }
}
