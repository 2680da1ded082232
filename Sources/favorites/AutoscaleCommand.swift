// `favorites autoscale`: decides how many nodes there are, beside a cluster of which it is no member.

import ArgumentParser
import Cluster
import HTTPServer
import Kafka
import Logging
import Membership
import Model
import NIOCore
import NIOPosix
import ServiceLifecycle
import Settings
import Telemetry
import UnixSignals

struct AutoscaleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "autoscale", abstract: "Adds a node where the nodes are busy, and takes one away where they idle.",
        discussion: SettingsHelp.text(for: .autoscale))

    @OptionGroup var options: SettingsOptions

    func run() async throws {
        let resolved = try options.resolve(for: .autoscale)
        let settings = AutoscaleCommandSettings(resolved)
        var logger = Logger(label: "favorites.autoscale") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = settings.logLevel
        logger.info(
            "starting", metadata: Dictionary(uniqueKeysWithValues: resolved.summary.map { ($0.key, "\($0.value)") }))
        var configuration = ServiceGroupConfiguration(
            services: [
                .init(
                    service: AutoscaleProcess(settings: settings, logger: logger),
                    successTerminationBehavior: .gracefullyShutdownGroup)
            ],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        configuration.maximumGracefulShutdownDuration = .seconds(10)
        try await ServiceGroup(configuration: configuration).run()
    }
}

private struct AutoscaleProcess: Service {
    let settings: AutoscaleCommandSettings
    let logger: Logger

    func run() async throws {
        let registry = Registry()
        ProcessMetrics.register(in: registry)
        guard let id = ID("autoscale") else { preconditionFailure("a legal id") }
        let parts = Parts(id: id, logger: logger)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        var timeouts = MembershipTimeouts()
        timeouts.silentMs = settings.silentAfter.milliseconds
        timeouts.graceMs = settings.grace.milliseconds
        timeouts.stepMaxMs = 2 * settings.heartbeat.milliseconds
        let observer = try ClusterObserver.start(
            topic: settings.kafka.topics.cluster, kafka: KafkaClientOptions(settings.kafka, id: id),
            timeouts: timeouts, logger: logger)
        defer { observer.stop() }
        let service = try AutoscaleService(
            settings.autoscale, registry: registry, logger: logger, isInCharge: { _ in true },
            cluster: { observer.cluster })
        let management: HTTPServer
        do {
            management = try await HTTPServer.start(
                host: settings.host, port: settings.managementPort, group: group, observer: QuietObserver(),
                wallSeconds: { Clocks.wallMs() / 1_000 }
            ) { loop in
                ManagementAnswerer(parts: parts, registry: registry, isNode: false, isRouter: false, loop: loop)
            }
        } catch {
            throw CommandError(
                "management.port: cannot listen at \(settings.host):\(settings.managementPort): \(error); give another "
                    + "--management-port, or 0 for a free one", code: .unavailable)
        }
        logger.info("management listens", metadata: ["management": "\(settings.host):\(management.port)"])
        await cancelWhenGracefulShutdown { await service.run() }
        await management.drain(idleGrace: .zero, deadline: .seconds(1))
        try await group.shutdownGracefully()
        logger.info("stopped")
    }
}
