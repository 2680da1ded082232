// The rules for one field: each method takes a value as it stands in the JSON to what a message holds, or says why
// it cannot. A text is copied into the arena here, before the reader's memory is used again.

import CSimdjson
import Model

extension FavoritesJSONValue {
    /// The bytes of a text; nil where the value is absent.
    private func optionalBytes(_ field: StaticString) throws(InvalidMessage) -> UnsafeBufferPointer<UInt8>? {
        switch type {
        case .text: return unsafe UnsafeBufferPointer(start: bytes, count: Int(count))
        case .absent: return nil
        case .integer, .list, .other: throw InvalidMessage(field, .notText)
        }
    }

    private func requiredBytes(_ field: StaticString) throws(InvalidMessage) -> UnsafeBufferPointer<UInt8> {
        guard let bytes = unsafe try optionalBytes(field) else { throw InvalidMessage(field, .missing) }
        return unsafe bytes
    }

    func text(_ field: StaticString, into arena: inout MessageArena) throws(InvalidMessage) -> Text {
        unsafe arena.add(try requiredBytes(field))
    }

    func optionalText(_ field: StaticString, into arena: inout MessageArena) throws(InvalidMessage) -> Text? {
        guard let bytes = unsafe try optionalBytes(field) else { return nil }
        return unsafe arena.add(bytes)
    }

    /// For a field that is checked and dropped.
    func checkOptionalText(_ field: StaticString) throws(InvalidMessage) { _ = unsafe try optionalBytes(field) }

    func id(_ field: StaticString) throws(InvalidMessage) -> ID {
        guard let id = unsafe ID(try requiredBytes(field).span) else { throw InvalidMessage(field, .badID) }
        return id
    }

    func optionalID(_ field: StaticString) throws(InvalidMessage) -> ID? {
        type == .absent ? nil : try id(field)
    }

    /// The message's own id, which must be its key.
    func id(equalTo key: Span<UInt8>) throws(InvalidMessage) -> ID {
        let id = try id("id")
        guard id.count == key.count else { throw InvalidMessage("id", .differsFromKey) }
        for index in 0..<key.count where unsafe bytes[index] != key[index] {
            throw InvalidMessage("id", .differsFromKey)
        }
        return id
    }

    func sport() throws(InvalidMessage) -> Sport {
        guard let sport = unsafe Sport(try requiredBytes("sport").span) else { throw InvalidMessage("sport", .unknown) }
        return sport
    }

    func status() throws(InvalidMessage) -> Status {
        guard let status = unsafe Status(try requiredBytes("status").span) else {
            throw InvalidMessage("status", .unknown)
        }
        return status
    }

    func timestamp(_ field: StaticString) throws(InvalidMessage) -> Timestamp {
        guard let time = unsafe Timestamp(try requiredBytes(field).span) else { throw InvalidMessage(field, .badTime) }
        return time
    }

    func optionalInteger(_ field: StaticString) throws(InvalidMessage) -> Int64? {
        switch type {
        case .integer: return integer
        case .absent: return nil
        case .text, .list, .other: throw InvalidMessage(field, .notInteger)
        }
    }

    /// The number of elements of a list; nil where the value is absent.
    func optionalListCount(_ field: StaticString) throws(InvalidMessage) -> Int? {
        switch type {
        case .list: return Int(count)
        case .absent: return nil
        case .text, .integer, .other: throw InvalidMessage(field, .notList)
        }
    }
}
