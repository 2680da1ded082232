// The secret that webhooks are signed with. It is never printed: not by description, not by dump, not by an error.

import CHMAC
import Foundation

public struct WebhookKey: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Shorter ones can be guessed.
    public static let bytesMin = 16
    public static let bytesMax = 4_096

    private let key: [UInt8]

    public enum Problem: Error, Sendable, Hashable {
        case tooShort, tooLong
        case unreadable(path: String)
    }

    /// A newline at the end does not count, as editors and `echo` leave one.
    public init(_ text: some Sequence<UInt8>) throws(Problem) {
        var bytes = Array(text.prefix(Self.bytesMax + 2))
        while let last = bytes.last, last == 0x0A || last == 0x0D { bytes.removeLast() }
        guard bytes.count >= Self.bytesMin else { throw .tooShort }
        guard bytes.count <= Self.bytesMax else { throw .tooLong }
        key = bytes
    }

    public init(file path: String) throws(Problem) {
        guard let file = FileHandle(forReadingAtPath: path), let data = try? file.read(upToCount: Self.bytesMax + 2)
        else { throw .unreadable(path: path) }
        try self.init(data)
    }

    /// `sha256=` and the HMAC in hexadecimal, over the time, a dot and the body, so that neither can be used with
    /// another of the other.
    public func signature(timestamp: String, body: [UInt8]) -> String {
        let text = Array("\(timestamp).".utf8) + body
        var code = [UInt8](repeating: 0, count: Int(CHMAC_BYTES))
        let isSigned = unsafe chmac_sha256(key, key.count, text, text.count, &code)
        precondition(isSigned != 0, "libcrypto has no SHA-256")
        return "sha256=" + code.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }

    public var description: String { "(secret)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
