import NIOCore
import Testing

@testable import Link
@testable import Wire

@Suite struct FrameInputTests {
    /// Reads that never end where a frame does: what was consumed is given back, so memory stays that of one read.
    @Test func aBusyLinkKeepsNothingItConsumed() throws {
        var frames = ByteBuffer()
        for request in 0..<64 {
            frames.writeFrames(bytesMax: ControlFrame.bytesMax) {
                ControlFrame.ping(request: UInt64(request), to: &$0)
            }
        }
        let stream = Array(frames.readableBytesView)
        var input = FrameInput()
        let half = stream.count / 2 + 3
        input.append(ByteBuffer(bytes: stream[..<half]))
        var taken = 0
        for _ in 0..<4_000 {
            while try input.next() != nil { taken += 1 }
            input.append(ByteBuffer(bytes: stream[half...] + stream[..<half]))
            #expect(input.capacity <= 16 * stream.count)
        }
        #expect(taken > 200_000)
    }
}
