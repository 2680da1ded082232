// Reads a plain or gzipped file line by line. zlib's gzread serves both: it passes through what has no gzip header.

import CZlib
import Glibc

enum OfferLine {
    /// A line that reads `{"key":…,"value":…}`; the value is nil for a tombstone.
    case message(key: [UInt8], value: [UInt8]?)
    case broken(OfferError)
}

/// Owns the file and one buffer, which holds at most one line of the greatest length and one chunk.
@safe struct LineReader: ~Copyable {
    private static let chunkBytes = 256 << 10

    private let path: String
    private let file: gzFile
    private var buffer = [UInt8](repeating: 0, count: OfferFolder.lineBytesMax + chunkBytes)
    /// What is read and not yet handed over.
    private var start = 0
    private var end = 0
    private var atEnd = false
    /// The number of the line that `next` returned last, from 1.
    private(set) var number = 0

    init(path: String) throws(OfferError) {
        guard let file = unsafe gzopen(path, "rb") else {
            throw OfferError(.inputOutput, path: path, "cannot be opened: \(unsafe String(cString: strerror(errno)))")
        }
        self.path = path
        unsafe self.file = unsafe file
        _ = unsafe gzbuffer(file, UInt32(Self.chunkBytes))
    }

    deinit { _ = unsafe gzclose(file) }

    /// The next line that is not blank; nil at the end of the file.
    mutating func next() throws(OfferError) -> OfferLine? {
        while let line = try nextLine() {
            number += 1
            guard line.count <= OfferFolder.lineBytesMax else { return broken(Self.tooLong) }
            do throws(BrokenLine) {
                if let message = try offerLine(buffer.span.extracting(line)) { return message }
            } catch {
                return broken(error.reason)
            }
        }
        return nil
    }

    private static let tooLong = "longer than \(OfferFolder.lineBytesMax) bytes"

    private func broken(_ reason: String) -> OfferLine {
        .broken(OfferError(.brokenLine, path: path, line: number, reason))
    }

    /// The range of the next line in the buffer, without its line feed; nil at the end of the file. Of a line that
    /// is too long only the length is right: what does not fit is read over.
    private mutating func nextLine() throws(OfferError) -> Range<Int>? {
        var searched = start
        var lost = 0
        while true {
            if let feed = lineFeed(in: searched..<end) {
                defer { start = feed + 1 }
                return start..<feed + lost
            }
            guard !atEnd else {
                defer { start = end }
                return start == end && lost == 0 ? nil : start..<end + lost
            }
            if end - start > OfferFolder.lineBytesMax {
                lost += end - start
                end = start
            }
            searched = try fill()
        }
    }

    private func lineFeed(in range: Range<Int>) -> Int? {
        unsafe buffer.withUnsafeBytes { bytes in
            guard !range.isEmpty, let base = bytes.baseAddress,
                let found = unsafe memchr(base + range.lowerBound, 0x0A, range.count)
            else { return nil }
            return unsafe UnsafeRawPointer(found) - base
        }
    }

    /// Moves what is left to the front, reads one chunk behind it, and says where the new bytes begin.
    private mutating func fill() throws(OfferError) -> Int {
        let left = end - start
        if start > 0 {
            let from = start
            unsafe buffer.withUnsafeMutableBytes { bytes in
                guard let base = bytes.baseAddress else { return }
                unsafe base.copyMemory(from: base + from, byteCount: left)
            }
        }
        let count = unsafe buffer.withUnsafeMutableBytes { bytes -> Int32 in
            guard let base = bytes.baseAddress else { return 0 }
            return unsafe gzread(file, base + left, UInt32(Self.chunkBytes))
        }
        start = 0
        end = left + Int(max(count, 0))
        if count < Self.chunkBytes { try checkEnd() }
        return left
    }

    /// A short read is the end of the file, or else an error, such as a gzip file that was cut off.
    private mutating func checkEnd() throws(OfferError) {
        var code: Int32 = 0
        let message = unsafe gzerror(file, &code)
        guard code == Z_OK || code == Z_STREAM_END else {
            let text = code == Z_ERRNO ? unsafe strerror(errno) : unsafe UnsafeMutablePointer(mutating: message)
            let reason = unsafe text.map { unsafe String(cString: $0) } ?? "error \(code)"
            throw OfferError(.inputOutput, path: path, "cannot be read: \(reason)")
        }
        atEnd = unsafe gzeof(file) != 0
    }
}
