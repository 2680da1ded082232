// The command: arguments, files, exit codes. What it does is in `Load`.

import ArgumentParser
import Foundation
import Load
import Model

@main
struct FavoritesLoad: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "favorites-load",
        abstract: "Puts HTTP load on servers and says how they bear it.",
        discussion: """
            Without --rate and --ramp each connection asks again as soon as it has its answer (closed loop). With --rate \
            requests are due by a schedule that does not wait for answers, and latency counts from the moment a request \
            was due, so a stall of the server counts for every request it held up (open loop). --ramp looks for the \
            highest rate that holds a p99.

            What is asked is one --path, the lines of --paths, or a --mix of requests made from an offer folder, as \
            `favorites generate` writes it.

            Exit code: 0; 1 where more failed than --failed-max, an answer was wrong, or nothing was answered; 64 for \
            wrong arguments.
            """)

    @OptionGroup(title: "LOAD") var load: LoadOptions
    @OptionGroup(title: "REQUESTS") var asked: RequestOptions
    @OptionGroup(title: "CHECKS") var checks: CheckOptions
    @OptionGroup(title: "OUTPUT") var output: OutputOptions

    func validate() throws {
        try load.check()
        try asked.check()
        try checks.check(asked)
    }

    func run() throws {
        do {
            try measure()
        } catch let error as LoadError {
            complain("\(error)")
            throw ExitCode(1)
        }
    }

    private func measure() throws {
        let plan = try self.plan()
        let reference = try checks.reference(asked)
        var report: Report
        if load.ramp {
            report = try ramp(plan, reference)
        } else {
            report = try step(plan, reference, progress: output.quiet ? nil : { complain($0) })
            if !output.quiet { print(report.text, terminator: "") }
        }
        try output.write(report, p99LimitMs: load.ramp ? load.p99Ms : nil)
        try judge(report)
    }

    private func plan() throws -> LoadPlan {
        let targets = try load.target.map { text throws(LoadError) in try Address(text) }
        let requests = RequestSet(
            try asked.texts(), host: load.target[0], headers: asked.header, revalidates: asked.mix.revalidates)
        var plan = LoadPlan(targets: targets, requests: requests)
        load.apply(to: &plan)
        plan.law = asked.choose
        plan.seed = asked.seed
        plan.checkEvery = checks.isOn(asked) ? checks.checkEvery : 0
        let files = raiseOpenFiles()
        guard plan.connections + 16 <= files else {
            throw LoadError(
                "\(plan.connections) connections need more open files than the \(files) allowed (ulimit -n)")
        }
        return plan
    }

    private func step(
        _ plan: LoadPlan, _ reference: CheckReference?, progress: ((String) -> Void)? = nil
    ) throws(LoadError) -> Report {
        let counts = try LoadRun.run(plan, progress: progress)
        let check = reference?.check(counts.samples, paths: plan.requests.paths)
        if let wrong = check?.firstWrong { complain("wrong answer: \(wrong)") }
        return Report(counts, plan: plan, mix: asked.name, check: check)
    }

    /// The report is that of the best step, or of the last where none held.
    private func ramp(_ plan: LoadPlan, _ reference: CheckReference?) throws(LoadError) -> Report {
        var search = Ramp(from: load.rate ?? 1_000)
        var best: Report?
        var last: Report?
        while let rate = search.next {
            var stepPlan = plan
            stepPlan.rate = rate
            stepPlan.seconds = load.stepSeconds
            stepPlan.warmUpSeconds = min(plan.warmUpSeconds, load.stepSeconds / 4)
            let report = try step(stepPlan, reference)
            let outcome = RampStep(report, p99Us: load.p99Ms * 1000)
            search.add(outcome)
            if outcome.holds { best = report }
            last = report
            if !output.quiet {
                complain(
                    "\(grouped(Int(rate)))/s: p99 \(grouped(Int(report.p99Us))) µs, "
                        + "\(grouped(Int(report.rate)))/s answered, \(outcome.holds ? "holds" : "fails")")
            }
        }
        guard var report = best ?? last else { throw LoadError("no step of the ramp was run") }
        report.mode = "ramp"
        report.ramp = search.steps
        if !output.quiet { print(search.text + (best == nil ? "" : report.text), terminator: "") }
        // Steps beyond the limit fail, as they must: only the best one is judged.
        guard best != nil else {
            try output.write(report, p99LimitMs: load.p99Ms)
            throw LoadError(
                "no rate holds a p99 of \(load.p99Ms) ms; the lowest tried was \(search.steps.last?.offered ?? 0)/s")
        }
        return report
    }

    private func judge(_ report: Report) throws(LoadError) {
        if report.wrong > 0 { throw LoadError("\(report.wrong) answers were wrong") }
        if report.failed > load.failedMax {
            throw LoadError("\(report.failed) requests failed; --failed-max is \(load.failedMax)")
        }
        if report.requests == 0 { throw LoadError("nothing was answered") }
    }
}

func complain(_ text: String) {
    FileHandle.standardError.write(Data("favorites-load: \(text)\n".utf8))
}
