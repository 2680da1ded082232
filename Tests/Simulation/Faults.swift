// What may go wrong, by name, and the plan of one seed.

/// Each may be switched on or off for a run; a seed takes some of those that are on.
public enum Fault: String, CaseIterable, Sendable {
    /// A process ends without a word, and may start again.
    case crash
    /// The same with its machine: nobody resets its connections.
    case powerLoss
    /// A process stands still for a time, with its clock running on.
    case pause
    /// SIGTERM, and maybe a new start.
    case stop
    /// A node that was not there before.
    case join
    /// A second process under the id of another.
    case twin
    /// Nothing passes between a router and a node.
    case cut
    /// Frames between a router and a node take up to 150 ms more.
    case slow
    /// One member cannot reach Kafka.
    case kafkaCut
    /// Nobody can.
    case kafkaOutage
    /// A node does not apply what is published.
    case lag
    /// Records of the control topic come late, by up to two seconds.
    case delay
    /// Heartbeats get lost.
    case loss
    /// Heartbeats are written twice: the broker's answer got lost.
    case repeats
    /// Machines' clocks are wrong by up to an hour, and jump.
    case clockSkew
    /// The control topic is compacted.
    case compaction
    /// A node does not tell how busy it is.
    case unmeasured
    /// The autoscaler's hooks fail, some of them after they have acted.
    case hookFailure
    /// They take up to 15 s before they act.
    case hookSlow
}

struct PlannedFault {
    var fault: Fault
    var atUs: Int64
    var durationUs: Int64
}

extension Simulation {
    static let faultsFromUs: Int64 = 8_000_000
    static let faultsUntilUs: Int64 = 45_000_000
    /// Whatever lasts ends by then.
    static let quietFromUs: Int64 = 60_000_000
    /// Grace, the hand-over's deadline and a load, one behind the other, and some.
    static let settledUs: Int64 = 45_000_000
    /// Whatever a cluster's autoscaler does it has done by then.
    static let scaledUs: Int64 = 300_000_000

    func planFaults(_ allowed: [Fault]) -> [PlannedFault] {
        let chosen = allowed.filter { _ in chance(40) }
        traits = Set(chosen).intersection([.delay, .loss, .repeats, .clockSkew, .hookFailure, .hookSlow])
        let events = chosen.filter { !traits.contains($0) || $0 == .clockSkew }
        guard !events.isEmpty else { return [] }
        return (0..<between(1, 12)).map { _ in
            let atUs = Int64(between(Int(Self.faultsFromUs), Int(Self.faultsUntilUs)))
            // Short ones and long ones alike.
            let durationUs = Int64(between(100_000, [1_000_000, 8_000_000, 40_000_000][roll(3)]))
            return PlannedFault(
                fault: events[roll(events.count)], atUs: atUs, durationUs: min(durationUs, Self.quietFromUs - atUs))
        }
    }

    func begin(_ planned: PlannedFault) {
        let lasts = planned.durationUs
        switch planned.fault {
        case .crash, .powerLoss: crash(leavesLinks: planned.fault == .powerLoss, backAfterUs: lasts)
        case .pause:
            guard let process = anyProcess() else { return }
            trace("pause \(process.name) for \(lasts / 1_000) ms")
            process.pausedUntilUs = max(process.pausedUntilUs, nowUs + lasts)
            process.disturbed()
            after(lasts, process) { process.disturbed() }
        case .stop:
            guard let process = anyProcess(), !process.isStopping else { return }
            process.stop()
            if chance(70) { startAgain(process, afterUs: lasts) }
        case .join: if nodes.count < 6 { startNode("n\(processes.count + 10)") }
        case .twin:
            if let process = processes.filter({ !$0.isTwin }).randomElement(using: &random) { startTwin(process) }
        case .cut:
            forPair(lasts, "cut") {
                $0.cuts += 1
            } end: {
                $0.cuts -= 1
            }
        case .slow:
            let extraUs = Int64(between(10_000, 150_000))
            forPair(lasts, "slow") {
                $0.extraUs += extraUs
            } end: {
                $0.extraUs -= extraUs
            }
        case .kafkaCut: if let process = anyProcess() { cutKafka([process], "cut \(process.name) off Kafka", lasts) }
        case .kafkaOutage: cutKafka(processes.filter(\.isUp), "Kafka is away", lasts)
        case .lag:
            guard let node = nodes.randomElement(using: &random)?.node else { return }
            trace("lag of \(node.process.name) for \(lasts / 1_000) ms")
            node.stalls += 1
            at(nowUs + lasts) {
                node.stalls -= 1
                node.catchUp()
            }
        case .clockSkew: if let process = anyProcess() { process.skewMs = Int64(between(-3_600_000, 3_600_000)) }
        case .compaction: topic.compact(keepingLast: roll(40))
        case .unmeasured:
            guard let node = nodes.randomElement(using: &random)?.node else { return }
            trace("no figures of \(node.process.name) for \(lasts / 1_000) ms")
            node.mutes += 1
            at(nowUs + lasts) { node.mutes -= 1 }
        case .delay, .loss, .repeats, .hookFailure, .hookSlow: break
        }
    }

    private func anyProcess() -> SimProcess? { processes.filter(\.isUp).randomElement(using: &random) }

    private func crash(leavesLinks: Bool, backAfterUs: Int64) {
        guard let process = anyProcess() else { return }
        trace("crash \(process.name)\(leavesLinks ? ", with its machine" : "")")
        process.end(leavesLinks: leavesLinks)
        if chance(75) { startAgain(process, afterUs: backAfterUs) }
    }

    /// A supervisor starts it again, when it has ended; not what the autoscaler has ended.
    private func startAgain(_ process: SimProcess, afterUs: Int64) {
        at(nowUs + afterUs) { [self] in
            if process.isUp {
                if nowUs < Self.quietFromUs { startAgain(process, afterUs: 500_000) }
            } else if scaling?.dismissed.contains(process.id) != true {
                start(process.id, process.kind, zone: process.zone, weight: process.weight)
            }
        }
    }

    private func startTwin(_ process: SimProcess) {
        trace("start another \(process.name)")
        start(process.id, process.kind, zone: process.zone, weight: process.weight).isTwin = true
    }

    private func cutKafka(_ processes: [SimProcess], _ what: String, _ lastsUs: Int64) {
        trace("\(what) for \(lastsUs / 1_000) ms")
        for process in processes {
            process.kafkaCuts += 1
            process.kafkaChanged()
        }
        at(nowUs + lastsUs) {
            for process in processes {
                process.kafkaCuts -= 1
                process.kafkaChanged()
            }
        }
    }

    private func forPair(_ lastsUs: Int64, _ what: String, _ begin: (Pair) -> Void, end: @escaping (Pair) -> Void) {
        guard let router = processes.filter({ $0.router != nil }).randomElement(using: &random),
            let node = nodes.randomElement(using: &random)
        else { return }
        trace("\(what) \(router.name)–\(node.name) for \(lastsUs / 1_000) ms")
        let pair = pair(router, node)
        begin(pair)
        pair.changedUs = nowUs
        at(nowUs + lastsUs) { [self] in
            end(pair)
            pair.changedUs = nowUs
        }
    }
}
