// The one executable. Each subcommand has a file of its own; this one lists them and ends the process.

import ArgumentParser
import Foundation
import Glibc
import Settings

@main
struct Favorites: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "favorites",
        abstract: "The read side of a live-sports product: six Kafka topics in, my matches and my teams out.",
        discussion: """
            Start with `favorites demo`, which runs a whole cluster on this machine.

            EXIT CODES:
              0   done, or ended by SIGTERM or Ctrl-C
            \(CommandError.Code.allCases.map { "  \($0.rawValue)  \($0.meaning)" }.joined(separator: "\n"))
            """,
        version: "0.1.0",
        subcommands: [
            DemoCommand.self, ServeCommand.self, NodeCommand.self, RouterCommand.self, BrokerCommand.self,
            TopicsCommand.self, AutoscaleCommand.self, PublishCommand.self, GenerateCommand.self, SimulateCommand.self,
            SnapshotCommand.self,
        ])

    static func main() async {
        letSignalsThrough()
        if unsafe getenv("FAVORITES_ENDS_WITH_INPUT") != nil { stopWithInput() }
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            if let error = CommandError(known: error) {
                writeError(error.message)
                Glibc.exit(error.code.rawValue)
            }
            let code = exitCode(for: error)
            // A request for help or the version ends here too.
            if code.isSuccess { exit(withError: error) }
            writeError(message(for: error) + (code == .validationFailure ? " (--help lists what there is)" : ""))
            Glibc.exit(code.rawValue)
        }
    }

    /// A parent may have blocked them, and a blocked Ctrl-C would never be seen.
    private static func letSignalsThrough() {
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGINT)
        unsafe sigaddset(&signals, SIGTERM)
        unsafe pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }

    /// Stops this process when its standard input ends. The demo holds the other end of its children's input, so they
    /// end with it even where it is killed with -9.
    private static func stopWithInput() {
        Thread.detachNewThread {
            var byte: UInt8 = 0
            while unsafe read(STDIN_FILENO, &byte, 1) > 0 {}
            kill(getpid(), SIGTERM)
        }
    }

    /// Each line of `message` on stderr, behind the program's name.
    private static func writeError(_ message: String) {
        let text = message.split(separator: "\n").map { "favorites: \($0)\n" }.joined()
        let bytes = Array(text.utf8)
        // Nobody is left to tell where stderr is closed.
        _ = unsafe bytes.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
