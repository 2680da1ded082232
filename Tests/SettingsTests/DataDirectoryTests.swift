import Foundation
import Model
import Testing

@testable import Settings

struct DataDirectoryTests {
    @Test func oneHolderAtATimeAndItsPidIsNamed() throws {
        try TemporaryFolder.with { folder in
            let path = folder + "/a/b"
            do {
                let held = try DataDirectory(path: path)
                #expect(held.path == path)
                #expect(
                    throws: CommandError(
                        "data.dir \(path): in use by process \(getpid()); stop it or give another --data-dir",
                        code: .system)
                ) { try DataDirectory(path: path) }
                withExtendedLifetime(held) {}
            }
            _ = try DataDirectory(path: path)
        }
    }

    @Test func eachLockHasANameOfItsOwn() throws {
        try TemporaryFolder.with { folder in
            let first = try DataDirectory(path: folder + "/a").lockName
            #expect(first != nil)
            let second = try DataDirectory(path: folder + "/a")
            #expect(second.lockName == first)
            #expect(try DataDirectory(path: folder + "/b").lockName != first)
            // While the lock is held its file is another one than that which takes its place.
            try FileManager.default.removeItem(atPath: folder + "/a")
            #expect(try DataDirectory(path: folder + "/a").lockName != second.lockName)
        }
    }

    @Test func idIsMadeOnceAndKept() throws {
        try TemporaryFolder.with { folder in
            let first = try DataDirectory(path: folder).memberID()
            #expect(try DataDirectory(path: folder).memberID() == first)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["lock", "node.id"])
        }
    }

    @Test func brokenIdIsAnErrorThatNamesTheFile() throws {
        try TemporaryFolder.with { folder in
            try "no id!\n".write(toFile: folder + "/node.id", atomically: true, encoding: .utf8)
            let directory = try DataDirectory(path: folder)
            #expect(
                throws: CommandError(
                    "\(folder)/node.id: holds no legal id; delete the file for a new one, or give --node-id",
                    code: .data)
            ) { try directory.memberID() }
        }
    }

    @Test func folderThatCannotBeMadeIsNamed() throws {
        try TemporaryFolder.with { folder in
            try "".write(toFile: folder + "/file", atomically: true, encoding: .utf8)
            #expect(
                throws: CommandError("data.dir: cannot make \(folder)/file/x: Not a directory", code: .system)
            ) { try DataDirectory(path: folder + "/file/x") }
        }
    }
}
