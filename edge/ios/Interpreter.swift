// The only function of a LiteRT file, by the C API that the pod TensorFlowLiteSwift brings: its Swift API has no int8.

import Foundation
import TensorFlowLiteC

/// A file, ready to run, with one input and float32, int8, uint8 or int16 edges.
final class Interpreter {
  private var model: OpaquePointer?
  private var interpreter: OpaquePointer?
  private var runner: OpaquePointer?

  /// Opens the file at `path`, which needs a runtime with the ops of TensorFlow `minimum`.
  init(path: String, minimum: String, threads: Int) throws {
    let version = String(cString: TfLiteVersion())
    guard minimum.compare(version, options: .numeric) != .orderedDescending else {
      throw KvisionError(description: "\(path) needs runtime \(minimum), this is \(version); upgrade the pod, or export with --runtime")
    }
    let options = TfLiteInterpreterOptionsCreate()
    defer { TfLiteInterpreterOptionsDelete(options) }
    TfLiteInterpreterOptionsSetNumThreads(options, Int32(threads))
    model = TfLiteModelCreateFromFile(path)
    guard model != nil else { throw KvisionError(description: "\(path) is no LiteRT file, or a damaged one; copy it again") }
    interpreter = TfLiteInterpreterCreate(model, options)
    guard interpreter != nil, TfLiteInterpreterGetSignatureCount(interpreter) == 1 else {
      throw KvisionError(description: "\(path) can't be run, or has several functions; export it again")
    }
    runner = TfLiteInterpreterGetSignatureRunner(interpreter, TfLiteInterpreterGetSignatureKey(interpreter, 0))
    guard TfLiteSignatureRunnerGetInputCount(runner) == 1, TfLiteSignatureRunnerAllocateTensors(runner) == kTfLiteOk else {
      throw KvisionError(description: "\(path) can't be run, or takes several inputs; export it again")
    }
  }

  deinit {
    TfLiteSignatureRunnerDelete(runner)
    TfLiteInterpreterDelete(interpreter)
    TfLiteModelDelete(model)
  }

  /// One call in real numbers, which are quantized and dequantized by the parameters in the file.
  ///
  /// - Parameter name: Of the output; the only one where it is not among them.
  func run(_ values: [Float], output name: String?) throws -> (values: [Float], shape: [Int]) {
    let input = TfLiteSignatureRunnerGetInputTensor(runner, TfLiteSignatureRunnerGetInputName(runner, 0))
    let given = TfLiteTensorQuantizationParams(input)
    let (scale, zero) = (given.scale, given.zero_point)
    let write = { (start: UnsafeRawPointer?, size: Int) in TfLiteTensorCopyFromBuffer(input, start, size) }
    switch TfLiteTensorType(input) {
    case kTfLiteFloat32: try copy(values, to: write)
    case kTfLiteInt8: try copy(stored(values, scale: scale, zeroPoint: zero) as [Int8], to: write)
    case kTfLiteUInt8: try copy(stored(values, scale: scale, zeroPoint: zero) as [UInt8], to: write)
    case kTfLiteInt16: try copy(stored(values, scale: scale, zeroPoint: zero) as [Int16], to: write)
    default: throw KvisionError(description: "the input is of another type than float32, int8, uint8 and int16")
    }
    guard TfLiteSignatureRunnerInvoke(runner) == kTfLiteOk else { throw KvisionError(description: "the network fails") }
    let names = (0..<TfLiteSignatureRunnerGetOutputCount(runner)).map { String(cString: TfLiteSignatureRunnerGetOutputName(runner, Int32($0))) }
    guard let chosen = names.first(where: { $0 == name }) ?? (names.count == 1 ? names[0] : nil) else {
      throw KvisionError(description: "decode.output is not among \(names); export the bundle again")
    }
    let output = TfLiteSignatureRunnerGetOutputTensor(runner, chosen)
    let shape = (0..<TfLiteTensorNumDims(output)).map { Int(TfLiteTensorDim(output, $0)) }
    let found = TfLiteTensorQuantizationParams(output)
    let memory = UnsafeRawBufferPointer(start: TfLiteTensorData(output), count: TfLiteTensorByteSize(output))
    switch TfLiteTensorType(output) {
    case kTfLiteFloat32: return (Array(memory.bindMemory(to: Float.self)), shape)
    case kTfLiteInt8: return (real(Array(memory.bindMemory(to: Int8.self)), scale: found.scale, zeroPoint: found.zero_point), shape)
    case kTfLiteUInt8: return (real(Array(memory.bindMemory(to: UInt8.self)), scale: found.scale, zeroPoint: found.zero_point), shape)
    case kTfLiteInt16: return (real(Array(memory.bindMemory(to: Int16.self)), scale: found.scale, zeroPoint: found.zero_point), shape)
    default: throw KvisionError(description: "\(chosen) is of another type than float32, int8, uint8 and int16")
    }
  }

  private func copy<T>(_ values: [T], to write: (UnsafeRawPointer?, Int) -> TfLiteStatus) throws {
    let status = values.withUnsafeBytes { write($0.baseAddress, $0.count) }
    guard status == kTfLiteOk else { throw KvisionError(description: "the input is of another size than the manifest says; export the bundle again") }
  }
}
