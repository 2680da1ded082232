// Plots as SVG, written by hand: a few lines and texts need no library.

import Foundation

/// A drawing area with its axes. Places are given as shares of it, from 0 to 1, from the bottom left.
struct Plot {
    private static let (width, height) = (800.0, 420.0)
    private static let (left, right, top, bottom) = (84.0, 44.0, 44.0, 56.0)

    private var elements: [String] = []
    private let originY: Double

    /// - Parameter row: plots of one file stand below each other.
    init(title: String, row: Int = 0) {
        originY = Double(row) * Self.height
        elements.append(text(Self.width / 2, originY + 24, title, anchor: "middle", size: 16))
        let (x, y) = (place(0, 1).x, place(0, 1).y)
        let (innerWidth, innerHeight) = (place(1, 0).x - x, place(0, 0).y - y)
        elements.append(
            "<rect x=\"\(n(x))\" y=\"\(n(y))\" width=\"\(n(innerWidth))\" height=\"\(n(innerHeight))\""
                + " fill=\"none\" stroke=\"#444\"/>")
    }

    private func place(_ x: Double, _ y: Double) -> (x: Double, y: Double) {
        (
            Self.left + x * (Self.width - Self.left - Self.right),
            originY + Self.height - Self.bottom - y * (Self.height - Self.top - Self.bottom)
        )
    }

    mutating func tickX(_ x: Double, _ label: String) {
        let (from, to) = (place(x, 0), place(x, 1))
        elements.append(line(from, to, "#ddd"))
        elements.append(text(from.x, from.y + 18, label, anchor: "middle"))
    }

    mutating func tickY(_ y: Double, _ label: String) {
        let (from, to) = (place(0, y), place(1, y))
        elements.append(line(from, to, "#ddd"))
        elements.append(text(from.x - 8, from.y + 4, label, anchor: "end"))
    }

    mutating func labels(x: String, y: String) {
        elements.append(text(place(0.5, 0).x, place(0, 0).y + 42, x, anchor: "middle", size: 13))
        let middle = place(0, 0.5).y
        elements.append(
            "<text x=\"18\" y=\"\(n(middle))\" text-anchor=\"middle\" font-size=\"13\""
                + " transform=\"rotate(-90 18 \(n(middle)))\">\(escaped(y))</text>")
    }

    mutating func curve(_ points: [(x: Double, y: Double)], color: String, dashes: Bool = false) {
        let list = points.map { place($0.x, $0.y) }.map { "\(n($0.x)),\(n($0.y))" }.joined(separator: " ")
        elements.append(
            "<polyline points=\"\(list)\" fill=\"none\" stroke=\"\(color)\" stroke-width=\"2\""
                + (dashes ? " stroke-dasharray=\"6 4\"" : "") + "/>")
    }

    mutating func dot(_ x: Double, _ y: Double, color: String) {
        let center = place(x, y)
        elements.append("<circle cx=\"\(n(center.x))\" cy=\"\(n(center.y))\" r=\"4\" fill=\"\(color)\"/>")
    }

    mutating func note(_ x: Double, _ y: Double, _ words: String, color: String) {
        let at = place(x, y)
        elements.append(text(at.x, at.y, words, anchor: "start", color: color))
    }

    private func line(_ from: (x: Double, y: Double), _ to: (x: Double, y: Double), _ color: String) -> String {
        "<line x1=\"\(n(from.x))\" y1=\"\(n(from.y))\" x2=\"\(n(to.x))\" y2=\"\(n(to.y))\" stroke=\"\(color)\"/>"
    }

    private func text(
        _ x: Double, _ y: Double, _ words: String, anchor: String, size: Int = 12, color: String = "#222"
    ) -> String {
        "<text x=\"\(n(x))\" y=\"\(n(y))\" text-anchor=\"\(anchor)\" font-size=\"\(size)\" fill=\"\(color)\">"
            + "\(escaped(words))</text>"
    }

    static func svg(_ plots: [Plot]) -> String {
        let size = "width=\"\(n(width))\" height=\"\(n(height * Double(plots.count)))\""
        return "<svg xmlns=\"http://www.w3.org/2000/svg\" \(size) font-family=\"sans-serif\">\n"
            + "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
            + plots.flatMap(\.elements).joined(separator: "\n") + "\n</svg>\n"
    }
}

private func n(_ number: Double) -> String {
    number == number.rounded() ? "\(Int(number))" : decimals(number, 1)
}

private func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
}

