// One request: sent, received, judged.

import Glibc
import Histogram

extension Engine {
    // MARK: Sending

    /// The connection is free: it takes what waits, or asks on its own in a closed loop.
    func becameIdle(_ index: Int, _ now: Int64) {
        if let due = nextRepeat(for: index) ?? queue.popFirst() {
            send(index, due, now)
        } else if schedule == nil, origin > 0, now < windowEnd {
            sendNext(index, now)
        } else {
            connections[index].state = .idle
            list(index)
        }
    }

    private func list(_ index: Int) {
        guard !connections[index].isListed else { return }
        // There is room: each connection stands in it at most once.
        connections[index].isListed = idle.append(index)
    }

    /// The connection that has been idle for longest. Those that were closed meanwhile are left out.
    func popIdle() -> Int? {
        while let index = idle.popFirst() {
            connections[index].isListed = false
            if connections[index].state == .idle { return index }
        }
        return nil
    }

    func sendNext(_ index: Int, _ now: Int64) {
        send(index, Due(request: choices.next(), at: now), now)
    }

    func send(_ index: Int, _ due: Due, _ now: Int64) {
        sends += 1
        let isSampled =
            plan.checkEvery > 0 && sends % plan.checkEvery == 0 && sampleBytes < Self.sampleBytesMax
        let isObserved = plan.observations != nil
        connections[index].state = .busy
        connections[index].due = due
        connections[index].sentAt = now
        connections[index].stamp = 0
        if requests.revalidates { connections[index].condition = requests.tag(due.request) }
        connections[index].isSampled = isSampled
        connections[index].reader = ResponseReader(collects: isSampled || isObserved)
        busy += 1
        let range = requests.range(due.request)
        let sent = requests.send(range, to: connections[index].socket)
        if sent == range.count { return }
        if sent < 0, sent != -Int(EAGAIN) { return broke(index, now) }
        // A copy: the request may get another condition before the rest is sent.
        connections[index].unsent = Array(requests.bytes[range].dropFirst(max(0, sent)))
        watch(index, room: true)
    }

    /// The socket has room again.
    func sendRest(_ index: Int) {
        guard !connections[index].unsent.isEmpty else { return watch(index, room: false) }
        let sent = unsafe connections[index].unsent.withUnsafeBytes { bytes in
            unsafe Glibc.send(connections[index].socket, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
        }
        guard sent >= 0 else {
            // What broke shows when it is read.
            if errno != EAGAIN { connections[index].unsent = [] }
            return
        }
        connections[index].unsent.removeFirst(sent)
        if connections[index].unsent.isEmpty { watch(index, room: false) }
    }

    // MARK: Receiving

    func receive(_ index: Int) {
        while connections[index].socket >= 0 {
            let skippable = connections[index].reader.skippable
            let isSkipped = skippable > Self.pieceBytes
            let asked = isSkipped ? skippable : Self.pieceBytes
            let count = isSkipped ? unsafe receive(index, nil, skippable) : receivePiece(index)
            if count < 0, errno == EAGAIN { return }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return closedByPeer(index) }
            guard connections[index].state == .busy else {
                // Bytes that nobody asked for.
                return disconnect(index, monotonicNow())
            }
            switch isSkipped ? connections[index].reader.skip(count) : readPiece(index, count) {
            case .more: if count < asked { return }
            case .complete: return complete(index)
            case .malformed:
                fail(connections[index].due, .malformed, on: index)
                return disconnect(index, monotonicNow())
            }
        }
    }

    private func receivePiece(_ index: Int) -> Int {
        unsafe piece.withUnsafeMutableBufferPointer { unsafe receive(index, $0.baseAddress, $0.count) }
    }

    private func readPiece(_ index: Int, _ count: Int) -> ResponseReader.Step {
        unsafe piece.withUnsafeBufferPointer { piece in
            let received = unsafe Span(_unsafeElements: UnsafeBufferPointer(rebasing: piece.prefix(count)))
            return connections[index].reader.read(received)
        }
    }

