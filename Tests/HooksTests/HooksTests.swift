import Autoscale
import Dispatch
import Foundation
import FoundationNetworking
import Membership
import Model
import TestSupport
import Testing

@testable import Hooks

func hookCall(_ node: String? = nil) -> HookCall {
    let action: AutoscaleAction = node.flatMap { ID($0) }.map { .scaleIn($0) } ?? .scaleOut
    return HookCall(
        call: AutoscaleCall(generation: Generation(17), action: action, nodes: 2, load: 812),
        reason: "the load is 81.2 %")
}

struct CommandHookTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func hook(_ script: String, timeout: Duration = .seconds(20)) throws -> CommandHook {
        let path = folder.path + "/hook.sh"
        try ("#!/bin/bash\ncd " + folder.path + "\n" + script + "\n").write(
            toFile: path, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        return CommandHook(
            words: [path, "first"], timeout: timeout,
            environment: ["PATH": "/usr/bin:/bin", "FAVORITES_NODE_ID": "mine", "AUTOSCALE_KEY": "old", "OTHER": "o"])
    }

    private func isAlive(_ file: String) throws -> Bool {
        let text = try String(contentsOfFile: folder.path + "/" + file, encoding: .utf8)
        let pid = try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
        return kill(pid, 0) == 0
    }

    @Test func argumentsAndVariables() async throws {
        let result = try await hook("echo \"$@\"; env | sort > env").call(hookCall("n2"))
        #expect(result == .done("first scale-in"))
        let variables = try String(contentsOfFile: folder.path + "/env", encoding: .utf8).split(separator: "\n")
        #expect(!variables.contains { $0.hasPrefix("FAVORITES_") })
        for expected in [
            "AUTOSCALE_ACTION=scale-in", "AUTOSCALE_KEY=17-scale-in", "AUTOSCALE_NODE=n2", "AUTOSCALE_NODES=2",
            "AUTOSCALE_DESIRED_NODES=1", "AUTOSCALE_GENERATION=17", "AUTOSCALE_REASON=the load is 81.2 %", "OTHER=o",
        ] {
            #expect(variables.contains { $0 == expected }, "\(expected)")
        }
    }

    @Test func anExitCodeIsAFailure() async throws {
        let result = try await hook("echo no room >&2; exit 3").call(hookCall())
        #expect(result == .failed(.exited(code: 3, output: "no room")))
    }

    @Test func aSignalIsAFailure() async throws {
        #expect(try await hook("kill -9 $$").call(hookCall()) == .failed(.killed(signal: 9, output: "")))
    }

    @Test func aMissingProgramIsAFailure() async {
        let hook = CommandHook(words: ["/nowhere/hook"], timeout: .seconds(1), environment: [:])
        guard case .failed(.cannotStart(let reason)) = await hook.call(hookCall()) else {
            Issue.record("it started")
            return
        }
        #expect(reason == "/nowhere/hook: No such file or directory")
    }

    @Test func aHookThatHangsIsEnded() async throws {
        let began = ContinuousClock.now
        let hook = try hook("echo $$ > pid; echo waiting; sleep 600", timeout: .milliseconds(500))
        #expect(await hook.call(hookCall()) == .failed(.timedOut(output: "waiting")))
        #expect(began.duration(to: .now) < .seconds(20))
        #expect(try !isAlive("pid"))
    }

    @Test func aHookThatWillNotEndIsKilledWithItsChildren() async throws {
        let script = "trap '' TERM; (trap '' TERM; while :; do sleep 1; done) & echo $! > child; echo $$ > pid; wait"
        let result = try await hook(script, timeout: .milliseconds(500)).call(hookCall())
        #expect(result == .failed(.timedOut(output: "")))
        #expect(try !isAlive("pid"))
        try wait(seconds: 10, for: "the child to end") { try !isAlive("child") }
    }

    @Test func aHookThatSaysTooMuchIsReadAndCut() async throws {
        let result = try await hook("yes 'many words' | head -c 3000000; echo; echo the end").call(hookCall())
        guard case .done(let output) = result else {
            Issue.record("\(result)")
            return
        }
        #expect(output.utf8.count <= CommandHook.outputBytesMax)
        #expect(output.hasSuffix("the end"))
    }

