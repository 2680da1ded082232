// The shell around `ProcessSample`: reads /proc and the kernel's clocks, at each scrape, on the scraping thread.
// The names are those of Prometheus' client libraries.

import Glibc
import Synchronization

public enum ProcessMetrics {
    /// Registers the usual metrics of a process, once for each process.
    public static func register(in registry: Registry) {
        let startSeconds = Double(clock(CLOCK_REALTIME)) / 1e9
        registry.sampled("process_start_time_seconds", .gauge, help: "Start of the process, seconds since 1970.") {
            $0.add(startSeconds)
        }
        let window = UtilizationWindow()
        registry.sampled(
            "process_cpu_utilization", .gauge,
            help: "Share of the machine's cores used by this process since the last scrape, 0 to 1."
        ) { $0.add(window.advance()) }
        registerSampled(
            registry, "process_cpu_seconds_total", .counter, "CPU time used, user and system.",
            { $0.cpuNanoseconds.map { Double($0) / 1e9 } })
        registerSampled(
            registry, "process_resident_memory_bytes", .gauge, "Resident memory.", { $0.residentBytes.map(Double.init) }
        )
        registerSampled(
            registry, "process_virtual_memory_bytes", .gauge, "Virtual memory.", { $0.virtualBytes.map(Double.init) })
        registerSampled(registry, "process_threads", .gauge, "Threads.", { $0.threads.map(Double.init) })
        registerSampled(
            registry, "process_open_fds", .gauge, "Open file descriptors.", { $0.openFiles.map(Double.init) })
        registerSampled(
            registry, "process_max_fds", .gauge, "Most file descriptors allowed.", { $0.filesMax.map(Double.init) })
    }

    private static func registerSampled(
        _ registry: Registry, _ name: String, _ kind: MetricKind, _ help: String,
        _ value: @escaping @Sendable (ProcessSample) -> Double?
    ) {
        registry.sampled(name, kind, help: help) { samples in
            if let value = value(sample()) { samples.add(value) }
        }
    }

    /// A look at the process now.
    public static func sample() -> ProcessSample {
        var sample = ProcessSample()
        if let status = readFile("/proc/self/status") { sample.readStatus(status) }
        sample.openFiles = openFiles()
        sample.filesMax = filesMax()
        sample.cpuNanoseconds = clock(CLOCK_PROCESS_CPUTIME_ID)
        return sample
    }

    /// The window is shared by all scrapers; the lock is held for arithmetic alone.
    private final class UtilizationWindow: Sendable {
        private let window = Mutex(
            CPUWindow(nowNanoseconds: clock(CLOCK_MONOTONIC), cpuNanoseconds: clock(CLOCK_PROCESS_CPUTIME_ID)))

        func advance() -> Double {
            let now = clock(CLOCK_MONOTONIC)
            let used = clock(CLOCK_PROCESS_CPUTIME_ID)
            let cores = Double(max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
            return window.withLock { $0.advance(nowNanoseconds: now, cpuNanoseconds: used, cores: cores) }
        }
    }

    private static func clock(_ id: clockid_t) -> UInt64 {
        var time = timespec()
        guard unsafe clock_gettime(id, &time) == 0, time.tv_sec >= 0 else { return 0 }
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// The first 16 KiB of a file of /proc, which is more than `status` has; nil where it cannot be read.
    private static func readFile(_ path: String) -> String? {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 16 << 10) { buffer, count in
            count = unsafe max(0, read(file, buffer.baseAddress, buffer.count))
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Entries of /proc/self/fd, less `.`, `..` and the one opened to look.
    private static func openFiles() -> Int? {
        guard let folder = unsafe opendir("/proc/self/fd") else { return nil }
        defer { unsafe closedir(folder) }
        var entries = 0
        while unsafe readdir(folder) != nil { entries += 1 }
        return max(0, entries - 3)
    }

    private static func filesMax() -> Int? {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
        return Int(clamping: limit.rlim_cur)
    }
}
