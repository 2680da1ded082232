import ArgumentParser
import Glibc

/// Whether somebody watches standard error.
func isTerminalError() -> Bool { isatty(STDERR_FILENO) != 0 }

func printError(_ text: String, newLine: Bool = true) {
    let bytes = Array((text + (newLine ? "\n" : "")).utf8)
    _ = unsafe bytes.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
