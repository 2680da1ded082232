import Testing

@testable import Telemetry

private func text(_ registry: Registry) -> String { String(decoding: registry.exposition(), as: UTF8.self) }

struct RegistryTests {
    @Test func showsEachKindInTheTextFormat() {
        let registry = Registry()
        registry.counter("b_total", help: "Counted \\ things\nof two lines.", labels: [("model", "event")]).add(3)
        registry.gauge("a_size", help: "Size.").set(-2)
        let histogram = registry.histogram(
            "c_seconds", help: "Time.", labels: [("uri", "/x")],
            bounds: HistogramBounds(nanoseconds: [1_000_000, 500_000_000]))
        for nanoseconds: UInt64 in [1, 1_000_000, 1_000_001, 500_000_001] {
            histogram.observe(nanoseconds: nanoseconds)
        }
        registry.sampled("d_ratio", .gauge, help: "Ratio.") { $0.add(0.25, labels: [("partition", "1")]) }
        #expect(
            text(registry) == """
                # HELP a_size Size.
                # TYPE a_size gauge
                a_size -2
                # HELP b_total Counted \\\\ things\\nof two lines.
                # TYPE b_total counter
                b_total{model="event"} 3
                # HELP c_seconds Time.
                # TYPE c_seconds histogram
                c_seconds_bucket{uri="/x",le="0.001"} 2
                c_seconds_bucket{uri="/x",le="0.5"} 3
                c_seconds_bucket{uri="/x",le="+Inf"} 4
                c_seconds_sum{uri="/x"} 0.502000003
                c_seconds_count{uri="/x"} 4
                # HELP d_ratio Ratio.
                # TYPE d_ratio gauge
                d_ratio{partition="1"} 0.25
                # HELP telemetry_series_dropped_total Sampled series left out because their family was full.
                # TYPE telemetry_series_dropped_total counter
                telemetry_series_dropped_total 0

                """)
    }

    @Test func sameLabelsGiveTheSameHandle() {
        let registry = Registry()
        let first = registry.counter("a_total", help: "", labels: [("x", "1")])
        #expect(registry.counter("a_total", help: "", labels: [("x", "1")]) === first)
        #expect(registry.counter("a_total", help: "", labels: [("x", "2")]) !== first)
    }

    @Test func sampledSeriesAreBoundedAndCounted() {
        let registry = Registry()
        registry.sampled("a", .gauge, help: "") { samples in
            for index in 0..<Registry.seriesPerFamilyMax + 5 { samples.add(index, labels: [("i", "\(index)")]) }
        }
        let lines = text(registry).split(separator: "\n")
        #expect(lines.count(where: { $0.hasPrefix("a{") }) == Registry.seriesPerFamilyMax)
        #expect(lines.last == "telemetry_series_dropped_total 5")
    }

    @Test func unusedHistogramsTakeNoLine() {
        let registry = Registry()
        let metrics = HTTPRequestMetrics(registry: registry, uris: ["/a", "/b"])
        #expect(!text(registry).contains("http_server_requests_seconds_count"))
        metrics.observe(uri: 1, method: 0, status: 304, nanoseconds: 5)
        metrics.observe(uri: 0, method: 3, status: 777, nanoseconds: 5)
        let counts = text(registry).split(separator: "\n").filter { $0.contains("_seconds_count") }
        #expect(
            counts == [
                "http_server_requests_seconds_count{exception=\"None\",method=\"OTHER\",outcome=\"SERVER_ERROR\","
                    + "status=\"500\",uri=\"/a\"} 1",
                "http_server_requests_seconds_count{exception=\"None\",method=\"GET\",outcome=\"REDIRECTION\","
                    + "status=\"304\",uri=\"/b\"} 1",
            ])
    }

    @Test(arguments: [
        ("plain", "plain"), ("a\"b", "a\\\"b"), ("a\\b", "a\\\\b"), ("a\nb", "a\\nb"), ("ä✓", "ä✓"), ("", ""),
    ])
    func escapesLabelValues(value: String, expected: String) {
        #expect(renderLabels([("x", value)]) == "x=\"\(expected)\"")
    }

    @Test(arguments: [
        (0.0, "0"), (3.0, "3"), (0.25, "0.25"), (Double.infinity, "+Inf"), (-Double.infinity, "-Inf"),
        (Double.nan, "NaN"), (5e-05, "5e-05"),
    ])
    func rendersNumbers(value: Double, expected: String) { #expect(renderNumber(value) == expected) }

    @Test(arguments: [("a_b1", true), ("", false), ("1a", false), ("a-b", false), ("a:b", true)])
    func knowsMetricNames(name: String, legal: Bool) {
        #expect(isMetricName(name) == legal)
        #expect(!isLabelName("a:b") && !isLabelName("__a"))
    }
}

