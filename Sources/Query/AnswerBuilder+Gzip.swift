// The body of a gzip answer, in the order in which `AnswerBuilder.write` writes the plain one.

import Model
import Render

extension AnswerBuilder {
    /// Joins the whole body; returns its bytes, which are valid until the next one begins.
    func join(into gzip: GzipBody) -> UnsafeRawBufferPointer {
        gzip.begin()
        unsafe gzip.text(UnsafeRawBufferPointer(start: head.elements, count: head.count))
        switch kind {
        case .matches: joinStages(into: gzip)
        case .teams:
            for index in 0..<page.count {
                if index > 0 { gzip.connect(Pieces.comma) }
                let team = unsafe teams.elements + Int(page[index])
                unsafe Self.join(team.pointee.json, isPacked: team.pointee.isPacked, into: gzip)
            }
        }
        gzip.connect(Pieces.end)
        return unsafe gzip.finish()
    }

    private func joinStages(into gzip: GzipBody) {
        var last: Int32 = -1
        for index in 0..<page.count {
            let event = unsafe events.elements + Int(page[index])
            let stage = unsafe event.pointee.stage
            if stage != last {
                if last >= 0 { gzip.connect(Pieces.nextStage) }
                last = stage
                let entry = unsafe stages.elements + Int(stage)
                unsafe Self.join(entry.pointee.json, isPacked: entry.pointee.isPacked, into: gzip)
                gzip.connect(Pieces.events)
            } else {
                gzip.connect(Pieces.comma)
            }
            unsafe Self.join(event.pointee.json, isPacked: event.pointee.isPacked, into: gzip)
        }
        if last >= 0 { gzip.connect(Pieces.end) }
    }

    @inline(__always)
    private static func join(_ view: ByteView, isPacked: Bool, into gzip: GzipBody) {
        if isPacked {
            unsafe gzip.packed(PackedFragment(view.start))
        } else {
            unsafe gzip.json(UnsafeBufferPointer(start: view.start, count: view.count))
        }
    }
}
