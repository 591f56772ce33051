// From a picture of any size to the network's square, and back: kvision_edge/preprocess.py, quantization.py and scores.py.

import Foundation

/// What is wrong, and what to do.
public struct KvisionError: Error, CustomStringConvertible {
  public let description: String
}

/// Real numbers as a file stores them, by its parameters: rounded (half to even) and clipped.
func stored<T: FixedWidthInteger>(_ values: [Float], scale: Float, zeroPoint: Int32) -> [T] {
  values.map { value in
    let step: Float = (value / scale).rounded(.toNearestOrEven) + Float(zeroPoint)
    return T(min(max(step, Float(T.min)), Float(T.max)))
  }
}

/// Real numbers of what a file stores.
func real<T: FixedWidthInteger>(_ stored: [T], scale: Float, zeroPoint: Int32) -> [Float] {
  stored.map { (Float($0) - Float(zeroPoint)) * scale }
}

/// Where a picture lies in the square: scaled to `height` x `width`, its corner at `top`, `left` (negative: cut off).
struct Placement {
  let height: Int
  let width: Int
  let top: Int
  let left: Int
}

/// Brings pictures to a square of `sizePx`; `fit`: `resize` (the whole picture, padded evenly) or `crop` (from its centre); `mean`, `std` of RGB.
struct Preprocess: Decodable {
  let sizePx: Int
  let fit: String
  let mean: [Double]
  let std: [Double]

  enum CodingKeys: String, CodingKey {
    case sizePx = "size_px"
    case fit, mean, std
  }

  /// Of more scores than this, the classes are found at a lower resolution.
  private static let mostValues = Float(1 << 28)

  func check() throws {
    guard fit == "resize" || fit == "crop" else { throw KvisionError(description: "preprocess.fit is '\(fit)'; this knows resize and crop") }
    guard sizePx > 0, mean.count == 3, std.count == 3, std.allSatisfy({ $0 > 0 }) else {
      throw KvisionError(description: "preprocess: size_px, mean or std do not hold together; export the bundle again")
    }
  }

  func placement(height: Int, width: Int) -> Placement {
    let longest = max(height, width)
    let scaled = { (side: Int) -> Int in self.fit == "crop" ? side : max(1, (2 * side * self.sizePx + longest) / (2 * longest)) }
    let (high, wide) = (scaled(height), scaled(width))
    return Placement(height: high, width: wide, top: (sizePx - high) >> 1, left: (sizePx - wide) >> 1)  // rounded down, also below 0
  }

  /// The picture in the square: levels 0-255, `[sizePx * sizePx * 3]`, padded with the mean colour.
  func place(_ image: Rows) -> [UInt8] {
    let padding = mean.map { Float((255 * $0).rounded(.toNearestOrEven)) }
    let place = placement(height: image.height, width: image.width)
    let scaled: Rows = fit == "resize" ? antialiased(image, height: place.height, width: place.width) : image
    var square = (0..<sizePx * sizePx * 3).map { UInt8(padding[$0 % 3]) }
    for y in max(place.top, 0)..<min(place.top + place.height, sizePx) {
      let row = scaled.row(y - place.top)
      for x in max(place.left, 0)..<min(place.left + place.width, sizePx) {
        for c in 0..<3 {
          // As the graph does it: taking the padding off and putting it back rounds, and may decide between two levels.
          let value = (row[(x - place.left) * 3 + c] - padding[c]) + padding[c]
          square[(y * sizePx + x) * 3 + c] = UInt8(min(max(value.rounded(.toNearestOrEven), 0), 255))
        }
      }
    }
    return square
  }

  /// Levels normalised: `(x / 255 - mean) / std`.
  func normalised(_ square: [UInt8]) -> [Float] {
    let scale = std.map { Float(1 / (255 * $0)) }
    let shift = zip(mean, std).map { Float(-$0 / $1) }
    return square.indices.map { Float(square[$0]) * scale[$0 % 3] + shift[$0 % 3] }
  }

  /// The greatest of the K scores `[sizePx, sizePx, K]` of each pixel of a picture, one byte each.
  func restoreClasses(_ scores: Scores, height: Int, width: Int) -> [UInt8] {
    let shrink = min(1, Preprocess.mostValues / (Float(height) * Float(width) * Float(scores.channels))).squareRoot()
    let rows = max(1, Int(Float(height) * shrink))
    let columns = max(1, Int(Float(width) * shrink))
    let found = insideClasses(scores, height: rows, width: columns)
    if rows == height && columns == width { return found }
    return nearest(found, height: rows, width: columns, wantedHeight: height, wantedWidth: width)
  }

  private func insideClasses(_ scores: Scores, height: Int, width: Int) -> [UInt8] {
    let place = placement(height: height, width: width)
    let values = (0..<place.height).flatMap { y -> ArraySlice<Float> in
      let from = ((place.top + y) * scores.width + place.left) * scores.channels
      return scores.values[from..<(from + place.width * scores.channels)]
    }
    let part = Scores(height: place.height, width: place.width, channels: scores.channels, values: values)
    if height >= place.height && width >= place.width { return grownClasses(part, height: height, width: width) }
    return greatest(antialiased(part, height: height, width: width).values, channels: scores.channels)
  }
}

/// Probabilities of what the network gives, for each `channels` values: `softmax`, `sigmoid`, or `none`.
func activated(_ values: [Float], channels: Int, activation: String) throws -> [Float] {
  switch activation {
  case "none": return values
  case "sigmoid":
    return values.map { value in
      let small = exp(-abs(value))
      return value >= 0 ? 1 / (1 + small) : small / (1 + small)
    }
  case "softmax":
    return stride(from: 0, to: values.count, by: channels).flatMap { softmax(values[$0..<($0 + channels)]) }
  default: throw KvisionError(description: "decode.activation is '\(activation)'; this knows softmax, sigmoid, none")
  }
}

private func softmax(_ logits: ArraySlice<Float>) -> [Float] {
  let highest = logits.max() ?? 0
  let powers = logits.map { exp($0 - highest) }
  let total = powers.reduce(0, +)
  return powers.map { $0 / total }
}

/// Numbers of the greatest values, best first; the first of equals first.
func topK(_ probabilities: [Float], count: Int) -> [Int] {
  let ordered = probabilities.indices.sorted { (probabilities[$0], $1) > (probabilities[$1], $0) }
  return Array(ordered.prefix(count))
}
