#include "quantization.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace kvision {
namespace {

template <typename T>
std::string stored_as(const std::vector<float>& values, const Tensor& tensor) {
  std::string out(values.size() * sizeof(T), '\0');
  for (size_t i = 0; i < values.size(); ++i) {
    T step;
    if constexpr (std::numeric_limits<T>::is_integer) {
      const float found = std::nearbyint(values[i] / tensor.scale) + static_cast<float>(tensor.zero_point);
      step = static_cast<T>(std::clamp(found, static_cast<float>(std::numeric_limits<T>::min()), static_cast<float>(std::numeric_limits<T>::max())));
    } else {
      step = values[i];
    }
    std::memcpy(&out[i * sizeof(T)], &step, sizeof(T));
  }
  return out;
}

template <typename T>
std::vector<float> real_of(const std::string& content, const Tensor& tensor) {
  std::vector<float> values(content.size() / sizeof(T));
  for (size_t i = 0; i < values.size(); ++i) {
    T step;
    std::memcpy(&step, &content[i * sizeof(T)], sizeof(T));
    values[i] = tensor.scale ? (static_cast<float>(step) - static_cast<float>(tensor.zero_point)) * tensor.scale : static_cast<float>(step);
  }
  return values;
}

}  // namespace

size_t Tensor::size() const {
  size_t count = 1;
  for (const int each : shape) count *= each;
  return count;
}

size_t bytes(Type type) { return type == Type::float32 ? 4 : type == Type::int16 ? 2 : 1; }

std::string stored(const std::vector<float>& values, const Tensor& tensor) {
  switch (tensor.type) {
    case Type::int8: return stored_as<int8_t>(values, tensor);
    case Type::uint8: return stored_as<uint8_t>(values, tensor);
    case Type::int16: return stored_as<int16_t>(values, tensor);
    default: return stored_as<float>(values, tensor);
  }
}

std::vector<float> real(const std::string& content, const Tensor& tensor) {
  switch (tensor.type) {
    case Type::int8: return real_of<int8_t>(content, tensor);
    case Type::uint8: return real_of<uint8_t>(content, tensor);
    case Type::int16: return real_of<int16_t>(content, tensor);
    default: return real_of<float>(content, tensor);
  }
}

}  // namespace kvision
