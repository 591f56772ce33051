// One function of a LiteRT file, run by libLiteRt's compiled model on the processor.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "quantization.h"

namespace kvision {

class Interpreter {
 public:
  /// `content`: the file; `where`: what to call it in messages; `signature`: its function; Error if LiteRT can't run it.
  Interpreter(std::string content, const std::string& where, const std::string& signature, int threads);
  ~Interpreter();

  const std::vector<Tensor>& inputs() const;
  const std::vector<Tensor>& outputs() const;
  /// Inputs and outputs by name, in the file's own bytes; Error if LiteRT fails.
  std::map<std::string, std::string> run(const std::map<std::string, std::string>& given);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kvision
