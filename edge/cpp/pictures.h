// Pictures from JPEG and PNG files as RGB, by the rules of kvision_edge/pictures.py; masks to PNG files.
#pragma once

#include <array>
#include <filesystem>
#include <vector>

#include "image.h"

namespace kvision {

/// One picture as [H, W, 3], upright by its EXIF orientation, without transparency; Error if it can't be read, or is far too large.
Picture rgb(const std::filesystem::path& path);
/// Writes classes [H, W, 1] as a palette PNG whose values are the classes.
void write_mask(const std::filesystem::path& path, const Picture& classes, const std::vector<std::array<uint8_t, 3>>& colours);

}  // namespace kvision
