// Nothing fails: nodes, routers and the broker are stopped, ended and killed while requests are asked and updates flow.
// The short form of `Benchmarks/faults.sh`, which has the rates, the latencies and the networks.

import Foundation
import Model
import TestSupport
import Testing

@Suite(.serialized, .enabled(if: Prerequisites.met != nil, Prerequisites.comment))
struct FaultTests {
    @Test func nothingFailsWhenNodesGo() throws {
        let run = try FaultRun()
        for number in 0..<3 {
            run.scenario = "kill -9 of node \(number)"
            run.cluster.nodes[number].process.kill()
            try run.ask(300)
            try run.startAgain(number)
            try run.ask(100)
        }

        run.scenario = "SIGSTOP of a node"
        let stopped = run.cluster.nodes[1].process
        stopped.send(signal: SIGSTOP)
        // However the test ends, the node must be able to.
        defer { stopped.send(signal: SIGCONT) }
        try run.ask(300, until: "the routers hear nothing of it") { try run.silentMembers() == 1 }
        stopped.send(signal: SIGCONT)
        try run.ask(300, until: "the routers hear of it again") { try run.silentMembers() == 0 }

        for number in 0..<3 {
            run.scenario = "a rolling restart, node \(number)"
            try run.end(run.cluster.nodes[number].process)
            try run.startAgain(number)
        }
        try run.finish()
    }

    @Test func nothingFailsWhenTheClusterGrowsAndShrinks() throws {
        let run = try FaultRun()
        run.scenario = "a fourth node joins"
        try run.cluster.startNodes(1, replicas: 2)
        try run.ask(300, until: "it is ready") { run.isReady(run.cluster.nodes[3].management) }
        try run.ask(300)
        run.scenario = "a node leaves"
        try run.end(run.cluster.nodes[0].process)
        try run.ask(300)
        try run.finish()
    }

    @Test func nothingFailsWhenARouterGoes() throws {
        let run = try FaultRun()
        run.scenario = "SIGTERM of a router"
        try run.end(run.routers[0].process)
        // Nothing was asked twice: each answer that was begun came.
        #expect(run.repeated == 0)
        try run.ask(200)
        try run.startRouter(0)

        run.scenario = "kill -9 of a router"
        run.routers[0].process.kill()
        try run.ask(300)
        try run.startRouter(0)
        try run.ask(200)
        try run.finish()
    }

    @Test func nothingFailsWhenTheBrokerIsAway() throws {
        let run = try FaultRun()
        run.scenario = "SIGSTOP of the broker"
        run.cluster.broker.send(signal: SIGSTOP)
        defer { run.cluster.broker.send(signal: SIGCONT) }
        // Longer than any member may be silent.
        let end = Date().addingTimeInterval(2 * FaultRun.silentAfterSeconds + 1)
        try run.ask(300, until: "everybody would be silent") { Date() > end }
        let published = run.published
        run.cluster.broker.send(signal: SIGCONT)
        try run.ask(300, until: "updates flow again") { run.published > published + 100 }
        try run.finish()

        // The embedded broker loses its data with its process, so it stays away.
        run.scenario = "kill -9 of the broker"
        run.cluster.broker.kill()
        try run.ask(500)
    }

    @Test(.enabled(if: NodeNetworks.arePermitted, NodeNetworks.comment))
    func nothingFailsWhenTheNetworkLosesWhatIsSent() throws {
        let run = try FaultRun { cluster in
            cluster.networks = try NodeNetworks(3, brokers: cluster.brokers, folder: cluster.folder)
            for number in 0..<3 { cluster.nodeOptions[number] = ["--link-port", "0", "--node-id", "node-\(number)"] }
        }
        let networks = try #require(run.cluster.networks)
        for ways in [[NodeNetworks.Way.out, .into], [.out], [.into]] {
            run.scenario = "lost: \(ways.map(\.rawValue))"
            try networks.lose(ways, of: 1)
            try run.ask(300, until: "the routers leave the node") { run.links(to: "node-1") == [false, false] }
            try networks.lose([], of: 1)
            try run.ask(200, until: "the routers come back") { run.links(to: "node-1") == [true, true] }
        }
        try run.finish()
    }

    @Test func nothingFailsWhenANodeIsFarAway() throws {
        let port = try freePort()
        var forwarder: ChildProcess?
        // The node listens where it always does; where it says that it is, stands a forwarder.
        let run = try FaultRun { cluster in
            cluster.nodeOptions[1] = ["--link-port", "\(port)", "--advertised-host", "127.0.0.9"]
            forwarder = try startForwarder(
                "late", delayMs: 200, from: "tcp:127.0.0.9:\(port)", to: "tcp:127.0.0.1:\(port)", folder: cluster.folder
            )
        }
        run.scenario = "200 ms to a node"
        forwarder?.send(signal: SIGUSR1)
        try run.ask(500)
        forwarder?.send(signal: SIGUSR1)
        try run.ask(200)
        try run.finish()
    }
}
