#include "interpreter.h"

#include <cstdlib>
#include <cstring>

#include "errors.h"
#include "litert.h"

namespace kvision {
namespace {

template <typename T, void (*destroy)(T)>
struct Destroy {
  using pointer = T;
  void operator()(T handle) const { destroy(handle); }
};
template <typename T, void (*destroy)(T)>
using Owned = std::unique_ptr<T, Destroy<T, destroy>>;

using Environment = Owned<LiteRtEnvironment, LiteRtDestroyEnvironment>;
using Model = Owned<LiteRtModel, LiteRtDestroyModel>;
using Options = Owned<LiteRtOptions, LiteRtDestroyOptions>;
using Compiled = Owned<LiteRtCompiledModel, LiteRtDestroyCompiledModel>;
using Buffer = Owned<LiteRtTensorBuffer, LiteRtDestroyTensorBuffer>;

void check(LiteRtStatus status, const std::string& what) {
  if (status != 0) throw Error(what + " (LiteRT's status " + std::to_string(status) + ")");
}

Options options(int threads) {
  LiteRtOptions made = nullptr;
  check(LiteRtCreateOptions(&made), "no options can be made");
  Options found(made);
  check(LiteRtSetOptionsHardwareAccelerators(made, kLiteRtAcceleratorCpu), "the processor can't be chosen");
  const std::string settings = "num_threads = " + std::to_string(threads) + "\n";
  LiteRtOpaqueOptions processor = nullptr;
  check(LiteRtCreateOpaqueOptions("xnnpack", strdup(settings.c_str()), std::free, &processor), "threads can't be set");
  check(LiteRtAddOpaqueOptions(made, processor), "threads can't be set");
  return found;
}

Tensor tensor(const char* name, LiteRtTensor handle, const LiteRtRankedTensorType& type, const std::string& where) {
  int kind = 0;
  check(LiteRtGetQuantizationTypeId(handle, &kind), where + ": " + name + " has no quantization");
  Tensor found;
  found.name = name;
  found.shape.assign(type.layout.dimensions, type.layout.dimensions + type.layout.rank);
  for (int& each : found.shape) each = each < 1 ? 1 : each;  // an open batch
  switch (type.element_type) {
    case kLiteRtFloat32: found.type = Type::float32; break;
    case kLiteRtInt8: found.type = Type::int8; break;
    case kLiteRtUInt8: found.type = Type::uint8; break;
    case kLiteRtInt16: found.type = Type::int16; break;
    default:
      throw Error(where + ": " + name + " is of LiteRT's type " + std::to_string(type.element_type) + "; float32, int8, uint8 and int16 are known");
  }
  if (kind == kLiteRtQuantizationPerTensor) {
    LiteRtQuantizationPerTensor parameters{};
    check(LiteRtGetPerTensorQuantization(handle, &parameters), where + ": " + name + " has no quantization");
    found.scale = parameters.scale;
    found.zero_point = static_cast<int>(parameters.zero_point);
  }
  const bool whole = found.type != Type::float32;
  if (whole != (found.scale > 0)) throw Error(where + ": " + name + " has no single scale and zero point; export it again");
  return found;
}

struct Side {
  std::vector<Tensor> tensors;
  std::vector<Buffer> buffers;

  void add(LiteRtEnvironment environment, const char* name, LiteRtTensor handle, const std::string& where) {
    LiteRtRankedTensorType type{};
    check(LiteRtGetRankedTensorType(handle, &type), where + ": " + name + " has no shape");
    tensors.push_back(tensor(name, handle, type, where));
    const Tensor& added = tensors.back();
    for (size_t i = 0; i < added.shape.size(); ++i) type.layout.dimensions[i] = added.shape[i];
    LiteRtTensorBuffer buffer = nullptr;
    check(LiteRtCreateManagedTensorBuffer(environment, kLiteRtBufferHostMemory, &type, added.size() * bytes(added.type), &buffer),
          where + ": no memory for " + name);
    buffers.emplace_back(buffer);
  }

