// `tf.image.resize`: kvision_edge/resize.py, whose names and order of float sums these are. Needs nothing but the standard library.

/// Values `[height, width, channels]`, given row by row, so that a large picture is never copied whole.
protocol Rows {
  var height: Int { get }
  var width: Int { get }
  var channels: Int { get }

  /// Row `y` as floats `[width * channels]`.
  func row(_ y: Int) -> [Float]
}

/// Floats `[height, width, channels]`, row after row.
struct Scores: Rows {
  let height: Int
  let width: Int
  let channels: Int
  var values: [Float]

  init(height: Int, width: Int, channels: Int, values: [Float]? = nil) {
    self.height = height
    self.width = width
    self.channels = channels
    self.values = values ?? [Float](repeating: 0, count: height * width * channels)
  }

  func row(_ y: Int) -> [Float] { Array(values[(y * width * channels)..<((y + 1) * width * channels)]) }
}

/// Which input pixels make each antialiased output pixel: the first of them, and the weights `[wanted, taps]` of it and of those that follow.
struct Spans {
  let taps: Int
  var first: [Int] = []
  var weights: [Float] = []

  init(size: Int, wanted: Int) {
    let step = 1 / (Float(wanted) / Float(size))
    let width = max(step, 1)
    taps = min(2 * Int(width.rounded(.up)) + 1, size)
    for m in 0..<wanted {
      let centre = (Float(m) + 0.5) * step
      let start = min(max(Int((centre - width - 0.5).rounded(.up)), 0), size - 1)
      let last = min(max(Int((centre + width - 0.5).rounded(.down)), 0), size - 1)
      var each: [Float] = []
      var total: Float = 0
      for tap in 0..<taps {
        let distance = abs((Float(start + tap) + 0.5 - centre) * (1 / width))
        each.append(start + tap <= last && distance < 1 ? 1 - distance : 0)
        total += each[tap]
      }
      first.append(start)
      weights += each.map { $0 * (1 / total) }
    }
  }
}

/// Between which input pixels each interpolated output pixel lies, and its share of the way between them.
struct Between {
  var before: [Int] = []
  var behind: [Int] = []
  var share: [Float] = []

  init(size: Int, wanted: Int) {
    for m in 0..<wanted {
      let place = (Float(m) + 0.5) * (Float(size) / Float(wanted)) - 0.5
      let low = place.rounded(.down)
      before.append(max(Int(low), 0))
      behind.append(min(Int(place.rounded(.up)), size - 1))
      share.append(place - low)
    }
  }
}

/// `tf.image.resize(..., antialias=True)`: a triangle whose half width is one output pixel, or one input pixel where the picture grows.
func antialiased(_ picture: Rows, height: Int, width: Int) -> Scores {
  let down = Spans(size: picture.height, wanted: height)
  let across = Spans(size: picture.width, wanted: width)
  var out = Scores(height: height, width: width, channels: picture.channels, values: [])
  out.values.reserveCapacity(height * width * picture.channels)
  for y in 0..<height {
    let row = picture.height == height ? picture.row(y) : mixedRow(picture, down, y)
    out.values += picture.width == width ? row : filtered(row, channels: picture.channels, across)
  }
  return out
}

private func mixedRow(_ picture: Rows, _ down: Spans, _ y: Int) -> [Float] {
  var sum = [Float](repeating: 0, count: picture.width * picture.channels)
  for tap in 0..<down.taps {
    let weight = down.weights[y * down.taps + tap]
    if weight == 0 { continue }
    let from = picture.row(min(down.first[y] + tap, picture.height - 1))
    for i in sum.indices { sum[i] += weight * from[i] }
  }
  return sum
}

private func filtered(_ row: [Float], channels: Int, _ across: Spans) -> [Float] {
  let size = row.count / channels
  var out = [Float](repeating: 0, count: across.first.count * channels)
  for (x, first) in across.first.enumerated() {
    for tap in 0..<across.taps {
      let weight = across.weights[x * across.taps + tap]
      if weight == 0 { continue }
      let from = min(first + tap, size - 1) * channels
      for c in 0..<channels { out[x * channels + c] += weight * row[from + c] }
    }
  }
  return out
}

/// Number of the greatest of each `channels` values; the first of equals.
func greatest(_ values: [Float], channels: Int) -> [UInt8] {
  (0..<values.count / channels).map { place in
    var best = 0
    for k in 1..<max(channels, 1) where values[place * channels + k] > values[place * channels + best] { best = k }
    return UInt8(best)
  }
}

/// The greatest of K scores of each pixel after `tf.image.resize(...)` to a larger size, without ever holding all the scores of the large picture.
func grownClasses(_ scores: Scores, height: Int, width: Int) -> [UInt8] {
  let channels = scores.channels
  if scores.height == height && scores.width == width { return greatest(scores.values, channels: channels) }
  let across = Between(size: scores.width, wanted: width)
  let down = Between(size: scores.height, wanted: height)
  var wide = Scores(height: scores.height, width: width, channels: channels)
  for y in 0..<scores.height {
    for x in 0..<width {
      for k in 0..<channels {
        let low = scores.values[(y * scores.width + across.before[x]) * channels + k]
        let high = scores.values[(y * scores.width + across.behind[x]) * channels + k]
        wide.values[(y * width + x) * channels + k] = (high - low) * across.share[x] + low
      }
    }
  }
  var found: [UInt8] = []
  found.reserveCapacity(height * width)
  for y in 0..<height {
    let low = wide.row(down.before[y])
    let high = wide.row(down.behind[y])
    found += greatest(low.indices.map { (high[$0] - low[$0]) * down.share[y] + low[$0] }, channels: channels)
  }
  return found
}

/// `tf.image.resize(..., "nearest")` of one byte a pixel.
func nearest(_ classes: [UInt8], height: Int, width: Int, wantedHeight: Int, wantedWidth: Int) -> [UInt8] {
  let columns = (0..<wantedWidth).map { nearest($0, size: width, wanted: wantedWidth) }
  return (0..<wantedHeight).flatMap { y -> [UInt8] in
    let start = nearest(y, size: height, wanted: wantedHeight) * width
    return columns.map { classes[start + $0] }
  }
}

private func nearest(_ place: Int, size: Int, wanted: Int) -> Int {
  let centre: Float = (Float(place) + 0.5) * (Float(size) / Float(wanted))
  return min(Int(centre.rounded(.down)), size - 1)
}
