import HTTP1

/// What the parser made of some bytes, with every range turned into text.
struct Outcome: Equatable, CustomStringConvertible {
    var refusal: HeadRefusal?
    var isComplete = false
    var method = ""
    var path = ""
    var query = ""
    var keepsAlive = false
    var hasBody = false
    var isVersion10 = false
    var isConditional = false
    var count = 0

    var description: String {
        if let refusal { return "refused: \(refusal)" }
        return isComplete
            ? "\(method) \(path)?\(query) alive \(keepsAlive) body \(hasBody) 1.0 \(isVersion10) \(count)" : "needs more"
    }
}

/// Feeds `bytes` in pieces that end at `cuts` and at the end.
func outcome(_ bytes: [UInt8], cuts: [Int] = []) -> Outcome {
    var parser = RequestHeadParser()
    var outcome = Outcome()
    for end in cuts + [bytes.count] {
        let span = bytes.span.extracting(0..<end)
        switch parser.parse(span) {
        case .needsMore:
            continue
        case .refused(let refusal):
            outcome.refusal = refusal
        case .complete:
            let head = parser.head
            outcome.isComplete = true
            outcome.method = text(head.methodToken, bytes)
            outcome.path = text(head.path, bytes)
            outcome.query = text(head.query, bytes)
            outcome.keepsAlive = head.keepsAlive
            outcome.hasBody = head.hasBody
            outcome.isVersion10 = head.isVersion10
            outcome.isConditional = head.isConditional
            outcome.count = head.count
        }
        return outcome
    }
    return outcome
}

func outcome(_ text: String) -> Outcome { outcome(Array(text.utf8)) }

private func text(_ range: ByteRange, _ bytes: [UInt8]) -> String { String(decoding: bytes[range.range], as: UTF8.self) }
