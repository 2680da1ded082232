// The table of settings: the only place that knows a key, its default and what it may be.

import Model

enum SettingsTable {
    /// The prefix of librdkafka's own options, which pass through under their own names.
    static let clientPrefix = "kafka.client."
    static let clientFlag = "--kafka-client"

    /// Options of librdkafka that have a setting of their own, or that the project decides.
    static let clientReserved: [String: String] = [
        "bootstrap.servers": "set kafka.brokers instead",
        "metadata.broker.list": "set kafka.brokers instead",
        "allow.auto.create.topics": "topics are made by `favorites topics create`",
        "group.id": "partitions are assigned by the cluster's own placement",
        "isolation.level": "only committed messages are read",
    ]

    static let all: [Setting] = kafka + member + cluster + http + contract + node + autoscale

    /// Traps on a key that is not in the table.
    static func setting(_ key: String) -> Setting {
        guard let setting = all.first(where: { $0.key == key }) else { preconditionFailure("no setting \(key)") }
        return setting
    }

    static func settings(of command: ServiceCommand) -> [Setting] { all.filter { $0.commands.contains(command) } }

    private static let kafka: [Setting] = [
        Setting(
            "kafka.brokers", .addresses, "127.0.0.1:9092", for: ServiceCommand.allCases, "Kafka's bootstrap addresses."),
        Setting(
            "kafka.topics.events", .topic, "favorites-api-events", for: ServiceCommand.allCases,
            "Topic of the events; it is sharded."),
        Setting(
            "kafka.topics.participants", .topic, "favorites-api-participants", for: ServiceCommand.allCases,
            "Topic of the participants."),
        Setting(
            "kafka.topics.stages", .topic, "favorites-api-stages", for: ServiceCommand.allCases, "Topic of the stages."),
        Setting(
            "kafka.topics.seasons", .topic, "favorites-api-seasons", for: ServiceCommand.allCases,
            "Topic of the seasons."),
        Setting(
            "kafka.topics.regions", .topic, "favorites-api-regions", for: ServiceCommand.allCases,
            "Topic of the regions."),
        Setting(
            "kafka.topics.categories", .topic, "favorites-api-categories", for: ServiceCommand.allCases,
            "Topic of the categories."),
        Setting(
            "kafka.topics.cluster", .topic, "favorites-cluster", for: ServiceCommand.allCases,
            "Control topic of the cluster; one partition."),
    ]

    private static let member: [Setting] = [
        Setting("node.id", .id, "", "This member's id; absent: one made at the first start and kept in data.dir."),
        Setting(
            "node.weight", .integer(1...16), "1", for: [.node, .serve],
            "Share of the partitions this node takes, relative to the other nodes."),
        Setting(
            "node.zone", .id, "", for: [.node, .serve],
            "Zone this node stands in; absent: none. A partition's holders stand in different zones where there are."),
        Setting(
            "host", .text, "127.0.0.1", for: ServiceCommand.services + [.autoscale], "Address the listeners bind to."),
        Setting(
            "advertised.host", .text, "",
            "Address other members reach this one at; absent: host. Needed where host is 0.0.0.0 or ::."),
        Setting(
            "link.port", .port, "7070", for: [.node, .serve], "Port of the link, where routers ask this node."),
        Setting(
            "management.port", .port, "8081", defaults: [.node: "8082", .autoscale: "8083"],
            for: ServiceCommand.services + [.autoscale], "Port of health, metrics and debug look-ups."),
        Setting(
            "data.dir", .text, "./favorites-data",
            defaults: [
                .node: "./favorites-data/node", .router: "./favorites-data/router", .serve: "./favorites-data/serve",
            ],
            "Folder of this process's files; locked, so one process uses it at a time."),
        Setting(
            "loops", .integer(0...MemberSettings.loopsMax), "0",
            "Event loops that serve requests; 0: one for each core."),
        Setting(
            "drain.timeout", .duration(.zero...(.seconds(3_600))), "30s",
            "Longest time that a stop (SIGTERM) waits for what was begun."),
        Setting(
            "log.level", .choice(["trace", "debug", "info", "notice", "warning", "error", "critical"]), "info",
            for: ServiceCommand.services + [.autoscale], "Lowest level that is logged."),
    ]

