import Foundation
import Model
import Offer
import TestSupport

/// One message of an offer, in memory.
struct OfferMessage {
    var kind: ModelKind
    var key: [UInt8]
    var value: [UInt8]?
}

/// All messages of a folder, topic by topic.
func messages(of folder: String) throws -> [OfferMessage] {
    let offer = try OfferFolder(path: folder)
    var messages: [OfferMessage] = []
    for kind in OfferFolder.order {
        try offer.forEach(kind) { _, key, value in messages.append(OfferMessage(kind: kind, key: key, value: value)) }
    }
    return messages
}

private struct MessageKey: Hashable {
    var kind: ModelKind
    var key: [UInt8]

    init(_ message: OfferMessage) {
        kind = message.kind
        key = message.key
    }
}

/// The messages in a random order over all topics; those of one key keep theirs, as their order has a meaning.
func interleaved(_ messages: [OfferMessage], by random: inout SeededGenerator) -> [OfferMessage] {
    var waiting: [MessageKey: [OfferMessage]] = [:]
    for message in messages.reversed() { waiting[MessageKey(message), default: []].append(message) }
    // Each place in the random order takes the next message of the key that stands there.
    return messages.shuffled(using: &random).compactMap { waiting[MessageKey($0)]?.popLast() }
}

/// What is wrong with the head of a right answer, and with how it is validated; nil where nothing is.
private func headerDifference(
    _ request: GeneratedRequest, _ response: HTTPResponse, _ router: HTTPClient
) throws -> String? {
    let isMatches = request.target.hasPrefix("/v1/api/app/mym/")
    let expected = [
        "content-type": "application/json", "access-control-allow-origin": "*",
        "cache-control": "public, max-age=\(isMatches ? 10 : 3600)", "content-length": "\(response.body.count)",
    ]
    for (name, value) in expected where response[name] != value {
        // HEAD has the length of a body that it leaves out.
        if name == "content-length", request.method == "HEAD" { continue }
        return "\(request.method) \(request.target.prefix(300)): \(name) is \(response[name] ?? "absent"), not \(value)"
    }
    guard response["date"] != nil, let tag = response["etag"], tag.hasPrefix("\"") else {
        return "\(request.target.prefix(300)): no Date, or no strong ETag"
    }
    let again = try router.request("GET", request.target, headers: [("If-None-Match", "W/\"other\", \(tag)")])
    guard again.status == 304, again["etag"] == tag, again["cache-control"] == expected["cache-control"],
        again.body.isEmpty
    else {
        return "\(request.target.prefix(300)): validating \(tag) gave \(again.status), \(again["etag"] ?? "no tag")"
    }
    return nil
}

/// How a router answered one request wrongly; nil where it agrees with the reference.
func difference(
    _ request: GeneratedRequest, _ router: HTTPClient, _ reference: Reference, now: Int64
) throws -> String? {
    let expected = reference.answer(method: request.method, target: request.target, now: now)
    let response = try router.request(request.method, request.target)
    let what = "\(request.method) \(request.target.prefix(600))"
    guard response.status == expected.status else {
        return "\(what): \(response.status) instead of \(expected.status): \(response.text.prefix(300))"
    }
    guard let body = expected.body else {
        let type = response["content-type"] ?? "none"
        let isProblem = type == "application/problem+json" && response["cache-control"] == "no-store"
        return isProblem ? nil : "\(what): \(type), \(response["cache-control"] ?? "no Cache-Control")"
    }
    guard response.body != body else { return try headerDifference(request, response, router) }
    let place =
        zip(response.body, body).enumerated().first { $1.0 != $1.1 }?.offset ?? min(response.body.count, body.count)
    let from = max(place - 80, 0)
    return """
        \(what): the bodies (\(response.body.count) and \(body.count) bytes) differ at byte \(place)
        answer:    \(String(decoding: response.body.dropFirst(from).prefix(200), as: UTF8.self))
        reference: \(String(decoding: body.dropFirst(from).prefix(200), as: UTF8.self))
        """
}
