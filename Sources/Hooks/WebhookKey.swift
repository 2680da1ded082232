// The secret that webhooks are signed with. It is never printed: not by description, not by dump, not by an error.

import Crypto
import Foundation

public struct WebhookKey: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Shorter ones can be guessed.
    public static let bytesMin = 16
    public static let bytesMax = 4_096

    private let key: SymmetricKey

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
        key = SymmetricKey(data: bytes)
    }

    public init(file path: String) throws(Problem) {
        guard let file = FileHandle(forReadingAtPath: path), let data = try? file.read(upToCount: Self.bytesMax + 2)
        else { throw .unreadable(path: path) }
        try self.init(data)
    }

    /// `sha256=` and the HMAC in hexadecimal, over the time, a dot and the body, so that neither can be used with
    /// another of the other.
    public func signature(timestamp: String, body: [UInt8]) -> String {
        let code = HMAC<SHA256>.authenticationCode(for: Array("\(timestamp).".utf8) + body, using: key)
        return "sha256=" + code.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }

    public var description: String { "(secret)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