struct HandleTests {
    @Test func additionsOfManyTasksAllCount() async {
        let registry = Registry()
        let counter = registry.counter("a_total", help: "")
        let histogram = registry.histogram("b_seconds", help: "")
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    for step in 0..<10_000 {
                        counter.add()
                        histogram.observe(nanoseconds: UInt64(task * step))
                        if step % 1_000 == 0 { _ = registry.exposition() }
                    }
                }
            }
        }
        #expect(counter.value == 80_000)
        #expect(histogram.snapshot.count == 80_000)
        #expect(histogram.snapshot.sumNanoseconds == 28 * 49_995_000)
    }

    @Test(arguments: [
        (Duration.seconds(-1), UInt64(0)), (.zero, 0), (.milliseconds(1_500), 1_500_000_000),
        (.seconds(Int64.max), UInt64.max),
    ])
    func takesAnyDuration(duration: Duration, nanoseconds: UInt64) {
        let histogram = Registry().histogram("a_seconds", help: "")
        histogram.observe(duration)
        #expect(histogram.snapshot.sumNanoseconds == nanoseconds)
    }
}

struct RateLimitedLogTests {
    @Test func logsOnceASecondAndSaysHowManyWereKeptBack() {
        var limiter = RateLimitedLog()
        let steps: [(UInt64, UInt64?)] = [
            (5, 0), (6, nil), (1_000_000_004, nil), (1_000_000_005, 2), (1_000_000_006, nil), (9_000_000_000, 1),
        ]
        for (now, expected) in steps { #expect(limiter.shouldLog(nowNanoseconds: now) == expected, "at \(now)") }
    }
}

struct ProcessMetricsTests {
    @Test func readsStatus() {
        var sample = ProcessSample()
        sample.readStatus("Name:\tx\nVmSize:\t  2048 kB\nVmRSS:\t 100 kB\nThreads:\t7\nVmRSS\nThreads:\tmany\n")
        #expect(sample.virtualBytes == 2_097_152)
        #expect(sample.residentBytes == 102_400)
        #expect(sample.threads == 7)
    }

    @Test func looksAtThisProcess() throws {
        let sample = ProcessMetrics.sample()
        #expect(try #require(sample.residentBytes) > 1 << 20)
        #expect(try #require(sample.threads) >= 1)
        #expect(try #require(sample.openFiles) >= 1)
        #expect(try #require(sample.filesMax) >= 64)
        #expect(try #require(sample.cpuNanoseconds) > 0)
    }

    @Test func utilizationIsOverAWindow() {
        var window = CPUWindow(nowNanoseconds: 0, cpuNanoseconds: 0)
        #expect(window.advance(nowNanoseconds: 10, cpuNanoseconds: 10, cores: 2) == 0)
        #expect(window.advance(nowNanoseconds: 1_000_000_000, cpuNanoseconds: 500_000_000, cores: 2) == 0.25)
        #expect(window.advance(nowNanoseconds: 1_500_000_000, cpuNanoseconds: 1_500_000_000, cores: 2) == 0.25)
        #expect(window.advance(nowNanoseconds: 2_000_000_000, cpuNanoseconds: 9_500_000_000, cores: 2) == 1)
        // Another thread read the clocks before that, and was held up.
        #expect(window.advance(nowNanoseconds: 1_999_999_999, cpuNanoseconds: 9_400_000_000, cores: 2) == 1)
        #expect(window.advance(nowNanoseconds: 3_000_000_000, cpuNanoseconds: 9_500_000_000, cores: 2) == 0)
    }

