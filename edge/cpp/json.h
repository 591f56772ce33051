// JSON as manifest.json has it; objects keep the order of their keys, of which the first signature of a file is the one to run.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace kvision {

struct Json {
  enum class Kind { null, boolean, number, text, list, object };
  Kind kind = Kind::null;
  double number = 0;  // of a boolean 0 or 1
  std::string text;
  std::vector<Json> items;                            // of a list
  std::vector<std::pair<std::string, Json>> members;  // of an object

  /// The member of this name, or null.
  const Json* find(const std::string& name) const;
  /// The member of this name and kind; Error otherwise.
  const Json& get(const std::string& name, Kind wanted) const;
  double get_number(const std::string& name) const { return get(name, Kind::number).number; }
  const std::string& get_text(const std::string& name) const { return get(name, Kind::text).text; }
  const std::vector<Json>& get_list(const std::string& name) const { return get(name, Kind::list).items; }
};

/// Parses a whole text; Error that says where it is damaged.
Json parse_json(const std::string& text);
/// A string with its quotes.
std::string json_text(const std::string& text);

}  // namespace kvision
