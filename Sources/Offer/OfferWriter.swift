import CZlib
import Foundation
public import Model

/// Writes an offer folder, one file for each model. Used by one thread.
public struct OfferWriter: ~Copyable {
    /// In the order of `ModelKind.allCases`.
    private let files: [OutputFile]

    /// Makes the folder where it is missing. Throws `alreadyThere` where it holds an offer file: nothing is overwritten.
    public init(path: String, gzip: Bool) throws(OfferError) {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw OfferError(.inputOutput, path: path, "the folder cannot be made: \(error.localizedDescription)")
        }
        let names = ModelKind.allCases.map { $0.plural + ".ndjson" }
        for name in names.flatMap({ [$0, $0 + ".gz"] }) where FileManager.default.fileExists(atPath: path + "/" + name) {
            throw OfferError(.alreadyThere, path: path, "already holds \(name); remove it or choose another folder")
        }
        var files: [OutputFile] = []
        for name in names { files.append(try OutputFile(path: path + "/" + name, gzip: gzip)) }
        self.files = files
    }

    /// Writes one line. `value` is a JSON object without line feeds, nil for a tombstone; `key` a legal id.
    public mutating func write(
        _ kind: ModelKind, key: some Collection<UInt8>, value: (some Collection<UInt8>)?
    ) throws(OfferError) {
        let file = files[Int(kind.rawValue)]
        file.buffer.append(contentsOf: "{\"key\":\"".utf8)
        file.buffer.append(contentsOf: key)
        file.buffer.append(contentsOf: "\",\"value\":".utf8)
        if let value { file.buffer.append(contentsOf: value) } else { file.buffer.append(contentsOf: "null".utf8) }
        file.buffer.append(contentsOf: "}\n".utf8)
        if file.buffer.count >= OutputFile.bufferBytes { try file.flush() }
    }

    /// Ends the files. Without it the folder is incomplete.
    public consuming func finish() throws(OfferError) {
        for file in files { try file.close() }
    }
}

/// Owns one open file and what is not yet written to it.
@safe private final class OutputFile {
    static let bufferBytes = 256 << 10

    private let path: String
    private var file: gzFile?
    var buffer: [UInt8] = []

    init(path: String, gzip: Bool) throws(OfferError) {
        self.path = path + (gzip ? ".gz" : "")
        // "T" writes plain bytes through the same calls. Level 1: with more, five million events wait for zlib.
        unsafe self.file = unsafe gzopen(self.path, gzip ? "wb1" : "wbT")
        if unsafe file == nil { throw failure() }
    }

    deinit { if let file = unsafe file { _ = unsafe gzclose(file) } }

    func flush() throws(OfferError) {
        guard !buffer.isEmpty else { return }
        let written = unsafe buffer.withUnsafeBytes { bytes in
            unsafe gzwrite(file, bytes.baseAddress, UInt32(bytes.count))
        }
        guard Int(written) == buffer.count else { throw failure() }
        buffer.removeAll(keepingCapacity: true)
    }

    func close() throws(OfferError) {
        try flush()
        guard let open = unsafe file else { return }
        unsafe file = nil
        guard unsafe gzclose(open) == Z_OK else { throw failure() }
    }

    private func failure() -> OfferError {
        OfferError(.inputOutput, path: path, "cannot be written: \(unsafe String(cString: strerror(errno)))")
    }
}
