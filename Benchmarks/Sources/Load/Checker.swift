// Compares the sampled answers byte for byte with the naive reference: after the window, so that it disturbs nothing.

import CLoad
package import TestSupport

package struct CheckOutcome: Sendable, Equatable {
    package var checked = 0
    package var wrong = 0
    /// The first wrong one.
    package var firstWrong: String?
}

package enum Checker {
    /// The largest answer of the contract.
    private static let plainBytesMax = 16 << 20

    package static func check(
        _ samples: [Sample], paths: [String], reference: Reference, now: Int64
    ) -> CheckOutcome {
        var outcome = CheckOutcome()
        var expected: [Int: ReferenceAnswer] = [:]
        for sample in samples {
            let path = paths[sample.request]
            let wanted = expected[sample.request] ?? reference.answer(target: path, now: now)
            expected[sample.request] = wanted
            outcome.checked += 1
            let body = sample.isGzip ? gunzip(sample.body) : sample.body
            guard body == nil || body != wanted.body else { continue }
            outcome.wrong += 1
            if outcome.firstWrong == nil { outcome.firstWrong = difference(path, body, wanted) }
        }
        return outcome
    }

    private static func difference(_ path: String, _ body: [UInt8]?, _ wanted: ReferenceAnswer) -> String {
        guard let body else { return "\(path): a gzip body that cannot be unpacked" }
        guard let expected = wanted.body else { return "\(path): 200, expected \(wanted.status)" }
        let same = zip(body, expected).prefix { $0 == $1 }.count
        return "\(path): \(body.count) bytes, expected \(expected.count); they differ from byte \(same)"
    }

    /// Nil where it is no whole gzip body, or larger than an answer can be.
    package static func gunzip(_ packed: [UInt8]) -> [UInt8]? {
        // A gzip body ends with its plain size.
        guard packed.count >= 18 else { return nil }
        let size = packed.suffix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        guard size <= plainBytesMax else { return nil }
        var plain = [UInt8](repeating: 0, count: max(1, size))
        let count = unsafe plain.withUnsafeMutableBufferPointer { plain in
            unsafe packed.withUnsafeBufferPointer { packed in
                unsafe load_gunzip(packed.baseAddress, packed.count, plain.baseAddress, plain.count)
            }
        }
        return count < 0 ? nil : Array(plain.prefix(Int(count)))
    }
}
