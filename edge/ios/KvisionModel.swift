// A bundle of `kvision export` on iOS.

import CoreGraphics
import CryptoKit
import Foundation
import ImageIO

/// What a model says of a picture.
public enum Answer {
  case segmentation(Segmentation)
  case classification([(classNumber: Int, label: String, probability: Float)])  // best first
}

/// The class of every pixel.
public struct Segmentation {
  public let height: Int
  public let width: Int
  /// `[height * width]`.
  public let classes: [UInt8]
  /// Of the classes that occur, 0-1.
  public let shares: [String: Double]
  let colours: [[UInt8]]

  /// The classes' colours, of the picture's size.
  public func mask() -> CGImage? {
    let pixels = Data(classes.flatMap { colours[Int($0)] })
    guard let provider = CGDataProvider(data: pixels as CFData), let space = CGColorSpace(name: CGColorSpace.sRGB) else { return nil }
    return CGImage(
      width: width, height: height, bitsPerComponent: 8, bitsPerPixel: 24, bytesPerRow: 3 * width, space: space,
      bitmapInfo: CGBitmapInfo(rawValue: CGImageAlphaInfo.none.rawValue), provider: provider, decode: nil, shouldInterpolate: false,
      intent: .defaultIntent)
  }
}

struct Manifest: Decodable {
  struct File: Decodable {
    let path: String
    let format: String
    let sha256: String
    let minimumRuntime: String

    enum CodingKeys: String, CodingKey {
      case path, format, sha256
      case minimumRuntime = "minimum_runtime"
    }
  }

  struct Decode: Decodable {
    let output: String?
    let activation: String?
    let topK: Int?

    enum CodingKeys: String, CodingKey {
      case output, activation
      case topK = "top_k"
    }
  }

  struct Version: Decodable {
    let schema: Int
  }

  let task: String
  let files: [File]
  let preprocess: Preprocess?
  let labels: [String]
  let colours: [[UInt8]]
  let decode: Decode
}

/// A bundle, opened: the file that is run is compared with its sha256 first. Not for several threads at once.
///
/// Knows the tasks `segmentation` and `classification`.
public final class KvisionModel {
  private let manifest: Manifest
  private let preprocess: Preprocess
  private let interpreter: Interpreter

  /// Names of the classes.
  public var labels: [String] { manifest.labels }

  /// Opens a bundle's folder; `format` such as `int8-full`, "" the bundle's first.
  public init(folder: URL, format: String = "", threads: Int = 2) throws {
    let text = try Data(contentsOf: folder.appendingPathComponent("manifest.json"))
    let schema = try JSONDecoder().decode(Manifest.Version.self, from: text).schema
    guard schema == 1 else { throw KvisionError(description: "manifest.json has schema \(schema), this reads 1; take the newer one") }
    manifest = try JSONDecoder().decode(Manifest.self, from: text)
    guard let settings = manifest.preprocess, ["segmentation", "classification"].contains(manifest.task) else {
      throw KvisionError(description: "the bundle's task is \(manifest.task); this knows segmentation and classification of pictures")
    }
    guard manifest.task == "classification" || settings.fit == "resize" else {
      throw KvisionError(description: "a segmentation bundle with preprocess.fit \(settings.fit) is run in tiles, which only kvision-edge does")
    }
    try settings.check()
    preprocess = settings
    let file = try KvisionModel.choose(format, of: manifest)
    let path = folder.appendingPathComponent(file.path).resolvingSymlinksInPath()
    guard path.path.hasPrefix(folder.resolvingSymlinksInPath().path + "/") else {
      throw KvisionError(description: "the manifest names '\(file.path)', which is not in the bundle; do not use this bundle")
    }
    let digest = SHA256.hash(data: try Data(contentsOf: path, options: .mappedIfSafe)).map { String(format: "%02x", $0) }.joined()
    guard digest == file.sha256 else { throw KvisionError(description: "\(file.path) is not the file that was exported; copy it again") }
    interpreter = try Interpreter(path: path.path, minimum: file.minimumRuntime, threads: threads)
  }

