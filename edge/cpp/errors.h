// Errors that a user can cause: what came, what is accepted, what to do. The exit codes are those of kvision-edge.
#pragma once

#include <stdexcept>
#include <string>

namespace kvision {

struct Error : std::runtime_error {
  explicit Error(const std::string& message, int exit_code = 1) : std::runtime_error(message), exit_code(exit_code) {}
  int exit_code;
};

constexpr int kWrongArguments = 2, kWrongBundle = 4;

}  // namespace kvision
