import Load
import Testing

struct RequestSetTests {
    private func text(_ set: RequestSet, _ index: Int) -> String {
        String(decoding: set.bytes[set.range(index)], as: UTF8.self)
    }

    private func tag(_ text: String) -> Load.Tag { Load.Tag(Array(text.utf8).span) }

    @Test func bytesToSend() {
        let texts = [RequestText(path: "/a"), RequestText(path: "/b?c=1", headers: ["Accept-Encoding: gzip"])]
        let set = RequestSet(texts, host: "h:1", headers: ["X: y"])
        #expect(text(set, 0) == "GET /a HTTP/1.1\r\nHost: h:1\r\nX: y\r\n\r\n")
        #expect(text(set, 1) == "GET /b?c=1 HTTP/1.1\r\nHost: h:1\r\nX: y\r\nAccept-Encoding: gzip\r\n\r\n")
        let named = RequestSet([RequestText(path: "/a")], host: "h:1", headers: ["HOST: other"])
        #expect(text(named, 0) == "GET /a HTTP/1.1\r\nHOST: other\r\n\r\n")
    }

    @Test func conditionsComeAndChange() {
        var set = RequestSet([RequestText(path: "/a"), RequestText(path: "/b")], host: "h", revalidates: true)
        set.setTag(0, tag("\"a longer one\""))
        #expect(text(set, 0) == "GET /a HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"a longer one\"\r\n\r\n")
        set.setTag(0, tag("\"1\""))
        #expect(text(set, 0) == "GET /a HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"1\"\r\n\r\n")
        #expect(set.tag(0) == tag("\"1\""))
        #expect(text(set, 1) == "GET /b HTTP/1.1\r\nHost: h\r\n\r\n", "the neighbour is as it was")
        let longest = String(repeating: "x", count: Load.Tag.bytesMax)
        set.setTag(0, tag(longest))
        #expect(text(set, 0).hasSuffix("If-None-Match: \(longest)\r\n\r\n"))
        #expect(text(set, 1) == "GET /b HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(tag(longest + "x").count == 0, "a longer one counts as none")
    }

    @Test func othersDoNotRevalidate() {
        var set = RequestSet([RequestText(path: "/a")], host: "h")
        set.setTag(0, tag("\"1\""))
        #expect(text(set, 0) == "GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
    }
}

struct RequestMixTests {
    private static let index = OfferIndex(
        sport: "soccer", events: (0..<2_000).map { "e\($0)" }, teams: (0..<300).map { "t\($0)" })

    private func ids(_ path: String, _ list: String) -> [String] {
        let query = path.split(separator: "?")[1].split(separator: "&")
        let found = query.first { $0.hasPrefix(list + "=") }
        return found.map { $0.dropFirst(list.count + 1).split(separator: ",").map(String.init) } ?? []
    }

    @Test(arguments: [
        (RequestMix.mixed, 1...20, 0...5), (.oneEvent, 1...1, 0...0), (.tenEventsThreeTeams, 10...10, 3...3),
        (.hundredEvents, 100...100, 0...0), (.twoHundredEventsFiftyTeams, 200...200, 50...50), (.teams, 0...0, 1...5),
        (.revalidate, 1...20, 0...5), (.gzip, 1...20, 0...5), (.cupFinal, 1...20, 0...6),
    ])
    func shapes(mix: RequestMix, events: ClosedRange<Int>, teams: ClosedRange<Int>) {
        let texts = mix.requests(Self.index, count: 200, seed: 1)
        #expect(texts.count == 200)
        #expect(Set(texts.map(\.path)).count == 200)
        let counts = texts.map { (ids($0.path, "eventIds"), ids($0.path, "teamIds")) }
        #expect(counts.allSatisfy { events.contains($0.0.count) && Set($0.0).count == $0.0.count })
        #expect(counts.allSatisfy { teams.contains($0.1.count) && Set($0.1).count == $0.1.count })
        #expect(texts.allSatisfy { $0.path.hasPrefix("/v1/api/app/\(mix == .teams ? "myt" : "mym")/soccer?") })
        #expect(texts.allSatisfy { $0.headers == (mix == .gzip ? ["Accept-Encoding: gzip"] : []) })
        #expect(mix.revalidates == (mix == .revalidate))
        #expect(texts == mix.requests(Self.index, count: 200, seed: 1))
        #expect(texts != mix.requests(Self.index, count: 200, seed: 2))
    }

    @Test func fewAreAskedOften() {
        var times: [String: Int] = [:]
        for text in RequestMix.mixed.requests(Self.index, count: 1_000, seed: 1) {
            for id in ids(text.path, "eventIds") { times[id, default: 0] += 1 }
        }
        #expect((times.values.max() ?? 0) > 300)
        #expect(times.count > 800)
    }

    @Test func theFinalistStandsInSixtyOfHundred() {
        var times: [String: Int] = [:]
        for text in RequestMix.cupFinal.requests(Self.index, count: 1_000, seed: 1) {
            for id in ids(text.path, "teamIds") { times[id, default: 0] += 1 }
        }
        let most = times.values.max() ?? 0
        #expect(most > 600 && most < 800)
    }

    @Test func smallOffersGiveWhatTheyHave() {
        let small = OfferIndex(sport: "tennis", events: ["e"], teams: ["t"])
        #expect(
            RequestMix.tenEventsThreeTeams.requests(small, count: 5, seed: 1).map(\.path)
                == ["/v1/api/app/mym/tennis?eventIds=e&teamIds=t"])
    }

    @Test(arguments: Choices.Law.allCases)
    func choicesCoverAll(law: Choices.Law) {
        var choices = Choices(law, of: 50, seed: 1)
        var times = [Int](repeating: 0, count: 50)
        for _ in 0..<50_000 { times[choices.next()] += 1 }
        #expect(times.allSatisfy { $0 > 0 })
        #expect(law == .zipf ? times[0] > 5_000 : times[0] < 1_300)
    }
}
