#include "sha256.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>

namespace kvision {
namespace {

using Words = std::array<uint32_t, 64>;

/// The first 32 bits of the fractional parts of the roots of the first primes: of degree 3 the rounds' constants, of degree 2 the start.
Words roots(int degree) {
  Words found{};
  int count = 0;
  for (int candidate = 2; count < 64; ++candidate) {
    bool prime = true;
    for (int divisor = 2; divisor * divisor <= candidate; ++divisor) prime = prime && candidate % divisor != 0;
    if (!prime) continue;
    const double root = degree == 2 ? std::sqrt(static_cast<double>(candidate)) : std::cbrt(static_cast<double>(candidate));
    found[count++] = static_cast<uint32_t>((root - std::floor(root)) * 4294967296.0);
  }
  return found;
}

uint32_t turned(uint32_t value, int bits) { return value >> bits | value << (32 - bits); }

void block(const unsigned char* data, const Words& constants, std::array<uint32_t, 8>& state) {
  Words w;
  for (int i = 0; i < 16; ++i)
    w[i] = uint32_t{data[4 * i]} << 24 | uint32_t{data[4 * i + 1]} << 16 | uint32_t{data[4 * i + 2]} << 8 | data[4 * i + 3];
  for (int i = 16; i < 64; ++i) {
    const uint32_t a = turned(w[i - 15], 7) ^ turned(w[i - 15], 18) ^ w[i - 15] >> 3;
    const uint32_t b = turned(w[i - 2], 17) ^ turned(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + a + w[i - 7] + b;
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (int i = 0; i < 64; ++i) {
    const uint32_t one = h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & f) ^ (~e & g)) + constants[i] + w[i];
    const uint32_t two = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + one, d = c, c = b, b = a, a = one + two;
  }
  const uint32_t mixed[8] = {a, b, c, d, e, f, g, h};
  for (int i = 0; i < 8; ++i) state[i] += mixed[i];
}

}  // namespace

std::string sha256(const std::string& content) {
  static const Words constants = roots(3), start = roots(2);
  std::array<uint32_t, 8> state;
  for (int i = 0; i < 8; ++i) state[i] = start[i];
  const auto* data = reinterpret_cast<const unsigned char*>(content.data());
  const size_t whole = content.size() / 64 * 64;
  for (size_t at = 0; at < whole; at += 64) block(data + at, constants, state);
  std::string last = content.substr(whole) + '\x80';
  last.resize((last.size() + 8 + 63) / 64 * 64);
  const uint64_t bits = uint64_t{content.size()} * 8;
  for (int i = 0; i < 8; ++i) last[last.size() - 1 - i] = static_cast<char>(bits >> (8 * i));
  for (size_t at = 0; at < last.size(); at += 64) block(reinterpret_cast<const unsigned char*>(last.data()) + at, constants, state);
  std::string out;
  char part[9];
  for (const uint32_t word : state) std::snprintf(part, sizeof part, "%08x", word), out += part;
  return out;
}

}  // namespace kvision
