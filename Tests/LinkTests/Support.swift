// Scripted holders, a cluster of servers on loopback, and a caller that awaits answers.

import FanOut
import Logging
import Model
import NIOCore
import NIOPosix
import Query
import Render
import Synchronization

@testable import Link

func set(_ partitions: Int...) -> PartitionSet {
    var set = PartitionSet()
    for partition in partitions { set.insert(PartitionID(partition)) }
    return set
}

/// An id that the test itself wrote, so it is one.
func makeID(_ text: String) -> ID {
    guard let id = ID(text) else { preconditionFailure("\(text) is no id") }
    return id
}

/// What a scripted holder does with a query, and what it was asked. Shared by the loops of a node and the test.
final class Script: Sendable {
    struct State {
        var refusals: [HolderRefusal] = []
        var alwaysRefuses: HolderRefusal?
        var offset: Int64 = 0
        var asked: [PartitionSet] = []
        var needs: [PositionNeeds] = []
        var jsonBytes = 0
        var freshness = Freshness.best
        /// Sends packed fragments, asked or not.
        var packs = false
    }

    let state = Mutex(State())

    var askedCount: Int { state.withLock { $0.asked.count } }
}

/// Answers each partition with one event, whose JSON names the node, the partition and the request's first team.
final class ScriptedHolder: Holder {
    private let name: String
    private let script: Script

    init(_ name: String, _ script: Script) {
        self.name = name
        self.script = script
    }

    var progress: UInt64 { UInt64(script.state.withLock { $0.offset }) }

    func answer(
        _ query: HolderQuery, needs: PositionNeeds, knowing progress: UInt64?,
        part: (borrowing Part, ShownPosition?, Freshness) -> Void, refused: (HolderRefusal) -> Void
    ) {
        let (refusal, offset, jsonBytes, freshness, packs) = script.state.withLock { state in
            state.asked.append(query.partitions)
            state.needs.append(needs)
            var refusal = state.alwaysRefuses
            if !state.refusals.isEmpty { refusal = state.refusals.removeFirst() }
            if state.freshness.ageMs > query.stalenessMaxMs {
                refusal = refusal ?? .stale(ageMs: state.freshness.ageMs)
            }
            if needs.offsets.contains(where: { $0.rawValue > state.offset }) { refusal = refusal ?? .behind }
            return (refusal, state.offset, state.jsonBytes, state.freshness, state.packs)
        }
        if let refusal { return refused(refusal) }
        var globals = GlobalPosition(partitionCounts: [1, 1, 1, 1, 1])
        globals.set(Offset(offset), at: 0)
        let shown = ShownPosition(
            offsets: query.partitions.partitions.map { _ in Offset(offset) }, globals: globals,
            globalsVersion: UInt64(offset))
        var texts: [[UInt8]] = query.partitions.partitions.map { partition in
            Array("\(name) \(partition) \(team(of: query))".utf8) + [UInt8](repeating: 0x78, count: jsonBytes)
        }
        if packs { texts = texts.map(packed) }
        var bytes: [UInt8] = []
        for text in texts { bytes += text }
        unsafe bytes.withUnsafeBufferPointer { memory in
            unsafe part(makePart(texts.map(\.count), memory, isPacked: packs), shown, freshness)
        }
    }

    private func packed(_ text: [UInt8]) -> [UInt8] {
        let packer = FragmentPacker()
        return unsafe text.withUnsafeBufferPointer { text in
            guard let packed = unsafe packer.pack(text) else { preconditionFailure("a text that cannot be packed") }
            return unsafe Array(packed)
        }
    }

    private func makePart(_ counts: [Int], _ memory: UnsafeBufferPointer<UInt8>, isPacked: Bool) -> Part {
        var part = unsafe Part()
        guard !counts.isEmpty, var next = memory.baseAddress else { return unsafe part }
        let nothing = unsafe ByteView(start: next, count: 0)
        let hash = ContentHash(low: 0, high: 0)
        unsafe part.stages.append(
            StageEntry(
                isKnown: false, positionScores: nil, positionTeams: nil, hash: hash, id: nothing, name: nothing,
                json: nothing))
        for count in counts {
            unsafe part.events.append(
                EventEntry(
                    start: Timestamp(milliseconds: 0), stage: 0, hash: hash, id: nothing, name: nothing,
                    json: ByteView(start: next, count: count), isPacked: isPacked))
            unsafe next += count
        }
        return unsafe part
    }

    private func team(of query: HolderQuery) -> String {
        switch query.request {
        case .matches(let request): "\(request.teamIDs.first.map { "\($0)" } ?? "-")"
        case .teams(let request): "\(request.teamIDs[0])"
        }
    }
}

