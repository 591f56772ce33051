#include "postprocess.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "errors.h"
#include "resize.h"

namespace kvision {
namespace {

void softmax(float* values, int count) {
  const float highest = *std::max_element(values, values + count);
  float total = 0.0f;
  for (int k = 0; k < count; ++k) total += values[k] = std::exp(values[k] - highest);
  for (int k = 0; k < count; ++k) values[k] /= total;
}

float sigmoid(float value) {
  const float small = std::exp(-std::abs(value));
  return value >= 0 ? 1 / (1 + small) : small / (1 + small);
}

}  // namespace

Scores activated(Scores values, const std::string& activation) {
  if (activation == "softmax") {
    for (size_t i = 0; i < values.values.size(); i += values.channels) softmax(&values.values[i], values.channels);
  } else if (activation == "sigmoid") {
    for (float& each : values.values) each = sigmoid(each);
  } else if (activation != "none") {
    throw Error("decode.activation is '" + activation + "'; this program knows softmax, sigmoid, none");
  }
  return values;
}

std::vector<std::pair<int, float>> top_k(const std::vector<float>& probabilities, int count) {
  std::vector<int> order(probabilities.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return probabilities[a] > probabilities[b]; });
  std::vector<std::pair<int, float>> found;
  for (int i = 0; i < std::min<int>(count, static_cast<int>(order.size())); ++i) found.emplace_back(order[i], probabilities[order[i]]);
  return found;
}

Picture segmented(const Scores& outputs, const std::string& activation, const Preprocess& preprocess, int height, int width) {
  const bool same = height == outputs.height && width == outputs.width;  // then the greatest logit is as good
  return preprocess.restore_classes(same ? outputs : activated(outputs, activation), height, width);
}

}  // namespace kvision
