// The settings as the services take them.

import FoundationEssentials
public import Logging
public import Model
public import Placement

/// What every member of the cluster has.
public struct MemberSettings: Sendable {
    /// Nil: `DataDirectory.memberID()` gives the kept one.
    public var id: ID?
    public var host: String
    /// The address others reach this member at.
    public var advertisedHost: String
    /// 0 takes a free one.
    public var managementPort: Int
    public var dataDirectory: String
    /// 1 to `loopsMax`.
    public var loops: Int
    /// The store has room for two readers of each (`EpochDomain.readersMax`).
    static let loopsMax = 256
    public var drainTimeout: Duration
    public var logLevel: Logger.Level

    init(_ settings: ResolvedSettings) {
        id = settings.text("node.id").flatMap { ID($0) }
        host = settings.text("host") ?? ""
        advertisedHost = settings.text("advertised.host") ?? host
        managementPort = settings.integer("management.port")
        dataDirectory = settings.text("data.dir") ?? ""
        let loops = settings.integer("loops")
        self.loops = loops > 0 ? loops : min(max(1, ProcessInfo.processInfo.activeProcessorCount), Self.loopsMax)
        drainTimeout = settings.duration("drain.timeout")
        logLevel = settings.text("log.level").flatMap { Logger.Level(rawValue: $0) } ?? .info
    }
}

public struct KafkaSettings: Sendable {
    /// `host:port` each.
    public var brokers: [String]
    public var topics: TopicNames
    public var clientOptions: ClientOptions

    init(_ settings: ResolvedSettings) {
        brokers = settings.list("kafka.brokers")
        topics = TopicNames(settings)
        clientOptions = settings.clientOptions
    }
}

public struct TopicNames: Sendable, Equatable {
    private let names: [String]
    /// The control topic.
    public let cluster: String

    init(_ settings: ResolvedSettings) {
        names = ModelKind.allCases.map { settings.text("kafka.topics.\($0.plural)") ?? "" }
        cluster = settings.text("kafka.topics.cluster") ?? ""
    }

    /// The topics of the models, in the order of `ModelKind.allCases`.
    public var models: [String] { names }

    /// The topic of the model.
    public subscript(kind: ModelKind) -> String { names[Int(kind.rawValue)] }
}

/// librdkafka's own options. They may hold passwords, so printing them shows no value that looks like one.
public struct ClientOptions: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible {
    /// By librdkafka's name.
    public let values: [String: String]

    init(_ values: [String: String]) { self.values = values }

    static func isSecret(_ option: String) -> Bool {
        ["password", "secret", "key", "token", "jaas", "oauth", "pem"].contains { option.contains($0) }
    }

    var shown: [(key: String, value: String)] {
        values.sorted { $0.key < $1.key }.map { ($0.key, Self.isSecret($0.key) ? "(secret)" : $0.value) }
    }

    public var description: String { shown.map { "\($0.key)=\($0.value)" }.joined(separator: " ") }
    public var debugDescription: String { description }
}

public struct ClusterSettings: Sendable {
    public var replicas: Replicas
    public var heartbeat: Duration
    public var silentAfter: Duration
    public var grace: Duration

    init(_ settings: ResolvedSettings) {
        replicas = settings.replicas
        heartbeat = settings.duration("cluster.heartbeat")
        silentAfter = settings.duration("cluster.silent-after")
        grace = settings.duration("cluster.grace")
    }
}

public struct HTTPSettings: Sendable {
    /// 0 takes a free one.
    public var port: Int
    public var connectionsMax: Int
    public var idleTimeout: Duration
    public var headerTimeout: Duration
    /// Whether answers are sent in gzip to whoever prefers that.
    public var gzip: Bool
    public var mymMaxAgeSeconds: Int
    public var mytMaxAgeSeconds: Int

    init(_ settings: ResolvedSettings) {
        port = settings.integer("http.port")
        connectionsMax = settings.integer("http.connections-max")
        idleTimeout = settings.duration("http.idle-timeout")
        headerTimeout = settings.duration("http.header-timeout")
        gzip = settings.text("http.gzip") == "on"
        mymMaxAgeSeconds = settings.integer("cache-control.mym-max-age-seconds")
        mytMaxAgeSeconds = settings.integer("cache-control.myt-max-age-seconds")
    }
}