    private func closedByPeer(_ index: Int) {
        let now = monotonicNow()
        if connections[index].state == .busy { return broke(index, now) }
        // An idle one that the server closed, as it may.
        disconnect(index, now)
    }

    private func broke(_ index: Int, _ now: Int64) {
        var due = connections[index].due
        let target = connections[index].target
        let isRepeated = plan.retriesElsewhere && due.avoids == nil && plan.targets.count > 1
        if !isRepeated { fail(due, .closed, on: index) }
        disconnect(index, now)
        guard isRepeated else { return }
        due.avoids = target
        if isMeasured(due) { counts.repeats += 1 }
        resend(due, now)
    }

    /// Sends a request over any free connection that it may take, or else keeps it until one is free.
    private func resend(_ due: Due, _ now: Int64) {
        for _ in 0..<idle.count {
            guard let index = popIdle() else { break }
            if connections[index].target != due.avoids { return send(index, due, now) }
            list(index)
        }
        repeats.append(due)
    }

    private func nextRepeat(for index: Int) -> Due? {
        guard !repeats.isEmpty, let place = repeats.firstIndex(where: { $0.avoids != connections[index].target })
        else { return nil }
        return repeats.remove(at: place)
    }

    // MARK: Judging

    private func complete(_ index: Int) {
        let now = monotonicNow()
        connections[index].attempts = 0
        connections[index].backoff = Connection.backoffMin
        longestBody = max(longestBody, connections[index].reader.bodyBytes)
        if isMeasured(connections[index].due) { count(index, arrival(index, now)) }
        if plan.observations != nil {
            let reader = connections[index].reader
            observe(
                connections[index].due, index,
                .answered(status: reader.status, freshnessMs: reader.freshnessMs, body: reader.body))
        }
        let status = connections[index].reader.status
        if requests.revalidates, status == 200 {
            requests.setTag(connections[index].due.request, connections[index].reader.tag)
        }
        if connections[index].isSampled, status == 200 { keepSample(index) }
        busy -= 1
        if connections[index].reader.closes || !connections[index].unsent.isEmpty {
            connections[index].state = .idle
            disconnect(index, now)
        } else {
            becameIdle(index, now)
        }
    }

    private func count(_ index: Int, _ arrival: Int64) {
        let status = connections[index].reader.status
        counts.statuses[min(status, counts.statuses.count - 1)] += 1
        let condition = connections[index].condition
        guard (200..<300).contains(status) || (status == 304 && condition.count > 0) else {
            return fail(connections[index].due, .status, on: index)
        }
        counts.answered += 1
        if arrival < windowEnd { counts.answeredInWindow += 1 }
        counts.bodyBytes += connections[index].reader.bodyBytes
        if connections[index].reader.isGzip { counts.gzip += 1 }
        if status == 304 {
            counts.notModified += 1
        } else if requests.revalidates {
            // A full answer to a condition that held, or one that cannot be asked again.
            let tag = connections[index].reader.tag
            if tag.count == 0 || tag == condition { counts.wrong += 1 }
        }
        counts.latencies.record(min(UInt64(arrival - connections[index].due.at), longestLatency))
        counts.services.record(min(UInt64(arrival - connections[index].sentAt), longestLatency))
    }

    private func keepSample(_ index: Int) {
        let reader = connections[index].reader
        connections[index].reader = ResponseReader()
        sampleBytes += reader.body.count
        guard sampleBytes < Self.sampleBytesMax else {
            counts.unsampled += 1
            return
        }
        counts.samples.append(
            Sample(request: connections[index].due.request, isGzip: reader.isGzip, body: reader.body))
    }
}

extension RequestSet {
    /// The bytes that the socket took, or the error negated.
    func send(_ range: Range<Int>, to socket: Int32) -> Int {
        let sent = unsafe bytes.withUnsafeBytes { bytes in
            unsafe Glibc.send(
                socket, bytes.baseAddress?.advanced(by: range.lowerBound), range.count, Int32(MSG_NOSIGNAL))
        }
        return sent >= 0 ? sent : -Int(errno)
    }
}
