// The shell around the autoscaler: asks for the cluster about once a second, lets the machine decide, calls the hook,
// and says all of it in the log and in metrics. One task, so one call at a time; a hook is bounded, so the task is too.

import Autoscale
import Cluster
import Foundation
import Hooks
import Logging
import Membership
import Model
import Settings
import Synchronization
import Telemetry

final class AutoscaleService: Sendable {
    /// What is shown of the state; written by the task, read by scrapes.
    private struct Shown {
        var load: Int?
        var nodes = 0
        var reason: AutoscaleReason?
    }

    private let settings: AutoscaleSettings
    private let hook: (any Hook)?
    private let cluster: @Sendable () -> MembershipView?
    private let isInCharge: @Sendable (MembershipView) -> Bool
    private let logger: Logger
    private let shown = Mutex(Shown())
    private let metrics: AutoscaleMetrics

    /// `cluster` gives the members as far as they are known, nil while they are not. Fails where the hook's secret is
    /// missing.
    init(
        _ settings: AutoscaleSettings, registry: Registry, logger: Logger,
        isInCharge: @escaping @Sendable (MembershipView) -> Bool, cluster: @escaping @Sendable () -> MembershipView?
    ) throws(CommandError) {
        self.settings = settings
        self.cluster = cluster
        self.isInCharge = isInCharge
        self.logger = logger
        hook = try Self.makeHook(settings)
        metrics = AutoscaleMetrics(registry)
        registry.sampled(
            "autoscale_load_ratio", .gauge,
            help: "Mean serving CPU of the live nodes over the window, as far as it is filled, 0 to 1."
        ) { samples in
            if let load = self.shown.withLock({ $0.load }) { samples.add(Double(load) / 1_000) }
        }
        registry.sampled("autoscale_nodes", .gauge, help: "Nodes, those that drain left out.") { samples in
            samples.add(self.shown.withLock { $0.nodes })
        }
        registry.sampled("autoscale_reason", .gauge, help: "1 for why the autoscaler does what it does, or nothing.") {
            samples in
            if let reason = self.shown.withLock({ $0.reason }) { samples.add(1, labels: [("reason", reason.name)]) }
        }
    }

    /// Until the task is cancelled.
    func run() async {
        let rules = AutoscaleRules(settings)
        var scaler = Autoscaler(rules: rules)
        let pause = Duration.milliseconds(min(max(rules.windowMs / 20, 50), 1_000))
        logger.info(
            "autoscaler runs", metadata: ["hook": "\(hookName)", "nodes": "\(rules.nodesMin) to \(rules.nodesMax)"])
        while !Task.isCancelled {
            if let view = cluster() {
                let decision = scaler.look(at: view, nowMs: Self.nowMs, isInCharge: isInCharge(view))
                show(decision)
                if let call = decision.call { await carryOut(call, decision, &scaler) }
            }
            try? await Task.sleep(for: pause)
        }
    }

    private func carryOut(_ call: AutoscaleCall, _ decision: AutoscaleDecision, _ scaler: inout Autoscaler) async {
        let metadata: Logger.Metadata = [
            "action": "\(call.action.name)", "key": "\(call.key)", "node": "\(call.node.map { "\($0)" } ?? "new")",
            "nodes": "\(call.nodes)", "reason": "\(decision.reason)",
        ]
        guard let hook else {
            logger.notice("autoscale: dry run, no hook is called", metadata: metadata)
            metrics.called(call.action, "dry-run")
            return scaler.failed(call, nowMs: Self.nowMs)
        }
        logger.notice("autoscale: calling the hook", metadata: metadata)
        switch await hook.call(HookCall(call: call, reason: "\(decision.reason)")) {
        case .done(let output):
            logger.notice("autoscale: the hook is done", metadata: ["key": "\(call.key)", "output": "\(output)"])
            metrics.called(call.action, "done")
        case .failed(let failure):
            // Whether it has acted nobody knows; the key makes sure that it does not act twice.
            logger.error(
                "autoscale: the hook failed; it is called again after the cool-down",
                metadata: ["key": "\(call.key)", "failure": "\(failure)"])
            metrics.called(call.action, failure.name)
            scaler.failed(call, nowMs: Self.nowMs)
        }
    }

