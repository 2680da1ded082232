// `http_server_requests_seconds`, resolved once into a fixed array: an observation is an index, not a look-up.

/// The histogram of answered requests, one series for each (uri, method, status).
public struct HTTPRequestMetrics: Sendable {
    /// The methods that are counted by name; anything else is `OTHER`.
    public static let methods = ["GET", "HEAD", "OPTIONS", "OTHER"]
    /// The statuses this project answers with; anything else counts as 500.
    public static let statuses = [200, 204, 304, 400, 404, 405, 413, 414, 431, 500, 503, 505]

    private let handles: [Histogram]
    private let uris: Int
    /// 100 to 599, so that finding a status is one load.
    private let statusIndexes: [UInt8]

    /// `uris` are the templates of the routes, such as `/v1/api/app/mym/{sport}`, never a client's own text.
    public init(registry: Registry, uris: [String]) {
        self.uris = uris.count
        var indexes = [UInt8](repeating: UInt8(Self.statuses.firstIndex(of: 500) ?? 0), count: 500)
        for (index, status) in Self.statuses.enumerated() { indexes[status - 100] = UInt8(index) }
        statusIndexes = indexes
        handles = uris.flatMap { uri in
            Self.methods.flatMap { method in
                Self.statuses.map { status in Self.handle(registry, uri, method, status) }
            }
        }
    }

    /// `uri` and `method` are indexes into `uris` and `methods`. Takes no lock and allocates nothing.
    public func observe(uri: Int, method: Int, status: Int, nanoseconds: UInt64) {
        precondition(uri >= 0 && uri < uris && method >= 0 && method < Self.methods.count)
        let statusIndex = Int(statusIndexes[(100...599).contains(status) ? status - 100 : 400])
        let row = uri * Self.methods.count + method
        handles[row * Self.statuses.count + statusIndex].observe(nanoseconds: nanoseconds)
    }

    private static func handle(_ registry: Registry, _ uri: String, _ method: String, _ status: Int) -> Histogram {
        registry.histogram(
            "http_server_requests_seconds", help: "Time from a request's first byte to its answer's last.",
            labels: [
                ("exception", "None"), ("method", method), ("outcome", outcome(status)), ("status", "\(status)"),
                ("uri", uri),
            ])
    }

    private static func outcome(_ status: Int) -> String {
        switch status {
        case ..<200: "INFORMATIONAL"
        case ..<300: "SUCCESS"
        case ..<400: "REDIRECTION"
        case ..<500: "CLIENT_ERROR"
        default: "SERVER_ERROR"
        }
    }
}
