#include "json.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "errors.h"

namespace kvision {
namespace {

constexpr int kDeepest = 64;

class Parser {
 public:
  explicit Parser(const std::string& text) : at_(text.c_str()), begin_(at_), end_(at_ + text.size()) {}

  Json whole() {
    Json found = value(0);
    space();
    if (at_ != end_) fail();
    return found;
  }

 private:
  [[noreturn]] void fail() const { throw Error("damaged at byte " + std::to_string(at_ - begin_)); }

  void space() {
    while (at_ != end_ && std::strchr(" \t\r\n", *at_) && *at_) ++at_;
  }

  bool take(char wanted) {
    space();
    if (at_ == end_ || *at_ != wanted) return false;
    ++at_;
    return true;
  }

  void need(const char* word) {
    for (; *word; ++word, ++at_)
      if (at_ == end_ || *at_ != *word) fail();
  }

  Json value(int depth) {
    Json found;
    space();
    if (at_ == end_ || depth > kDeepest) fail();
    if (take('{')) {
      found.kind = Json::Kind::object;
      for (bool more = !take('}'); more; more = !close('}')) {
        space();
        std::string name = string();
        if (!take(':')) fail();
        found.members.emplace_back(std::move(name), value(depth + 1));
      }
    } else if (take('[')) {
      found.kind = Json::Kind::list;
      for (bool more = !take(']'); more; more = !close(']')) found.items.push_back(value(depth + 1));
    } else if (*at_ == '"') {
      found.kind = Json::Kind::text;
      found.text = string();
    } else if (*at_ == 't' || *at_ == 'f') {
      found.kind = Json::Kind::boolean;
      found.number = *at_ == 't';
      need(*at_ == 't' ? "true" : "false");
    } else if (*at_ == 'n') {
      need("null");
    } else {
      found.kind = Json::Kind::number;
      char* after = nullptr;
      found.number = std::strtod(at_, &after);  // the text ends with a zero byte
      if (after == at_ || !std::strchr("-0123456789", *at_)) fail();
      at_ = after;
    }
    return found;
  }

  bool close(char end) {
    if (take(end)) return true;
    if (!take(',')) fail();
    return false;
  }

  std::string string() {
    std::string found;
    need("\"");
    while (true) {
      if (at_ == end_ || static_cast<unsigned char>(*at_) < 0x20) fail();
      const char each = *at_++;
      if (each == '"') return found;
      if (each != '\\') {
        found += each;
        continue;
      }
      if (at_ == end_) fail();
      const char kind = *at_++;
      const char* place = kind ? std::strchr("\"\\/bfnrt", kind) : nullptr;
      if (place) {
        found += "\"\\/\b\f\n\r\t"[place - "\"\\/bfnrt"];
      } else if (kind == 'u') {
        unsigned point = unit();
        if (point >= 0xD800 && point < 0xDC00) {
          need("\\u");
          point = 0x10000 + ((point - 0xD800) << 10) + (unit() - 0xDC00);
        }
        utf8(found, point);
      } else {
        fail();
      }
    }
  }

  unsigned unit() {
    unsigned found = 0;
    for (int digit = 0; digit < 4; ++digit, ++at_) {
      const char* place = at_ != end_ && *at_ ? std::strchr("0123456789abcdef", *at_ | 0x20) : nullptr;
      if (!place) fail();
      found = found * 16 + static_cast<unsigned>(place - std::strchr("0123456789abcdef", '0'));
    }
    return found;
  }

  static void utf8(std::string& out, unsigned point) {
    const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((point >> shift) & 0x3F)); };
    if (point < 0x80) {
      out += static_cast<char>(point);
    } else if (point < 0x800) {
      out += static_cast<char>(0xC0 | (point >> 6)), tail(0);
    } else if (point < 0x10000) {
      out += static_cast<char>(0xE0 | (point >> 12)), tail(6), tail(0);
    } else {
      out += static_cast<char>(0xF0 | (point >> 18)), tail(12), tail(6), tail(0);
    }
  }

  const char *at_, *begin_, *end_;
};

}  // namespace

const Json* Json::find(const std::string& name) const {
  for (const auto& [key, value] : members)
    if (key == name) return &value;
  return nullptr;
}

const Json& Json::get(const std::string& name, Kind wanted) const {
  const Json* found = find(name);
  if (!found || found->kind != wanted) throw Error("`" + name + "` is missing, or of another kind");
  return *found;
}

Json parse_json(const std::string& text) { return Parser(text).whole(); }

std::string json_text(const std::string& text) {
  std::string out = "\"";
  for (const char each : text) {
    if (each == '"' || each == '\\') {
      out += '\\', out += each;
    } else if (static_cast<unsigned char>(each) < 0x20) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", each);
      out += code;
    } else {
      out += each;
    }
  }
  return out + '"';
}

}  // namespace kvision