  /// The answer for a picture, which must be upright: see `upright`.
  public func predict(_ picture: CGImage) throws -> Answer {
    let values = preprocess.normalised(preprocess.place(try Pixels(picture)))
    let output = try interpreter.run(values, output: manifest.decode.output)
    return try answer(output.values, output.shape, height: picture.height, width: picture.width)
  }

  /// Decodes a picture's file, turned by its EXIF orientation.
  public static func upright(contentsOf url: URL) -> CGImage? {
    guard let source = CGImageSourceCreateWithURL(url as CFURL, nil) else { return nil }
    let options: [CFString: Any] = [
      kCGImageSourceCreateThumbnailFromImageAlways: true,
      kCGImageSourceCreateThumbnailWithTransform: true,
      kCGImageSourceThumbnailMaxPixelSize: 1 << 16,  // the whole picture
    ]
    return CGImageSourceCreateThumbnailAtIndex(source, 0, options as CFDictionary)
  }

  private func answer(_ values: [Float], _ shape: [Int], height: Int, width: Int) throws -> Answer {
    let activation = manifest.decode.activation ?? "softmax"
    let channels = shape[shape.count - 1]
    if manifest.task == "classification" {
      let probabilities = try activated(values, channels: channels, activation: activation)
      let best = topK(probabilities, count: manifest.decode.topK ?? 5)
      let label = { (number: Int) -> String in number < self.labels.count ? self.labels[number] : "class \(number)" }
      return .classification(best.map { (classNumber: $0, label: label($0), probability: probabilities[$0]) })
    }
    let side = preprocess.sizePx
    guard shape == [1, side, side, labels.count], labels.count == manifest.colours.count else {
      throw KvisionError(description: "the network gives \(shape) for \(labels.count) classes and a square of \(side) px; export the bundle again")
    }
    let same = height == side && width == side  // then the greatest logit is as good
    let ranks = same ? values : try activated(values, channels: channels, activation: activation)
    let scores = Scores(height: side, width: side, channels: channels, values: ranks)
    let classes = preprocess.restoreClasses(scores, height: height, width: width)
    var counts = [Int](repeating: 0, count: 256)
    for each in classes { counts[Int(each)] += 1 }
    let found = labels.indices.filter { counts[$0] > 0 }.map { (labels[$0], Double(counts[$0]) / Double(classes.count)) }
    let shares = Dictionary(found, uniquingKeysWith: +)
    return .segmentation(Segmentation(height: height, width: width, classes: classes, shares: shares, colours: manifest.colours))
  }

  private static func choose(_ format: String, of manifest: Manifest) throws -> Manifest.File {
    let files = manifest.files.filter { $0.path.hasSuffix(".tflite") }
    guard let file = files.first(where: { ["", $0.format].contains(format) || "tflite-" + format == $0.format }) else {
      throw KvisionError(description: "the bundle has no \(format); it holds \(files.map { $0.format }.joined(separator: ", "))")
    }
    return file
  }
}

/// A picture's RGB, row by row.
private struct Pixels: Rows {
  let height: Int
  let width: Int
  let channels = 3
  private let bytes: [UInt8]

  init(_ picture: CGImage) throws {
    height = picture.height
    width = picture.width
    var drawn = [UInt8](repeating: 0, count: 4 * picture.height * picture.width)
    let done = drawn.withUnsafeMutableBytes { memory -> Bool in
      guard
        let space = CGColorSpace(name: CGColorSpace.sRGB),
        let context = CGContext(
          data: memory.baseAddress, width: picture.width, height: picture.height, bitsPerComponent: 8, bytesPerRow: 4 * picture.width, space: space,
          bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)
      else { return false }
      context.draw(picture, in: CGRect(x: 0, y: 0, width: picture.width, height: picture.height))
      return true
    }
    guard done else { throw KvisionError(description: "a picture of \(picture.width)x\(picture.height) can't be drawn") }
    bytes = drawn
  }

  func row(_ y: Int) -> [Float] {
    (0..<3 * width).map { Float(bytes[4 * (y * width + $0 / 3) + $0 % 3]) }
  }
}