/// Round numbers from 0 to `most` or a little beyond: four to ten of them.
package func ticks(to most: Double) -> [Double] {
    guard most > 0 else { return [0, 1] }
    let power = pow(10, (log10(most / 4)).rounded(.down))
    let step = [1, 2, 5, 10].map { $0 * power }.last { most / $0 >= 4 } ?? power
    return (0...Int((most / step).rounded(.up))).map { Double($0) * step }
}

package enum LoadPlot {
    /// Latency by percentile, each nine as wide as the one before; for a ramp what was answered and p99, by rate.
    package static func svg(_ report: Report, p99LimitMs: Double? = nil) -> String {
        guard let steps = report.ramp, !steps.isEmpty else { return Plot.svg([latency(report)]) }
        return Plot.svg([
            throughput(steps), p99(steps, limitMs: p99LimitMs, row: 1), latency(report, row: 2),
        ])
    }

    private static func latency(_ report: Report, row: Int = 0) -> Plot {
        let load = report.offeredRate.map { "open loop, \(grouped(Int($0)))/s" } ?? report.mode
        var plot = Plot(title: "Latency by percentile: \(report.mix), \(load)", row: row)
        let points = report.latency
        let ms = ticks(to: (points.map(\.us).max() ?? 0) / 1000)
        let nines = max(1, (points.last.map { share($0.percentile) } ?? 1).rounded(.up))
        for tick in ms { plot.tickY(tick / (ms.last ?? 1), number(tick)) }
        for nine in 0...Int(nines) { plot.tickX(Double(nine) / nines, percentileName(nine)) }
        plot.labels(x: "percentile", y: "ms")
        plot.curve(
            points.map { (share($0.percentile) / nines, $0.us / 1000 / (ms.last ?? 1)) }, color: "#1f6fb2")
        return plot
    }

    /// 0 → 0, 90 → 1, 99 → 2, 99.9 → 3 …
    private static func share(_ percentile: Double) -> Double { -log10(max(1e-12, 1 - percentile / 100)) }

    private static func percentileName(_ nine: Int) -> String {
        switch nine {
        case 0: "0 %"
        case 1: "90 %"
        case 2: "99 %"
        default: "99." + String(repeating: "9", count: nine - 2) + " %"
        }
    }

    private static func throughput(_ steps: [RampStep]) -> Plot {
        var plot = Plot(title: "Throughput by rate")
        let x = ticks(to: (steps.map(\.offered).max() ?? 0) / 1000)
        let y = ticks(to: (steps.map { max($0.rate, $0.offered) }.max() ?? 0) / 1000)
        axes(&plot, x, y, yLabel: "answered, thousands a second")
        let most = min(x.last ?? 1, y.last ?? 1)
        plot.curve([(0, 0), (most / (x.last ?? 1), most / (y.last ?? 1))], color: "#999", dashes: true)
        for step in steps {
            plot.dot(step.offered / 1000 / (x.last ?? 1), step.rate / 1000 / (y.last ?? 1), color: color(step))
        }
        return legend(plot)
    }

    private static func p99(_ steps: [RampStep], limitMs: Double?, row: Int) -> Plot {
        var plot = Plot(title: "p99 by rate", row: row)
        let x = ticks(to: (steps.map(\.offered).max() ?? 0) / 1000)
        // Steps that failed may lie far beyond the limit; they are drawn at the upper edge.
        let shown = steps.filter(\.holds).map { $0.p99Us / 1000 }.max() ?? 0
        let y = ticks(to: max(shown, limitMs ?? 0) * 1.5)
        axes(&plot, x, y, yLabel: "p99, ms")
        if let limitMs {
            plot.curve([(0, limitMs / (y.last ?? 1)), (1, limitMs / (y.last ?? 1))], color: "#c33", dashes: true)
        }
        for step in steps {
            plot.dot(
                step.offered / 1000 / (x.last ?? 1), min(1, step.p99Us / 1000 / (y.last ?? 1)), color: color(step))
        }
        return legend(plot)
    }

    private static func axes(_ plot: inout Plot, _ x: [Double], _ y: [Double], yLabel: String) {
        for tick in x { plot.tickX(tick / (x.last ?? 1), number(tick)) }
        for tick in y { plot.tickY(tick / (y.last ?? 1), number(tick)) }
        plot.labels(x: "offered, thousands a second", y: yLabel)
    }

    private static func legend(_ plot: Plot) -> Plot {
        var plot = plot
        plot.note(0.02, 0.92, "holds", color: "#1f6fb2")
        plot.note(0.1, 0.92, "fails", color: "#c33")
        return plot
    }

    private static func color(_ step: RampStep) -> String { step.holds ? "#1f6fb2" : "#c33" }

    private static func number(_ value: Double) -> String {
        value == value.rounded() ? grouped(Int(value)) : String(format: "%g", value)
    }
}
