#include "resize.h"

#include <algorithm>
#include <cmath>

namespace kvision {
namespace {

/// Which input pixels make each antialiased output pixel: the first of them, and the weights [wanted, taps] of it and of those that follow.
struct Spans {
  int taps;
  std::vector<int> first;
  std::vector<float> weights;
};

Spans spans(int size, int wanted) {
  const float step = 1.0f / (static_cast<float>(wanted) / static_cast<float>(size));
  const float width = std::max(step, 1.0f);
  const int taps = std::min(2 * static_cast<int>(std::ceil(width)) + 1, size);
  Spans found{taps, std::vector<int>(wanted), std::vector<float>(static_cast<size_t>(wanted) * taps)};
  for (int m = 0; m < wanted; ++m) {
    const float centre = (static_cast<float>(m) + 0.5f) * step;
    const int first = std::clamp(static_cast<int>(std::ceil(centre - width - 0.5f)), 0, size - 1);
    const int last = std::clamp(static_cast<int>(std::floor(centre + width - 0.5f)), 0, size - 1);
    float* weights = &found.weights[static_cast<size_t>(m) * taps];
    float total = 0.0f;
    for (int tap = 0; tap < taps; ++tap) {
      const float distance = std::abs((static_cast<float>(first + tap) + 0.5f - centre) * (1.0f / width));
      weights[tap] = first + tap <= last && distance < 1.0f ? 1.0f - distance : 0.0f;
      total += weights[tap];
    }
    for (int tap = 0; tap < taps; ++tap) weights[tap] *= 1.0f / total;
    found.first[m] = first;
  }
  return found;
}

/// Between which input pixels each interpolated output pixel lies, and its share of the way between them.
struct Between {
  std::vector<int> before, behind;
  std::vector<float> share;
};

Between between(int size, int wanted) {
  Between found{std::vector<int>(wanted), std::vector<int>(wanted), std::vector<float>(wanted)};
  for (int m = 0; m < wanted; ++m) {
    const float place = (static_cast<float>(m) + 0.5f) * (static_cast<float>(size) / static_cast<float>(wanted)) - 0.5f;
    const float before = std::floor(place);
    found.before[m] = std::max(static_cast<int>(before), 0);
    found.behind[m] = std::min(static_cast<int>(std::ceil(place)), size - 1);
    found.share[m] = place - before;
  }
  return found;
}

/// [size, inner] antialiased along the first dimension to [wanted, inner].
template <typename T>
void filtered(const T* values, int size, int wanted, size_t inner, const Spans& spans, float* out) {
  if (size == wanted) {
    std::copy(values, values + size * inner, out);
    return;
  }
  std::fill(out, out + wanted * inner, 0.0f);
  for (int m = 0; m < wanted; ++m)
    for (int tap = 0; tap < spans.taps; ++tap) {
      const float weight = spans.weights[static_cast<size_t>(m) * spans.taps + tap];
      if (weight == 0.0f) continue;
      const T* from = values + std::min(spans.first[m] + tap, size - 1) * inner;
      float* to = out + m * inner;
      for (size_t i = 0; i < inner; ++i) to[i] += weight * static_cast<float>(from[i]);
    }
}

int nearest(int place, int size, int wanted) {
  const float centre = (static_cast<float>(place) + 0.5f) * (static_cast<float>(size) / static_cast<float>(wanted));
  return std::min(static_cast<int>(std::floor(centre)), size - 1);
}

}  // namespace

template <typename T>
Scores antialiased(const Image<T>& picture, int height, int width) {
  Scores rows(height, picture.width, picture.channels), out(height, width, picture.channels);
  filtered(picture.values.data(), picture.height, height, picture.stride(), spans(picture.height, height), rows.values.data());
  const Spans across = spans(picture.width, width);
  for (int y = 0; y < height; ++y) filtered(rows.at(y, 0), picture.width, width, picture.channels, across, out.at(y, 0));
  return out;
}

template Scores antialiased(const Picture&, int, int);
template Scores antialiased(const Scores&, int, int);

Picture greatest(const Scores& scores) {
  Picture found(scores.height, scores.width, 1);
  for (size_t i = 0; i < found.values.size(); ++i) {
    const float* each = &scores.values[i * scores.channels];
    found.values[i] = static_cast<uint8_t>(std::max_element(each, each + scores.channels) - each);
  }
  return found;
}

Picture grown_classes(const Scores& scores, int height, int width) {
  if (scores.height == height && scores.width == width) return greatest(scores);
  const int channels = scores.channels;
  const Between across = between(scores.width, width), down = between(scores.height, height);
  Scores wide(scores.height, width, channels), row(1, width, channels);
  for (int y = 0; y < scores.height; ++y)
    for (int x = 0; x < width; ++x) {
      const float *low = scores.at(y, across.before[x]), *high = scores.at(y, across.behind[x]);
      for (int k = 0; k < channels; ++k) wide.at(y, x)[k] = (high[k] - low[k]) * across.share[x] + low[k];
    }
  Picture found(height, width, 1);
  for (int y = 0; y < height; ++y) {
    const float *low = wide.at(down.before[y], 0), *high = wide.at(down.behind[y], 0);
    for (size_t i = 0; i < row.values.size(); ++i) row.values[i] = (high[i] - low[i]) * down.share[y] + low[i];
    const Picture best = greatest(row);
    std::copy(best.values.begin(), best.values.end(), found.at(y, 0));
  }
  return found;
}

Picture nearest(const Picture& picture, int height, int width) {
  Picture found(height, width, picture.channels);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const uint8_t* from = picture.at(nearest(y, picture.height, height), nearest(x, picture.width, width));
      std::copy(from, from + picture.channels, found.at(y, x));
    }
  return found;
}

}  // namespace kvision