/// `favorites node`.
public struct NodeSettings: Sendable {
    public var member: MemberSettings
    public var kafka: KafkaSettings
    public var cluster: ClusterSettings
    public var weight: Int
    public var zone: String?
    /// 0 takes a free one.
    public var linkPort: Int
    public var retiredBytesMax: Int
    public var packedBytesMax: Int
    public var freshnessInterval: Duration
    public var queueAgeMax: Duration
    /// Nil: none are written or loaded.
    public var snapshots: SnapshotSettings?

    /// Traps on the settings of another command than `node` and `serve`.
    public init(_ settings: ResolvedSettings) {
        member = MemberSettings(settings)
        kafka = KafkaSettings(settings)
        cluster = ClusterSettings(settings)
        weight = settings.integer("node.weight")
        zone = settings.text("node.zone")
        linkPort = settings.integer("link.port")
        retiredBytesMax = settings.integer("store.retired-bytes-max")
        packedBytesMax = settings.integer("store.gzip-bytes-max")
        freshnessInterval = settings.duration("freshness.interval")
        queueAgeMax = settings.duration("request.queue-age-max")
        snapshots = SnapshotSettings(settings)
    }
}

/// Snapshots of a node.
public struct SnapshotSettings: Sendable {
    public var directory: String
    public var interval: Duration
    public var changedBytes: Int
    public var bytesPerSecondMax: Int
    public var diskBytesMax: Int
    /// 0: none are handed out.
    public var peerStreamsMax: Int
    public var peerBytesPerSecondMax: Int
    public var peerFileBytesMax: Int

    /// Nil where they are switched off.
    init?(_ settings: ResolvedSettings) {
        interval = settings.duration("snapshot.interval")
        guard interval > .zero else { return nil }
        directory = (settings.text("data.dir") ?? "") + "/snapshots"
        changedBytes = settings.integer("snapshot.changed-bytes")
        bytesPerSecondMax = settings.integer("snapshot.write-bytes-per-second-max")
        diskBytesMax = settings.integer("snapshot.disk-bytes-max")
        peerStreamsMax = settings.integer("snapshot.peer-streams-max")
        peerBytesPerSecondMax = settings.integer("snapshot.peer-bytes-per-second-max")
        peerFileBytesMax = settings.integer("snapshot.peer-file-bytes-max")
    }
}

/// `favorites router`.
public struct RouterSettings: Sendable {
    public var member: MemberSettings
    public var kafka: KafkaSettings
    public var cluster: ClusterSettings
    public var http: HTTPSettings
    public var rules: SelectionRules
    public var requestDeadline: Duration
    /// Requests in flight on one event loop.
    public var requestsMax: Int
    public var queueAgeMax: Duration
    /// Whether partitions without a live holder are left out of an answer.
    public var givesPartial: Bool
    /// Nil: this router never decides how many nodes there are.
    public var autoscale: AutoscaleSettings?
    /// *Now* for the selection rules; nil for the clock's.
    public var clockFixed: Timestamp?

    /// Traps on the settings of another command than `router` and `serve`.
    public init(_ settings: ResolvedSettings) {
        member = MemberSettings(settings)
        kafka = KafkaSettings(settings)
        cluster = ClusterSettings(settings)
        http = HTTPSettings(settings)
        rules = SelectionRules()
        rules.teamsPerRequestMax = settings.integer("data.request.max-teams-per-request")
        rules.eventsPerRequestMax = settings.integer("data.request.max-events-per-request")
        rules.eventsPerTeamMax = settings.integer("data.eventsForSpecificTeam.teamMaxEvent")
        rules.matchesRemainMs = settings.duration("data.eventsForSpecificTeam.matchesRemainTime").milliseconds
        requestDeadline = settings.duration("request.deadline")
        requestsMax = settings.integer("request.in-flight-max")
        queueAgeMax = settings.duration("request.queue-age-max")
        givesPartial = settings.text("router.partial-answers") == "on"
        autoscale = AutoscaleSettings(settings)
        clockFixed = settings.timestamp("clock.fixed")
    }
}

/// `favorites serve`: a node and a router in one process. What both have is the same in both.
public struct ServeSettings: Sendable {
    public var node: NodeSettings
    public var router: RouterSettings

    /// Traps on the settings of another command than `serve`.
    public init(_ settings: ResolvedSettings) {
        node = NodeSettings(settings)
        router = RouterSettings(settings)
    }
}
