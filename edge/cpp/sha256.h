#pragma once

#include <string>

namespace kvision {

/// SHA-256 (FIPS 180-4) of some bytes, in lower-case hexadecimal.
std::string sha256(const std::string& content);

}  // namespace kvision
