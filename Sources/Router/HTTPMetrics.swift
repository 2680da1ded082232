public import HTTP1
public import HTTPServer
public import Telemetry

/// The counters of one HTTP server.
public final class HTTPMetrics: HTTPObserver {
    private let requests: HTTPRequestMetrics
    private let open: Gauge
    private let refused: Counter
    private let closed: [Counter]
    private let shed: [Counter]

    /// `uris` in the order of the answerer's `RouteIndex`.
    public init(_ registry: Registry, uris: [String]) {
        requests = HTTPRequestMetrics(registry: registry, uris: uris)
        open = registry.gauge("http_server_connections", help: "Open connections.")
        refused = registry.counter("http_server_connections_refused_total", help: "Connections over the limit.")
        shed = ShedReason.allCases.map {
            registry.counter(
                "http_server_requests_shed_total", help: "Requests refused with 503 in place of being answered.",
                labels: [("reason", "\($0)")])
        }
        closed = ConnectionEnd.allCases.map {
            registry.counter(
                "http_server_connections_closed_total", help: "Closed connections, by reason.",
                labels: [("reason", "\($0)")])
        }
    }

    public func connectionOpened() { open.add(1) }

    public func connectionClosed(_ end: ConnectionEnd) {
        open.add(-1)
        closed[Int(end.rawValue)].add()
    }

    public func connectionRefused() { refused.add() }

    public func requestShed(_ reason: ShedReason) { shed[Int(reason.rawValue)].add() }

    public func answered(route: RouteIndex, method: Method, status: Int, nanoseconds: Int64) {
        requests.observe(
            uri: Int(route.rawValue), method: Self.index(of: method), status: status,
            nanoseconds: UInt64(max(0, nanoseconds)))
    }

    /// The place in `HTTPRequestMetrics.methods`.
    private static func index(of method: Method) -> Int {
        switch method {
        case .get: 0
        case .head: 1
        case .options: 2
        case .other: 3
        }
    }
}
