// Values [height, width, channels], row after row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace kvision {

template <typename T>
struct Image {
  int height = 0, width = 0, channels = 0;
  std::vector<T> values;

  Image() = default;
  Image(int height, int width, int channels)
      : height(height), width(width), channels(channels), values(static_cast<size_t>(height) * width * channels) {}
  Image(int height, int width, int channels, std::vector<T> values)
      : height(height), width(width), channels(channels), values(std::move(values)) {}

  size_t stride() const { return static_cast<size_t>(width) * channels; }
  T* at(int y, int x) { return values.data() + y * stride() + static_cast<size_t>(x) * channels; }
  const T* at(int y, int x) const { return values.data() + y * stride() + static_cast<size_t>(x) * channels; }
};

using Picture = Image<uint8_t>;
using Scores = Image<float>;

}  // namespace kvision
