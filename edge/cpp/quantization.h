// Between real numbers and what a file stores, by the parameters in the file: real = scale * (stored - zero_point).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace kvision {

enum class Type { float32, int8, uint8, int16 };

struct Tensor {
  std::string name;
  std::vector<int> shape;
  Type type = Type::float32;
  float scale = 0;  // 0: not quantized
  int zero_point = 0;

  size_t size() const;  // values
};

size_t bytes(Type type);
/// Real numbers as a tensor's own bytes: rounded (half to even) and clipped where it is quantized.
std::string stored(const std::vector<float>& values, const Tensor& tensor);
/// Real numbers of a tensor's own bytes.
std::vector<float> real(const std::string& content, const Tensor& tensor);

}  // namespace kvision
