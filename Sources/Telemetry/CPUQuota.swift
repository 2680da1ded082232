/// How many cores a control group grants, of either version. Pure: the files' texts come from the caller.
public enum CPUQuota {
    /// Of this process's own group, or where that is not mounted under its name, as in a container, of the mount's root;
    /// nil where there is no quota. `read` gives a file's text.
    public static func ofProcess(read: (String) -> String?) -> Double? {
        for line in (read("/proc/self/cgroup") ?? "").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let isSecond = parts[0] == "0" && parts[1].isEmpty
            guard isSecond || parts[1].split(separator: ",").contains("cpu") else { continue }
            let mount = isSecond ? "/sys/fs/cgroup" : "/sys/fs/cgroup/\(parts[1])"
            for folder in [mount + (parts[2] == "/" ? "" : parts[2]), mount] {
                let text =
                    isSecond
                    ? read(folder + "/cpu.max")
                    : read(folder + "/cpu.cfs_quota_us").flatMap { quota in
                        read(folder + "/cpu.cfs_period_us").map { "\(quota) \($0)" }
                    }
                guard let text else { continue }
                if let cores = cores(text) { return cores }
                break
            }
        }
        return nil
    }

    /// The cores of a quota and its period, as in `200000 100000`; nil where it is `max` or -1: there is none.
    static func cores(_ text: String) -> Double? {
        let words = text.split(whereSeparator: \.isWhitespace)
        guard words.count == 2, let quota = Double(words[0]), let period = Double(words[1]), quota > 0, period > 0
        else { return nil }
        return quota / period
    }
}