  std::vector<LiteRtTensorBuffer> handles() const {
    std::vector<LiteRtTensorBuffer> found;
    for (const Buffer& each : buffers) found.push_back(each.get());
    return found;
  }
};

}  // namespace

struct Interpreter::State {  // destroyed from the last to the first
  std::string content, where;
  Environment environment;
  Model model;
  size_t signature = 0;
  Compiled compiled;
  Side inputs, outputs;
};

Interpreter::Interpreter(std::string content, const std::string& where, const std::string& signature, int threads)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.content = std::move(content);
  s.where = where;
  const LiteRtEnvOption quiet[] = {{kLiteRtEnvOptionAccelerators, {kLiteRtAnyInt, kLiteRtAcceleratorCpu}},
                                   {kLiteRtEnvOptionLogSeverity, {kLiteRtAnyInt, kLiteRtLogError}}};
  LiteRtEnvironment environment = nullptr;
  check(LiteRtCreateEnvironment(2, quiet, &environment), "LiteRT can't start");
  s.environment.reset(environment);
  LiteRtModel model = nullptr;
  check(LiteRtCreateModelFromBuffer(environment, s.content.data(), s.content.size(), &model), where + ": is no LiteRT file, or a damaged one");
  s.model.reset(model);
  LiteRtSignature function = nullptr;
  size_t count = 0;
  const char* name = "";
  check(LiteRtGetNumModelSignatures(model, &count), where + ": has no signatures");
  for (s.signature = 0; s.signature < count; ++s.signature) {
    check(LiteRtGetModelSignature(model, s.signature, &function), where + ": has no signatures");
    check(LiteRtGetSignatureKey(function, &name), where + ": has a signature without a name");
    if (name == signature) break;
  }
  if (s.signature == count) throw Error(where + ": has no signature " + signature + "; export it again");
  LiteRtCompiledModel compiled = nullptr;
  check(LiteRtCreateCompiledModel(environment, model, options(threads).get(), &compiled),
        where + ": LiteRT can't run it; it may lack an operation: upgrade it");
  s.compiled.reset(compiled);
  LiteRtTensor handle = nullptr;
  check(LiteRtGetNumSignatureInputs(function, &count), where + ": has no inputs");
  for (size_t i = 0; i < count; ++i) {
    check(LiteRtGetSignatureInputName(function, i, &name), where + ": has an input without a name");
    check(LiteRtGetSignatureInputTensorByIndex(function, i, &handle), where + ": has no input " + name);
    s.inputs.add(environment, name, handle, where);
  }
  check(LiteRtGetNumSignatureOutputs(function, &count), where + ": has no outputs");
  for (size_t i = 0; i < count; ++i) {
    check(LiteRtGetSignatureOutputName(function, i, &name), where + ": has an output without a name");
    check(LiteRtGetSignatureOutputTensorByIndex(function, i, &handle), where + ": has no output " + name);
    s.outputs.add(environment, name, handle, where);
  }
}

Interpreter::~Interpreter() = default;
const std::vector<Tensor>& Interpreter::inputs() const { return state_->inputs.tensors; }
const std::vector<Tensor>& Interpreter::outputs() const { return state_->outputs.tensors; }

std::map<std::string, std::string> Interpreter::run(const std::map<std::string, std::string>& given) {
  State& s = *state_;
  void* memory = nullptr;
  for (size_t i = 0; i < inputs().size(); ++i) {
    const Tensor& each = inputs()[i];
    const auto found = given.find(each.name);
    const size_t size = each.size() * bytes(each.type);
    if (found == given.end() || found->second.size() != size)
      throw Error(s.where + ": takes " + each.name + " of " + std::to_string(size) + " bytes");
    check(LiteRtLockTensorBuffer(s.inputs.buffers[i].get(), &memory, kLiteRtLockWrite), s.where + ": " + each.name + " can't be written");
    std::memcpy(memory, found->second.data(), size);
    check(LiteRtUnlockTensorBuffer(s.inputs.buffers[i].get()), s.where + ": " + each.name + " can't be written");
  }
  auto taken = s.inputs.handles(), gives = s.outputs.handles();
  check(LiteRtRunCompiledModel(s.compiled.get(), s.signature, taken.size(), taken.data(), gives.size(), gives.data()), s.where + ": fails");
  std::map<std::string, std::string> out;
  for (size_t i = 0; i < outputs().size(); ++i) {
    const Tensor& each = outputs()[i];
    check(LiteRtLockTensorBuffer(gives[i], &memory, kLiteRtLockRead), s.where + ": " + each.name + " can't be read");
    out[each.name].assign(static_cast<const char*>(memory), each.size() * bytes(each.type));
    check(LiteRtUnlockTensorBuffer(gives[i]), s.where + ": " + each.name + " can't be read");
  }
  return out;
}

}  // namespace kvision