    private static let cluster: [Setting] = [
        Setting(
            "cluster.replicas", .replicas, "2",
            "Holders of each events partition; max: every node holds everything. The same on every member."),
        Setting(
            "cluster.heartbeat", .duration(.milliseconds(50)...(.seconds(60))), "1s",
            for: ServiceCommand.services + [.autoscale],
            "Time between two announcements of a member."),
        Setting(
            "cluster.silent-after", .duration(.milliseconds(200)...(.seconds(600))), "5s",
            for: ServiceCommand.services + [.autoscale],
            "Age of a member's last announcement at which requests leave it; at least twice cluster.heartbeat."),
        Setting(
            "cluster.grace", .duration(.zero...(.seconds(86_400))), "60s",
            for: ServiceCommand.services + [.autoscale],
            "Time a silent member keeps its place before its partitions go to others; at least cluster.silent-after."),
    ]

    private static let http: [Setting] = [
        Setting("http.port", .port, "8080", for: [.router, .serve], "Port of the public endpoints."),
        Setting(
            "http.connections-max", .integer(1...1_000_000), "10000", for: [.router, .serve],
            "Open client connections; more are closed at once."),
        Setting(
            "http.idle-timeout", .duration(.seconds(1)...(.seconds(3_600))), "60s", for: [.router, .serve],
            "Time after which a connection without a request is closed."),
        Setting(
            "http.header-timeout", .duration(.milliseconds(100)...(.seconds(600))), "10s", for: [.router, .serve],
            "Time a client has from a request's first byte to the end of its head."),
        Setting(
            "http.gzip", .choice(["off", "on"]), "off", for: [.router, .serve],
            "Whether answers are sent in gzip to clients that prefer it; on, they vary by Accept-Encoding. "
                + "Set store.gzip-bytes-max on the nodes too."),
        Setting(
            "request.deadline", .duration(.milliseconds(10)...(.seconds(60))), "1s", for: [.router, .serve],
            "Time in which a request is answered, or else refused with 503."),
        Setting(
            "request.in-flight-max", .integer(1...65_536), "4096", for: [.router, .serve],
            "Requests of one event loop that wait for nodes; one more is refused with 503 at once."),
        Setting(
            "request.queue-age-max", .duration(.milliseconds(1)...(.seconds(60))), "100ms",
            "Time for which a loop works off what has come in; what is left then is refused at once, with 503 or by a node."
        ),
        Setting(
            "router.partial-answers", .choice(["off", "on"]), "off", for: [.router, .serve],
            "Whether a request some of whose partitions have no live holder is answered without them, marked as such; "
                + "off: 503."),
        Setting(
            "clock.fixed", .timestamp, "", for: [.router, .serve],
            "Freezes now for the selection rules, for tests and replays; absent: the clock."),
    ]

    private static let contract: [Setting] = [
        Setting(
            "data.request.max-teams-per-request", .integer(1...Limits.requestTeamsMax), "50", for: [.router, .serve],
            "Team ids one request may name."),
        Setting(
            "data.request.max-events-per-request", .integer(1...Limits.requestEventsMax), "200",
            for: [.router, .serve], "Event ids one request may name."),
        Setting(
            "data.eventsForSpecificTeam.teamMaxEvent", .integer(1...100), "3", for: [.router, .serve],
            "Events shown for each team."),
        Setting(
            "data.eventsForSpecificTeam.matchesRemainTime", .duration(.zero...(.seconds(31_536_000))), "12h",
            for: [.router, .serve], "Time after its start that a team's event is still shown."),
        Setting(
            "cache-control.mym-max-age-seconds", .integer(0...31_536_000), "10", for: [.router, .serve],
            "Cache-Control max-age of my matches."),
        Setting(
            "cache-control.myt-max-age-seconds", .integer(0...31_536_000), "3600", for: [.router, .serve],
            "Cache-Control max-age of my teams."),
    ]

