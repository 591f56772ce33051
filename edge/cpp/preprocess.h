// From a picture of any size to the network's square, and back: kvision_edge/preprocess.py, whose names these are.
#pragma once

#include <string>

#include "bundle.h"
#include "image.h"
#include "quantization.h"

namespace kvision {

/// Where a picture lies in the square: scaled to `height` x `width`, its corner at `top`, `left` (negative: cut off).
struct Placement {
  int height, width, top, left;
};

class Preprocess {
 public:
  /// Error if this program does not know the fit, or the settings do not hold together.
  explicit Preprocess(const PreprocessSettings& settings);

  int size_px() const { return settings_.size_px; }
  Placement placement(int height, int width) const;
  /// The picture [H, W, 3] in the square [S, S, 3], padded with the mean colour.
  Picture place(const Picture& image) const;
  /// Each pixel of a square normalised, (x / 255 - mean) / std, as the tensor stores it.
  std::string normalised(const Picture& square, const Tensor& tensor) const;
  /// The greatest of the K scores [S, S, K] of each pixel of the picture, [height, width, 1].
  Picture restore_classes(const Scores& scores, int height, int width) const;

 private:
  Scores inside(const Scores& scores, int height, int width) const;

  PreprocessSettings settings_;
  float padding_[3];
};

}  // namespace kvision
