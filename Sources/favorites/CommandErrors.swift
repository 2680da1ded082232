// The modules' errors as the line and the exit code that end a command.

import Cluster
import Glibc
import HTTPServer
import Kafka
import NIOCore
import Offer
import Settings

extension CommandError {
    init(_ error: KafkaError) {
        self.init(error.message, code: error.code == .configuration ? .usage : .unavailable)
    }

    init(_ error: OfferError) {
        let code: Code =
            switch error.code {
            case .noFolder, .wrongFiles, .alreadyThere: .usage
            case .brokenLine: .data
            case .inputOutput: .system
            }
        self.init(error.description, code: code)
    }

    /// Nil for an error of none of the modules, such as ArgumentParser's own.
    init?(known error: any Error) {
        switch error {
        case let error as CommandError: self = error
        case let error as KafkaError: self.init(error)
        case let error as OfferError: self.init(error)
        case let error as JoinError: self.init(error.description, code: .unavailable)
        default: return nil
        }
    }

    /// Why a member could not start. The link's listener throws NIO's own errors, and nothing else here does.
    init(starting error: any Error, member: MemberSettings, httpPort: Int?, linkPort: Int?) {
        switch error {
        case let error as HTTPServerError:
            let key = error.port == httpPort ? "http.port" : "management.port"
            self.init(listening: key, error.host, error.port, isTaken: error.code == .addressInUse, error.reason)
        case let error as IOError:
            self.init(
                listening: "link.port", member.host, linkPort ?? 0, isTaken: error.errnoCode == EADDRINUSE, "\(error)")
        default: self = CommandError(known: error) ?? CommandError("\(error)", code: .unavailable)
        }
    }

    private init(listening key: String, _ host: String, _ port: Int, isTaken: Bool, _ reason: String) {
        let flag = "--" + key.split(separator: ".").joined(separator: "-")
        self.init(
            isTaken
                ? "\(key): \(host):\(port) is in use by another process; give another \(flag), or 0 for a free one"
                : "\(key): cannot listen on \(host):\(port) (\(reason)); is host an address of this machine?",
            code: .unavailable)
    }
}