    private static let node: [Setting] = [
        Setting(
            "store.retired-bytes-max", .integer((1 << 20)...(1 << 40)), "268435456", for: [.node, .serve],
            "Bytes of replaced records that may wait for their last reader; at the limit ingest waits, reads go on."),
        Setting(
            "freshness.interval", .duration(.milliseconds(10)...(.seconds(60))), "100ms", for: [.node, .serve],
            "Time between two questions to the brokers for the ends of the logs; an idle partition grows this old."),
        Setting(
            "store.gzip-bytes-max", .integer(0...(1 << 40)), "0", for: [.node, .serve],
            "Bytes of fragments kept ready for gzip answers, about a third of their JSON; what has no room is packed "
                + "by the router for each answer. 0: none is kept. Of use with http.gzip."),
        Setting(
            "snapshot.interval", .duration(.zero...(.seconds(86_400))), "10m", for: [.node, .serve],
            "Time after which a partition that has changed is written to data.dir again; 0s: no snapshots, neither written nor loaded."
        ),
        Setting(
            "snapshot.changed-bytes", .integer((1 << 20)...(1 << 40)), "268435456", for: [.node, .serve],
            "Bytes of messages after which a partition is written before its interval has passed."),
        Setting(
            "snapshot.write-bytes-per-second-max", .integer((1 << 20)...(1 << 40)), "104857600", for: [.node, .serve],
            "Rate at which snapshots are written, so that they leave the disk to others; at the end of the process they are not held to it."
        ),
        Setting(
            "snapshot.disk-bytes-max", .integer((1 << 20)...(1 << 50)), "17179869184", for: [.node, .serve],
            "Bytes that snapshots may take in data.dir, the one being written included; at the limit it is given up and the one before stays."
        ),
        Setting(
            "snapshot.peer-streams-max", .integer(0...64), "2", for: [.node, .serve],
            "Snapshots of this node that other nodes may read at once, on the management port; at the limit they are answered 429. 0: none."
        ),
        Setting(
            "snapshot.peer-bytes-per-second-max", .integer((2 << 20)...(1 << 40)), "104857600", for: [.node, .serve],
            "Rate at which snapshots are handed to other nodes, all together; it falls by itself while this node's reads are slow."
        ),
        Setting(
            "snapshot.peer-file-bytes-max", .integer((1 << 20)...(1 << 40)), "2147483648", for: [.node, .serve],
            "Bytes of records that one snapshot of another node may bring into memory; a larger one is not used."
        ),
    ]

    private static let autoscale: [Setting] = [
        Setting(
            "autoscale.mode", .choice(["off", "on", "dry-run"]), "off", defaults: [.autoscale: "on"],
            for: ServiceCommand.scalers,
            "Whether nodes are added and taken away. Of the routers the live one of the lowest id decides: set it alike "
                + "on all. dry-run: decisions are logged, no hook is called."),
        Setting(
            "autoscale.scale-out-above", .integer(2...100), "70", for: ServiceCommand.scalers,
            "Percent of what the nodes' serving loops may use; a mean above it adds a node."),
        Setting(
            "autoscale.scale-in-below", .integer(1...99), "40", for: ServiceCommand.scalers,
            "The same; a mean below it takes a node away, if the others then stay 5 below autoscale.scale-out-above."),
        Setting(
            "autoscale.window", .duration(.seconds(1)...(.seconds(3_600))), "60s", for: ServiceCommand.scalers,
            "Time the mean is taken over; the topology must have stood still for as long."),
        Setting(
            "autoscale.scale-out-cooldown", .duration(.zero...(.seconds(86_400))), "60s", for: ServiceCommand.scalers,
            "Time from a change of the nodes, or a hook's failure, to the next node that is added."),
        Setting(
            "autoscale.scale-in-cooldown", .duration(.zero...(.seconds(86_400))), "5m", for: ServiceCommand.scalers,
            "The same to the next node that is taken away."),
        Setting(
            "autoscale.change-deadline", .duration(.seconds(1)...(.seconds(86_400))), "10m",
            for: ServiceCommand.scalers,
            "Time from a hook's call until the new node serves or the old one is gone; then another change may begin."),
        Setting(
            "autoscale.nodes-min", .integer(1...Limits.membersMax), "2", for: ServiceCommand.scalers,
            "Fewest nodes; where there are fewer, one is added. Never fewer than cluster.replicas are left."),
        Setting(
            "autoscale.nodes-max", .integer(1...Limits.membersMax), "16", for: ServiceCommand.scalers, "Most nodes."),
        Setting(
            "autoscale.command", .text, "", for: ServiceCommand.scalers,
            "Program that adds and takes away nodes, and its first arguments, separated by spaces; scale-out or "
                + "scale-in follows. It gets AUTOSCALE_… variables and none of FAVORITES_…"),
        Setting(
            "autoscale.webhook.url", .text, "", for: ServiceCommand.scalers,
            "Where the decision is sent instead, as JSON by POST: http://… or https://…"),
        Setting(
            "autoscale.webhook.key-file", .text, "", for: ServiceCommand.scalers,
            "File with the secret that signs it (HMAC-SHA256), 16 to 4096 bytes; absent: the variable "
                + "FAVORITES_AUTOSCALE_WEBHOOK_KEY holds the secret itself."),
        Setting(
            "autoscale.hook-timeout", .duration(.milliseconds(100)...(.seconds(600))), "30s",
            for: ServiceCommand.scalers, "Time one run of the command, or one attempt of the webhook, may take."),
    ]
}
