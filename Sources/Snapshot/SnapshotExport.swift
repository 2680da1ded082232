// Images back into messages, as `publish` sends them. A message made of an image says what the record shows: a season's
// dates, which no answer shows, are not in it.

public import Model

/// Makes the messages of one file, block by block.
public struct SnapshotExport {
    private let kind: ModelKind
    /// The ids of the file's names so far.
    private var names: [ID] = []

    public init(_ header: SnapshotHeader) { kind = header.scope.kind }

    /// Calls `body` with the key and the value of each record of the file's next block, which was checked.
    public mutating func forEachMessage(_ block: SnapshotBlock, _ body: (ID, [UInt8]) -> Void) {
        block.forEachName { names.append($1) }
        unsafe block.forEachImage { bytes in
            if kind == .event {
                let image = unsafe EventImage(bytes)
                unsafe body(image.id, value(image))
            } else {
                let image = unsafe ReferenceImage(bytes)
                unsafe body(image.id, value(image))
            }
            return true
        }
    }

    private func value(_ event: EventImage) -> [UInt8] {
        var text = unsafe Array("{\"id\":\"\(event.id)\",\"sport\":\"\(event.sport.name)\"".utf8)
        unsafe text += ",\"stageId\":\"\(names[event.stage])\"".utf8
        unsafe text += event.json[event.middle]
        for index in unsafe 0..<event.partCount {
            unsafe text += "\(index > 0 ? "," : ""){\"id\":\"\(names[event.part(index).name])\"".utf8
            unsafe text += event.json[event.tail(index)]
        }
        return text + "]}".utf8
    }

    private func value(_ model: ReferenceImage) -> [UInt8] {
        var text = unsafe Array(model.own)
        if kind != .season, kind != .region { unsafe text += ",\"sport\":\"\(model.sport.name)\"".utf8 }
        if let first = unsafe model.first {
            text += ",\"\(kind == .stage ? "categoryId" : "regionId")\":\"\(names[first])\"".utf8
        }
        if let second = unsafe model.second { text += ",\"seasonId\":\"\(names[second])\"".utf8 }
        if let position = unsafe model.positionScores { text += ",\"positionScores\":\(position)".utf8 }
        if let position = unsafe model.positionTeams { text += ",\"positionTeams\":\(position)".utf8 }
        return text + "}".utf8
    }
}