    /// Logs and counts a decision that is another than the last.
    private func show(_ decision: AutoscaleDecision) {
        let isNew = shown.withLock { shown in
            let isNew = shown.reason?.name != decision.reason.name || decision.call != nil
            shown = Shown(load: decision.load, nodes: decision.nodes, reason: decision.reason)
            return isNew
        }
        if let overdue = decision.overdue {
            logger.error(
                "autoscale: what the hook was called for did not come true in time",
                metadata: ["action": "\(overdue.action.name)", "key": "\(overdue.key)"])
            metrics.overdue.add(1)
        }
        guard isNew else { return }
        metrics.decided(decision)
        guard decision.call == nil else { return }
        logger.info("autoscale: nothing is done: \(decision.reason)", metadata: ["nodes": "\(decision.nodes)"])
    }

    private static var nowMs: Int64 { Int64(Clocks.monotonicNs() / 1_000_000) }

    // MARK: - The hook

    private var hookName: String {
        switch settings.target {
        case .command(let words): words[0]
        case .webhook: "webhook"
        case nil: "none (dry run)"
        }
    }

    private static func makeHook(_ settings: AutoscaleSettings) throws(CommandError) -> (any Hook)? {
        let environment = ProcessInfo.processInfo.environment
        switch settings.target {
        case nil: return nil
        case .command(let words):
            return CommandHook(words: words, timeout: settings.hookTimeout, environment: environment)
        case .webhook(let url, let keyFile):
            return WebhookHook(
                url: url, key: try key(keyFile, environment), timeout: settings.hookTimeout,
                wallMs: Clocks.wallMs)
        }
    }

    private static func key(_ file: String?, _ environment: [String: String]) throws(CommandError) -> WebhookKey {
        let variable = environment[AutoscaleSettings.keyVariable] ?? ""
        guard file != nil || !variable.isEmpty else {
            throw CommandError(
                "autoscale.webhook.url: needs a secret to sign with: give autoscale.webhook.key-file, or the variable "
                    + AutoscaleSettings.keyVariable)
        }
        do throws(WebhookKey.Problem) {
            return if let file { try WebhookKey(file: file) } else { try WebhookKey(variable.utf8) }
        } catch {
            // What is in the file or the variable is not told.
            let place = file.map { "autoscale.webhook.key-file: \($0)" } ?? AutoscaleSettings.keyVariable
            switch error {
            case .tooShort: throw CommandError("\(place) is too short; give \(WebhookKey.bytesMin) bytes or more")
            case .tooLong: throw CommandError("\(place) is too long; give \(WebhookKey.bytesMax) bytes or fewer")
            case .unreadable: throw CommandError("\(place) cannot be read; is the path right?")
            }
        }
    }
}

/// The counters, made once.
private struct AutoscaleMetrics {
    let overdue: Counter
    private let decisions: [String: Counter]
    private let calls: [String: Counter]

    private static let actions = ["none", "scale-out", "scale-in"]

    init(_ registry: Registry) {
        overdue = registry.counter(
            "autoscale_changes_overdue_total", help: "Changes that did not come true before their deadline.")
        var decisions: [String: Counter] = [:]
        var calls: [String: Counter] = [:]
        for action in Self.actions {
            for reason in AutoscaleReason.names where (action == "none") != Self.acts(reason) {
                decisions["\(action) \(reason)"] = registry.counter(
                    "autoscale_decisions_total", help: "Decisions that were other than the one before, by reason.",
                    labels: [("action", action), ("reason", reason)])
            }
            for result in ["done", "dry-run"] + HookFailure.names where action != "none" {
                calls["\(action) \(result)"] = registry.counter(
                    "autoscale_hook_calls_total", help: "Calls of the hook, by what became of them.",
                    labels: [("action", action), ("result", result)])
            }
        }
        self.decisions = decisions
        self.calls = calls
    }

    private static func acts(_ reason: String) -> Bool {
        ["load-above", "load-below", "below-minimum"].contains(reason)
    }

    func decided(_ decision: AutoscaleDecision) {
        decisions["\(decision.call?.action.name ?? "none") \(decision.reason.name)"]?.add(1)
    }

    func called(_ action: AutoscaleAction, _ result: String) { calls["\(action.name) \(result)"]?.add(1) }
}

extension AutoscaleRules {
    init(_ settings: AutoscaleSettings) {
        self.init()
        scaleOutAbove = settings.scaleOutAbovePercent * 10
        scaleInBelow = settings.scaleInBelowPercent * 10
        windowMs = settings.window.milliseconds
        scaleOutCoolDownMs = settings.scaleOutCooldown.milliseconds
        scaleInCoolDownMs = settings.scaleInCooldown.milliseconds
        changeDeadlineMs = settings.changeDeadline.milliseconds
        nodesMin = settings.nodesMin
        nodesMax = settings.nodesMax
    }
}