    /// What a hook leaves running is what it is for; it may even hold the hook's output open.
    @Test func whatAHookStartsLivesOn() async throws {
        let began = ContinuousClock.now
        let result = try await hook("sleep 60 & echo $! > child; echo started").call(hookCall())
        #expect(result == .done("started"))
        #expect(began.duration(to: .now) < .seconds(20))
        #expect(try isAlive("child"))
        let text = try String(contentsOfFile: folder.path + "/child", encoding: .utf8)
        kill(try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines))), SIGKILL)
    }

    @Test func aHookHasNoFileOfThisProcess() async throws {
        let file = try #require(FileHandle(forReadingAtPath: "/proc/self/status"))
        // Without this flag it would be handed on.
        #expect(fcntl(file.fileDescriptor, F_SETFD, 0) == 0)
        // 0, 1, 2, and the one `ls` opens to look.
        #expect(try await hook("exec ls /proc/self/fd").call(hookCall()) == .done("0 1 2 3"))
        try file.close()
    }

    @Test func stoppingEndsIt() async throws {
        let hook = try hook("echo $$ > pid; sleep 600")
        let task = Task { await hook.call(hookCall()) }
        try wait(seconds: 20, for: "the hook") { FileManager.default.fileExists(atPath: folder.path + "/pid") }
        task.cancel()
        #expect(await task.value == .failed(.stopped))
        #expect(try !isAlive("pid"))
    }
}

struct WebhookTests {
    /// RFC 4231, case 7, cut at its first dot.
    @Test func signatureIsHMACSHA256() throws {
        let key = try WebhookKey([UInt8](repeating: 0xAA, count: 131))
        let signature = key.signature(
            timestamp: "This is a test using a larger than block-size key and a larger than block-size data",
            body: Array(" The key needs to be hashed before being used by the HMAC algorithm.".utf8))
        #expect(signature == "sha256=9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2")
    }

    @Test func aKeyIsNeverShown() throws {
        let key = try WebhookKey("s3cret-s3cret-s3cret\n".utf8)
        var dumped = ""
        dump(key, to: &dumped)
        #expect(!"\(key) \(String(reflecting: key)) \(dumped)".contains("s3cret"))
        #expect(throws: WebhookKey.Problem.tooShort) { try WebhookKey("short\n".utf8) }
        #expect(throws: WebhookKey.Problem.tooLong) { try WebhookKey([UInt8](repeating: 65, count: 5_000)) }
        #expect(throws: WebhookKey.Problem.unreadable(path: "/nowhere")) { try WebhookKey(file: "/nowhere") }
    }

    private static let secret = "s3cret-s3cret-s3cret"

    private func call(
        _ receiver: WebhookReceiver, timeout: Duration = .seconds(10), path: String = "/scale?token=t0ken"
    ) async throws -> HookResult {
        let hook = WebhookHook(
            url: "http://127.0.0.1:\(receiver.port)\(path)", key: try WebhookKey(Self.secret.utf8), timeout: timeout,
            pause: .milliseconds(10), wallMs: { 1_773_403_200_000 })
        let result = await hook.call(hookCall("n2"))
        #expect(!"\(result)".contains("t0ken") && !"\(result)".contains("s3cret"))
        return result
    }

