// The one executable. Each subcommand has a file of its own; this one lists them and ends the process.

import ArgumentParser
import Glibc
import Settings

@main
struct Favorites: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "favorites",
        abstract: "The read side of a live-sports product: six Kafka topics in, my matches and my teams out.",
        discussion: "Start with `favorites demo`, which runs a whole cluster on this machine.",
        version: "0.1.0",
        subcommands: [BrokerCommand.self, TopicsCommand.self, PublishCommand.self, NodeCommand.self, RouterCommand.self, ServeCommand.self])

    static func main() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let error as CommandError {
            writeError(error.message)
            Glibc.exit(error.code.rawValue)
        } catch {
            let code = exitCode(for: error)
            // A request for help or the version ends here too.
            if code.isSuccess { exit(withError: error) }
            writeError(message(for: error) + (code == .validationFailure ? " (--help lists what there is)" : ""))
            Glibc.exit(code.rawValue)
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