    /// The share after one second in which the loops and the process used so many cores.
    private func share(threads: Int, cores: Double, loops: Double, process: Double) -> Double? {
        var window = LoopWindow(
            threads: threads, cores: cores, nowNanoseconds: 0, loopsNanoseconds: 0, processNanoseconds: 0)
        #expect(window.advance(nowNanoseconds: 1, loopsNanoseconds: 1, processNanoseconds: 1) == nil)
        return window.advance(
            nowNanoseconds: 1_000_000_000, loopsNanoseconds: UInt64(loops * 1e9),
            processNanoseconds: UInt64(process * 1e9))
    }

    private func isNear(_ share: Double?, _ wanted: Double) -> Bool { abs((share ?? -1) - wanted) < 0.000_001 }

    @Test func loopsAreFullWhenTheyCanGetNoMore() {
        // A fifth of a core, of which Kafka's threads take seven twentieths: what is left is all the loop can get.
        #expect(isNear(share(threads: 1, cores: 0.2, loops: 0.13, process: 0.2), 1))
        #expect(isNear(share(threads: 1, cores: 0.2, loops: 0.117, process: 0.187), 0.9))
        // There is something left for them.
        #expect(isNear(share(threads: 1, cores: 0.2, loops: 0.1, process: 0.17), 0.5))
        // With cores to spare what the others take is not theirs.
        #expect(isNear(share(threads: 1, cores: 2, loops: 0.5, process: 1.4), 0.5))
        #expect(isNear(share(threads: 2, cores: 8, loops: 1, process: 5), 0.5))
    }

    @Test func replayDoesNotMakeLoopsLookFull() {
        // As many loops as cores, and a thread that replays with all its might.
        #expect(isNear(share(threads: 2, cores: 2, loops: 0.72, process: 1.72), 0.36))
        #expect(isNear(share(threads: 1, cores: 1, loops: 0, process: 1), 0))
        #expect(isNear(share(threads: 1, cores: 1, loops: 0.1, process: 1), 0.2))
        #expect(isNear(share(threads: 0, cores: 1, loops: 0, process: 1), 0))
    }

    @Test func registersTheUsualNames() {
        let registry = Registry()
        ProcessMetrics.register(in: registry)
        let shown = text(registry)
        for name in [
            "process_cpu_seconds_total", "process_cpu_utilization", "process_resident_memory_bytes",
            "process_open_fds", "process_max_fds", "process_start_time_seconds", "process_threads",
        ] { #expect(shown.contains("\n\(name) ") || shown.hasPrefix("\(name) "), "\(name)") }
    }
}

struct CPUQuotaTests {
    private func cores(_ files: [String: String]) -> Double? { CPUQuota.ofProcess { files[$0] } }

    @Test func bothVersionsAreRead() {
        #expect(cores([:]) == nil)
        #expect(cores(["/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/b/cpu.max": "150000 100000\n"]) == 1.5)
        #expect(cores(["/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "max 100000\n"]) == nil)
        let first = "9:name=systemd:/\n2:cpu,cpuacct:/a\n0::/\n"
        let folder = "/sys/fs/cgroup/cpu,cpuacct/a/"
        #expect(
            cores([
                "/proc/self/cgroup": first, folder + "cpu.cfs_quota_us": "20000\n",
                folder + "cpu.cfs_period_us": "100000\n",
            ]) == 0.2)
        #expect(
            cores([
                "/proc/self/cgroup": first, folder + "cpu.cfs_quota_us": "-1\n",
                folder + "cpu.cfs_period_us": "100000\n",
            ]) == nil)
    }

    /// In a container the group's name is the host's, and its files are at the mount's root.
    @Test func aContainerSeesItsOwnAtTheRoot() {
        #expect(cores(["/proc/self/cgroup": "0::/kube/pod\n", "/sys/fs/cgroup/cpu.max": "200000 100000"]) == 2)
    }

    @Test func nonsenseIsNoQuota() {
        for text in ["", "1", "a b", "0 100000", "100000 0", "1 2 3"] { #expect(CPUQuota.cores(text) == nil) }
    }
}