    @Test func oneCallIsOneSignedRequest() async throws {
        let receiver = try WebhookReceiver(statuses: [], then: 204)
        #expect(try await call(receiver) == .done("status 204"))
        let request = try #require(receiver.requests.first)
        #expect(receiver.requests.count == 1)
        #expect(request.line == "POST /scale?token=t0ken HTTP/1.1")
        #expect(request.headers["idempotency-key"] == "17-scale-in")
        #expect(request.headers["content-type"] == "application/json")
        #expect(request.headers["favorites-timestamp"] == "1773403200")
        #expect(
            String(decoding: request.body, as: UTF8.self)
                == #"{"action":"scale-in","desiredNodes":1,"generation":17,"key":"17-scale-in","node":"n2","nodes":2,"#
                + #""reason":"the load is 81.2 %"}"#)
        let key = try WebhookKey(Self.secret.utf8)
        #expect(
            request.headers["favorites-signature"] == key.signature(timestamp: "1773403200", body: request.body))
    }

    @Test func aBusyReceiverIsAskedAgainUnderTheSameKey() async throws {
        let receiver = try WebhookReceiver(statuses: [500, 429], then: 200)
        #expect(try await call(receiver) == .done("status 200"))
        #expect(
            receiver.requests.map { $0.headers["idempotency-key"] } == ["17-scale-in", "17-scale-in", "17-scale-in"])
    }

    @Test func attemptsAreBounded() async throws {
        let receiver = try WebhookReceiver(statuses: [], then: 503)
        #expect(try await call(receiver) == .failed(.refused(status: 503)))
        #expect(receiver.requests.count == WebhookHook.attemptsMax)
    }

    @Test(arguments: [400, 401, 302]) func aRefusalIsNotAskedAgain(status: Int) async throws {
        let receiver = try WebhookReceiver(statuses: [], then: status)
        #expect(try await call(receiver) == .failed(.refused(status: status)))
        #expect(receiver.requests.count == 1)
    }

    /// An attempt that waits for a receiver which hangs.
    private func hanging() throws -> (receiver: WebhookReceiver, attempt: WebhookAttempt, end: Task<HookResult, Never>)
    {
        let receiver = try WebhookReceiver(statuses: [], then: nil)
        let attempt = WebhookAttempt()
        let request = URLRequest(url: try #require(URL(string: "http://127.0.0.1:\(receiver.port)/")))
        let end = Task { await attempt.run(request, timeout: .seconds(60)) }
        try wait(seconds: 20, for: "the request") { receiver.requests.count == 1 }
        return (receiver, attempt, end)
    }

    /// Hands an answer to the attempt as the system does.
    private func answer(_ attempt: WebhookAttempt, status: Int, handler: @escaping () -> Void) throws {
        let url = try #require(URL(string: "http://127.0.0.1:1/"))
        let task = URLSession.shared.dataTask(with: url)
        let response = try #require(HTTPURLResponse(url: url, statusCode: status, httpVersion: nil, headerFields: nil))
        if status == 302 {
            attempt.urlSession(
                .shared, task: task, willPerformHTTPRedirection: response, newRequest: URLRequest(url: url)
            ) { _ in handler() }
        } else {
            attempt.urlSession(.shared, dataTask: task, didReceive: response) { _ in handler() }
        }
    }

    /// The system traps where a handler is called behind the end, which cancels the session.
    @Test(arguments: [200, 302]) func behindTheEndNoHandlerIsCalled(status: Int) async throws {
        let (receiver, attempt, end) = try hanging()
        end.cancel()
        #expect(await end.value == .failed(.stopped))
        try answer(attempt, status: status) { Issue.record("it is called") }
        withExtendedLifetime(receiver) {}
    }

    @Test(arguments: [200, 302]) func theRequestDoesNotEndBeforeItsHandlerIsCalled(status: Int) async throws {
        let (receiver, attempt, end) = try hanging()
        let ended = DispatchSemaphore(value: 0)
        let watch = Task {
            let result = await end.value
            ended.signal()
            return result
        }
        try answer(attempt, status: status) {
            // Whoever ended it before has this long to be seen.
            #expect(ended.wait(timeout: .now() + .milliseconds(200)) == .timedOut)
        }
        #expect(await watch.value == (status == 200 ? .done("status 200") : .failed(.refused(status: status))))
        withExtendedLifetime(receiver) {}
    }

    /// A session keeps its delegate until it is over: also where it was not cancelled.
    @Test(arguments: [200, 302, nil]) func nothingOfARequestIsLeft(status: Int?) async throws {
        let receiver = try WebhookReceiver(statuses: [], then: status)
        let request = URLRequest(url: try #require(URL(string: "http://127.0.0.1:\(receiver.port)/")))
        weak var left: WebhookAttempt?
        do {
            let attempt = WebhookAttempt()
            left = attempt
            _ = await attempt.run(request, timeout: status == nil ? .milliseconds(100) : .seconds(20))
        }
        try wait(seconds: 20, for: "the session to be over") { left == nil }
        withExtendedLifetime(receiver) {}
    }

    @Test func aReceiverThatHangsIsGivenUp() async throws {
        let receiver = try WebhookReceiver(statuses: [nil, nil], then: nil)
        let result = try await call(receiver, timeout: .milliseconds(200))
        #expect(result == .failed(.timedOut(output: "")))
        #expect(receiver.requests.count == WebhookHook.attemptsMax)
    }

    @Test func nobodyThereIsAFailure() async throws {
        let port = try freePort()
        let hook = WebhookHook(
            url: "http://127.0.0.1:\(port)/", key: try WebhookKey(Self.secret.utf8), timeout: .seconds(2),
            pause: .milliseconds(1), wallMs: { 0 })
        guard case .failed(.unreachable) = await hook.call(hookCall()) else {
            Issue.record("somebody answered")
            return
        }
    }
}