func holderQuery(team: String = "t") -> HolderQuery {
    let request = MatchesRequest(sport: .soccer, eventIDs: [], teamIDs: [makeID(team)], limit: 1, offset: 0)
    return HolderQuery(
        request: .matches(request), partitions: PartitionSet(), now: Timestamp(milliseconds: 1), eventsPerTeamMax: 3,
        matchesRemainMs: 1)
}

/// Turns the receiver's calls into something a test can await.
final class Caller: AnswerReceiver, Sendable {
    typealias Answer = Result<[String], FanOutFailure>

    private let continuations = Mutex<[UInt64: CheckedContinuation<Answer, Never>]>([:])

    func answered(_ gathered: borrowing GatheredParts, token: UInt64) {
        var texts: [String] = []
        for index in unsafe gathered.parts.indices {
            let part = unsafe gathered.parts[index]
            for index in unsafe part.events.indices {
                let event = unsafe part.events[index]
                let bytes = unsafe UnsafeBufferPointer(start: event.json.start, count: event.json.count)
                texts.append(unsafe String(decoding: bytes, as: UTF8.self))
            }
        }
        finish(.success(texts.sorted()), token)
    }

    func failed(_ failure: FanOutFailure, token: UInt64) { finish(.failure(failure), token) }

    private func finish(_ answer: Answer, _ token: UInt64) {
        continuations.withLock { $0.removeValue(forKey: token) }?.resume(returning: answer)
    }

    func ask(_ clients: FanOutClients, on loop: any EventLoop, _ query: HolderQuery, _ need: Need, token: UInt64 = 0)
        async -> Answer
    {
        await withCheckedContinuation { continuation in
            continuations.withLock { $0[token] = continuation }
            loop.execute { clients.client(on: loop).ask(query, need: need, receiver: self, token: token) }
        }
    }
}

/// Nodes with scripted holders, and a router's clients.
final class Cluster: Sendable {
    static let group = MultiThreadedEventLoopGroup.singleton
    /// Other tests keep the same loops busy, so time is no part of what is tested, unless a test says so.
    static var patientRules: FanOutRules {
        var rules = FanOutRules()
        rules.requestTimeoutNs = 60_000_000_000
        rules.askTimeoutNs = 60_000_000_000
        return rules
    }

    let loop: any EventLoop
    let scripts: [Script]
    let servers: [LinkServer]
    let clients: FanOutClients
    let caller = Caller()

    init(
        nodes: Int, rules: FanOutRules = Cluster.patientRules, settings: LinkClientSettings = LinkClientSettings(),
        local: Script? = nil, server: @Sendable (inout LinkServerSettings) -> Void = { _ in }
    ) async throws {
        loop = Self.group.next()
        scripts = (0..<nodes).map { _ in Script() }
        var servers: [LinkServer] = []
        for (index, script) in scripts.enumerated() {
            var settings = LinkServerSettings(host: "127.0.0.1", port: 0)
            settings.parkMax = .seconds(60)
            settings.idleMax = .hours(1)
            server(&settings)
            let makeHolder: @Sendable (any EventLoop) -> any Holder = { _ in ScriptedHolder("n\(index)", script) }
            let server = try await LinkServer.start(
                settings, member: makeID("n\(index)"), group: Self.group, status: NodeStatus(), makeHolder: makeHolder)
            servers.append(server)
        }
        self.servers = servers
        var makeLocal: (@Sendable (any EventLoop) -> any Holder)?
        if let local { makeLocal = { _ in ScriptedHolder("local", local) } }
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        clients = try await FanOutClients.start(
            router: makeID("r"), group: loop, rules: rules, settings: settings, logger: logger, makeLocal: makeLocal)
    }

    /// Node i holds `holds[i]`; the local node, where there is one, `local`.
    func route(_ holds: [PartitionSet], local: PartitionSet? = nil) {
        var nodes = holds.enumerated().map { index, holds in
            RoutingNode(id: makeID("n\(index)"), host: "127.0.0.1", port: servers[index].port, holds: holds)
        }
        if let local { nodes.append(RoutingNode(id: makeID("local"), host: "", port: 0, isLocal: true, holds: local)) }
        let all = nodes.reduce(PartitionSet()) { $0.union($1.holds) }
        clients.update(RoutingSnapshot(partitionCount: all.count, nodes: nodes, covers: []))
    }

    func ask(_ need: Need, team: String = "t", token: UInt64 = 0) async -> Caller.Answer {
        await caller.ask(clients, on: loop, holderQuery(team: team), need, token: token)
    }

    func stop() async throws {
        try await clients.stop()
        for server in servers { await server.stop() }
    }
}
