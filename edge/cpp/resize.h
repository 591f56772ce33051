// `tf.image.resize`, to the last bit: kvision_edge/resize.py, whose names and order of float32 sums these are.
#pragma once

#include "image.h"

namespace kvision {

/// `tf.image.resize(..., antialias=True)`: a triangle whose half width is one output pixel, or one input pixel where the picture grows.
template <typename T>
Scores antialiased(const Image<T>& picture, int height, int width);
extern template Scores antialiased(const Picture&, int, int);
extern template Scores antialiased(const Scores&, int, int);

/// Number of the greatest score at each place, [height, width, 1]; the first of equals.
Picture greatest(const Scores& scores);
/// `greatest` after `tf.image.resize(...)` to a larger size, without ever holding all the scores of the large picture.
Picture grown_classes(const Scores& scores, int height, int width);
/// `tf.image.resize(..., "nearest")`.
Picture nearest(const Picture& picture, int height, int width);

}  // namespace kvision
