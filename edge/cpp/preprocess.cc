#include "preprocess.h"

#include <algorithm>
#include <cmath>

#include "errors.h"
#include "resize.h"

namespace kvision {
namespace {

constexpr float kMostValues = 1 << 28;  // of more scores than this, the classes are found at a lower resolution

}  // namespace

Preprocess::Preprocess(const PreprocessSettings& settings) : settings_(settings) {
  if (settings.fit != "resize" && settings.fit != "crop") throw Error("preprocess.fit is '" + settings.fit + "'; this program knows resize and crop");
  const bool positive = *std::min_element(settings.std.begin(), settings.std.end()) > 0;
  if (settings.size_px < 1 || settings.size_px > 1 << 14 || !positive)
    throw Error("preprocess: size_px or std do not hold together; export the bundle again");
  for (int c = 0; c < 3; ++c) padding_[c] = static_cast<float>(std::nearbyint(255 * settings.mean[c]));
}

Placement Preprocess::placement(int height, int width) const {
  const int64_t size = settings_.size_px, longest = std::max(height, width);
  const auto scaled = [&](int64_t side) { return static_cast<int>(std::max<int64_t>(1, (2 * side * size + longest) / (2 * longest))); };
  if (settings_.fit == "resize") height = scaled(height), width = scaled(width);
  return {height, width, (settings_.size_px - height) >> 1, (settings_.size_px - width) >> 1};  // rounded down, also below 0
}

Picture Preprocess::place(const Picture& image) const {
  const int size = settings_.size_px;
  if (image.height == size && image.width == size) return image;
  const Placement where = placement(image.height, image.width);
  const Scores scaled = antialiased(image, where.height, where.width);  // with `crop` as it is
  Picture square(size, size, 3);
  for (int y = 0; y < size; ++y)
    for (int x = 0; x < size; ++x) {
      const int row = y - where.top, column = x - where.left;
      const bool covered = row >= 0 && row < where.height && column >= 0 && column < where.width;
      for (int c = 0; c < 3; ++c) {
        // As the graph does it: taking the padding off and putting it back rounds, and may decide between two levels.
        const float value = covered ? (scaled.at(row, column)[c] - padding_[c]) + padding_[c] : padding_[c];
        square.at(y, x)[c] = static_cast<uint8_t>(std::clamp(std::nearbyint(value), 0.0f, 255.0f));
      }
    }
  return square;
}

std::string Preprocess::normalised(const Picture& square, const Tensor& tensor) const {
  std::vector<float> levels(256 * 3);
  for (int c = 0; c < 3; ++c) {
    const auto scale = static_cast<float>(1 / (255 * settings_.std[c])), shift = static_cast<float>(-settings_.mean[c] / settings_.std[c]);
    for (int level = 0; level < 256; ++level) levels[level * 3 + c] = static_cast<float>(level) * scale + shift;
  }
  const std::string table = stored(levels, tensor);
  const size_t width = bytes(tensor.type);
  std::string out(square.values.size() * width, '\0');
  for (size_t i = 0; i < square.values.size(); ++i) {
    const char* from = &table[(square.values[i] * size_t{3} + i % 3) * width];
    std::copy(from, from + width, &out[i * width]);
  }
  return out;
}

Scores Preprocess::inside(const Scores& scores, int height, int width) const {
  const Placement where = placement(height, width);
  Scores part(where.height, where.width, scores.channels);
  for (int y = 0; y < where.height; ++y) {
    const float* from = scores.at(where.top + y, where.left);
    std::copy(from, from + part.stride(), part.at(y, 0));
  }
  return part;
}

Picture Preprocess::restore_classes(const Scores& scores, int height, int width) const {
  const float pixels = static_cast<float>(height) * static_cast<float>(width) * static_cast<float>(scores.channels);
  const float shrink = std::sqrt(std::min(1.0f, kMostValues / pixels));
  const int rows = std::max(1, static_cast<int>(static_cast<float>(height) * shrink));
  const int columns = std::max(1, static_cast<int>(static_cast<float>(width) * shrink));
  const Scores part = inside(scores, rows, columns);
  const bool grows = rows >= part.height && columns >= part.width;
  const Picture found = grows ? grown_classes(part, rows, columns) : greatest(antialiased(part, rows, columns));
  return rows == height && columns == width ? found : nearest(found, height, width);
}

}  // namespace kvision
