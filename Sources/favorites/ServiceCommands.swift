// `favorites node`, `router` and `serve`: settings in, a member running until SIGTERM or Ctrl-C.

import ArgumentParser
import Logging
import ServiceLifecycle
import Settings
import UnixSignals

struct NodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node", abstract: "Run a cache node: holds partitions in memory and answers routers.",
        discussion: SettingsHelp.text(for: .node))

    @OptionGroup var options: SettingsOptions

    func run() async throws {
        let resolved = try options.resolve(for: .node)
        try await runMember(resolved, node: NodeSettings(resolved), router: nil)
    }
}

struct RouterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "router", abstract: "Run a router: answers HTTP from the nodes' parts.",
        discussion: SettingsHelp.text(for: .router))

    @OptionGroup var options: SettingsOptions

    func run() async throws {
        let resolved = try options.resolve(for: .router)
        try await runMember(resolved, node: nil, router: RouterSettings(resolved))
    }
}

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Run node and router in one process: one machine, or a member of a cluster.",
        discussion: SettingsHelp.text(for: .serve))

    @OptionGroup var options: SettingsOptions

    func run() async throws {
        let resolved = try options.resolve(for: .serve)
        let settings = ServeSettings(resolved)
        try await runMember(resolved, node: settings.node, router: settings.router)
    }
}

private func runMember(_ resolved: ResolvedSettings, node: NodeSettings?, router: RouterSettings?) async throws {
    var logger = Logger(label: "favorites.\(resolved.command.rawValue)") { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = node?.member.logLevel ?? router?.member.logLevel ?? .info
    logger.info(
        "starting", metadata: Dictionary(uniqueKeysWithValues: resolved.summary.map { ($0.key, "\($0.value)") }))
    let service = MemberService(node: node, router: router, logger: logger)
    var configuration = ServiceGroupConfiguration(
        services: [.init(service: service, successTerminationBehavior: .gracefullyShutdownGroup)],
        gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
    configuration.maximumGracefulShutdownDuration = .seconds(3_700)
    try await ServiceGroup(configuration: configuration).run()
}
