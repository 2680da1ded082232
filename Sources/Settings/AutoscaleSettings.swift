// The settings of whoever decides how many nodes there are.

public import Logging

public struct AutoscaleSettings: Sendable {
    /// Holds the webhook's secret where no file does. No setting, so that it is in no flag, file or log.
    public static let keyVariable = "FAVORITES_AUTOSCALE_WEBHOOK_KEY"

    public enum Target: Sendable, Equatable {
        case command([String])
        /// The file of the key; nil: the variable.
        case webhook(url: String, keyFile: String?)
    }

    /// Nil in a dry run.
    public var target: Target?
    public var scaleOutAbovePercent: Int
    public var scaleInBelowPercent: Int
    public var window: Duration
    public var scaleOutCooldown: Duration
    public var scaleInCooldown: Duration
    public var changeDeadline: Duration
    public var hookTimeout: Duration
    public var nodesMin: Int
    public var nodesMax: Int

    /// Nil where it is off. Traps on the settings of a command that has none of them.
    init?(_ settings: ResolvedSettings) {
        let mode = settings.text("autoscale.mode")
        guard mode != "off" else { return nil }
        if mode == "on" { target = Self.target(settings) }
        scaleOutAbovePercent = settings.integer("autoscale.scale-out-above")
        scaleInBelowPercent = settings.integer("autoscale.scale-in-below")
        window = settings.duration("autoscale.window")
        scaleOutCooldown = settings.duration("autoscale.scale-out-cooldown")
        scaleInCooldown = settings.duration("autoscale.scale-in-cooldown")
        changeDeadline = settings.duration("autoscale.change-deadline")
        hookTimeout = settings.duration("autoscale.hook-timeout")
        nodesMin = settings.integer("autoscale.nodes-min")
        nodesMax = settings.integer("autoscale.nodes-max")
    }

    private static func target(_ settings: ResolvedSettings) -> Target? {
        if let url = settings.text("autoscale.webhook.url") {
            return .webhook(url: url, keyFile: settings.text("autoscale.webhook.key-file"))
        }
        return settings.text("autoscale.command").map { .command($0.split(separator: " ").map(String.init)) }
    }

    /// What must hold between these settings.
    static func problems(_ settings: ResolvedSettings) -> [String] {
        guard ServiceCommand.scalers.contains(settings.command) else { return [] }
        let mode = settings.text("autoscale.mode")
        if mode == "off" {
            return settings.command == .autoscale
                ? ["autoscale.mode: off leaves `favorites autoscale` nothing to do; give on or dry-run"] : []
        }
        var problems: [String] = []
        if settings.integer("autoscale.scale-in-below") >= settings.integer("autoscale.scale-out-above") {
            problems.append("autoscale.scale-in-below: must be below autoscale.scale-out-above")
        }
        if settings.integer("autoscale.nodes-min") > settings.integer("autoscale.nodes-max") {
            problems.append("autoscale.nodes-min: must not be above autoscale.nodes-max")
        }
        let (command, url) = (settings.text("autoscale.command"), settings.text("autoscale.webhook.url"))
        if mode == "on", (command == nil) == (url == nil) {
            problems.append(
                "autoscale.mode: on needs one hook: autoscale.command or autoscale.webhook.url, "
                    + "\(command == nil ? "neither" : "both") given")
        }
        if let command, command.split(separator: " ").first?.hasPrefix("/") != true {
            problems.append("autoscale.command: must begin with the program's whole path, as in /usr/local/bin/scale")
        }
        if let url {
            let rest = url.components(behind: ["http://", "https://"])
            // The text of the URL is not shown: it may hold a token.
            if rest == nil || rest?.isEmpty == true {
                problems.append("autoscale.webhook.url: must begin with http:// or https://")
            }
            if rest?.prefix(while: { $0 != "/" && $0 != "?" }).contains("@") == true {
                problems.append("autoscale.webhook.url: no user and password in it; the request is signed instead")
            }
        }
        return problems
    }

    /// A setting's text for the log: of a URL nothing behind its path, which may be a token.
    static func shown(_ key: String, _ text: String) -> String {
        guard key == "autoscale.webhook.url", let query = text.firstIndex(of: "?") else { return text }
        return text[..<query] + "?(secret)"
    }
}

extension String {
    /// What follows the first of the prefixes that this begins with.
    fileprivate func components(behind prefixes: [String]) -> Substring? {
        prefixes.first { hasPrefix($0) }.map { dropFirst($0.count) }
    }
}

/// `favorites autoscale`.
public struct AutoscaleCommandSettings: Sendable {
    public var host: String
    /// 0 takes a free one.
    public var managementPort: Int
    public var kafka: KafkaSettings
    public var heartbeat: Duration
    public var silentAfter: Duration
    public var grace: Duration
    public var logLevel: Logger.Level
    public var autoscale: AutoscaleSettings

    /// Traps on the settings of another command than `autoscale`.
    public init(_ settings: ResolvedSettings) {
        guard let autoscale = AutoscaleSettings(settings) else { preconditionFailure("it is never off here") }
        self.autoscale = autoscale
        host = settings.text("host") ?? ""
        managementPort = settings.integer("management.port")
        kafka = KafkaSettings(settings)
        heartbeat = settings.duration("cluster.heartbeat")
        silentAfter = settings.duration("cluster.silent-after")
        grace = settings.duration("cluster.grace")
        logLevel = settings.text("log.level").flatMap { Logger.Level(rawValue: $0) } ?? .info
    }
}
