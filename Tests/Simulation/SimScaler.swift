// The autoscaler of a router: the production's machine, and the shell around it as `AutoscaleService` is one.

import Autoscale
import Membership

final class SimScaler {
    unowned let process: SimProcess
    private let scaling: Scaling
    private var machine: Autoscaler
    private var view: MembershipView?
    private var isCalling = false
    /// It is where it would stay.
    private(set) var isResting = false

    private var world: Simulation { process.world }
    private var nowMs: Int64 { world.nowUs / 1_000 }

    init(_ process: SimProcess, _ scaling: Scaling) {
        self.process = process
        self.scaling = scaling
        machine = Autoscaler(rules: scaling.machineRules)
    }

    func begin() {
        world.after(scaling.rules.windowMs * 1_000 / 20, process) { [unowned self] in
            guard !process.isStopping else { return }
            look()
            begin()
        }
    }

    func update(_ view: MembershipView) { self.view = view }

    private func look() {
        guard !isCalling, let view else { return }
        let isInCharge = scaling.areAllInCharge || view.isLeadingRouter(process.id)
        let decision = machine.look(at: view, nowMs: nowMs, isInCharge: isInCharge)
        isResting =
            switch decision.reason {
            case .steady, .atMaximum, .atMinimum, .othersWouldBeFull: true
            default: false
            }
        guard let call = decision.call else { return }
        world.trace("\(process.name) calls \(call.key) \(call.node.map { "\($0)" } ?? ""): \(decision.reason)")
        isCalling = true
        scaling.call(call, decision.reason, view, by: process) { [unowned self] isDone in
            isCalling = false
            world.trace("\(process.name): \(call.key) \(isDone ? "is done" : "failed")")
            if !isDone { machine.failed(call, nowMs: nowMs) }
        }
    }
}
