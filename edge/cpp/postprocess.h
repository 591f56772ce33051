// From the network's outputs to answers: kvision_edge/postprocess/, whose names these are.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bundle.h"
#include "image.h"
#include "preprocess.h"

namespace kvision {

/// Probabilities of what the network gives, along the last dimension: "softmax", "sigmoid", or "none".
Scores activated(Scores values, const std::string& activation);

/// The most probable classes of [K], best first; the first of equals first.
std::vector<std::pair<int, float>> top_k(const std::vector<float>& probabilities, int count);

/// The class of every pixel of a picture of `height` x `width`, of the scores [S, S, K] of its square.
Picture segmented(const Scores& outputs, const std::string& activation, const Preprocess& preprocess, int height, int width);

}  // namespace kvision
