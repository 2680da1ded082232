/// The nearest of `candidates`, for "did you mean"; nil where nothing is near: more than a third of it is wrong.
func nearest(to text: String, in candidates: [String]) -> String? {
    let best = candidates.map { (distance: editDistance(text, $0), text: $0) }
        .min { ($0.distance, $0.text) < ($1.distance, $1.text) }
    guard let best, best.distance <= max(2, best.text.utf8.count / 3) else { return nil }
    return best.text
}

/// Levenshtein's distance over bytes, of at most the first 128 of each.
private func editDistance(_ left: String, _ right: String) -> Int {
    let left = Array(left.utf8.prefix(128))
    let right = Array(right.utf8.prefix(128))
    var row = Array(0...right.count)
    for (leftIndex, leftByte) in left.enumerated() {
        var diagonal = row[0]
        row[0] = leftIndex + 1
        for (rightIndex, rightByte) in right.enumerated() {
            let replaced = diagonal + (leftByte == rightByte ? 0 : 1)
            diagonal = row[rightIndex + 1]
            row[rightIndex + 1] = min(replaced, diagonal + 1, row[rightIndex] + 1)
        }
    }
    return row[right.count]
}
