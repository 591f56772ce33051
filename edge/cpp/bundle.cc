#include "bundle.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

#include "errors.h"
#include "sha256.h"

namespace kvision {
namespace fs = std::filesystem;
namespace {

constexpr int kSchema = 1;
const std::string kSuffix = ".tflite";

std::array<double, 3> three(const std::vector<Json>& list) {
  if (list.size() != 3) throw Error("mean, std or a colour has " + std::to_string(list.size()) + " values, expected 3");
  return {list[0].number, list[1].number, list[2].number};
}

File file(const Json& json) {
  File found{json.get_text("path"), json.get_text("format"), json.get_text("sha256"), "", std::nullopt};
  const auto& signatures = json.get("signatures", Json::Kind::object).members;
  if (!signatures.empty()) found.signature = signatures.front().first;
  const Json* sample = json.find("sample");
  if (sample && sample->kind == Json::Kind::object) found.sample = Sample{sample->get_text("outputs"), sample->get_number("tolerance")};
  return found;
}

Manifest manifest(const Json& json) {
  const Json* schema = json.find("schema");
  if (!schema || schema->number != kSchema)
    throw Error("has another schema, this program reads " + std::to_string(kSchema) + "; build the newer one");
  Manifest found;
  found.name = json.get_text("name");
  found.task = json.get_text("task");
  if (const Json* input = json.find("sample_input")) found.sample_input = input->text;
  for (const Json& each : json.get_list("files")) found.files.push_back(file(each));
  if (const Json* p = json.find("preprocess"); p && p->kind == Json::Kind::object)
    found.preprocess =
        PreprocessSettings{static_cast<int>(p->get_number("size_px")), p->get_text("fit"), three(p->get_list("mean")), three(p->get_list("std"))};
  for (const Json& each : json.get_list("labels")) found.labels.push_back(each.text);
  for (const Json& each : json.get_list("colours")) {
    const auto rgb = three(each.items);
    found.colours.push_back({static_cast<uint8_t>(rgb[0]), static_cast<uint8_t>(rgb[1]), static_cast<uint8_t>(rgb[2])});
  }
  found.decode = json.get("decode", Json::Kind::object);
  if (const Json* sums = json.find("checksums"))
    for (const auto& [name, sum] : sums->members) found.checksums.emplace_back(name, sum.text);
  return found;
}

template <typename T>
T little(const std::string& bytes, size_t at) {
  T value;
  if (at > bytes.size() || bytes.size() - at < sizeof value) throw Error("is cut short");
  std::memcpy(&value, bytes.data() + at, sizeof value);  // this program runs on little-endian processors
  return value;
}

/// What follows `'key': ` in the header of an .npy file, up to the `end`.
std::string header_value(const std::string& header, const std::string& key, char end) {
  const size_t start = header.find("'" + key + "': ");
  if (start == std::string::npos) throw Error("has an array without " + key);
  const size_t from = start + key.size() + 4;
  return header.substr(from, header.find(end, from + 1) - from);
}

Array npy(const std::string& bytes) {
  if (bytes.compare(0, 6, "\x93NUMPY") != 0 || bytes.size() < 10) throw Error("holds something other than arrays");
  const size_t start = bytes[6] == 1 ? 10 : 12;
  const size_t length = start == 10 ? little<uint16_t>(bytes, 8) : little<uint32_t>(bytes, 8);
  if (length > bytes.size() - start) throw Error("is cut short");
  const std::string header = bytes.substr(start, length);
  if (header_value(header, "fortran_order", ',') != "False") throw Error("holds an array in Fortran's order");
  return {header_value(header, "descr", '\'').substr(1), bytes.substr(start + length)};
}

/// The stored (not compressed) members of a zip file, found by its central directory.
std::map<std::string, Array> npz(const std::string& zip) {
  std::map<std::string, Array> found;
  const size_t end = zip.rfind("PK\x05\x06");
  if (end == std::string::npos) throw Error("is no .npz file");
  size_t at = little<uint32_t>(zip, end + 16);
  for (int left = little<uint16_t>(zip, end + 10); left > 0; --left) {
    const size_t size = little<uint32_t>(zip, at + 24), name_size = little<uint16_t>(zip, at + 28), local = little<uint32_t>(zip, at + 42);
    if (little<uint32_t>(zip, at) != 0x02014b50 || little<uint16_t>(zip, at + 10) != 0) throw Error("holds something other than stored arrays");
    std::string name = zip.substr(at + 46, name_size);
    const size_t data = local + 30 + little<uint16_t>(zip, local + 26) + little<uint16_t>(zip, local + 28);
    if (data > zip.size() || size > zip.size() - data) throw Error("is cut short");
    found[name.substr(0, name.rfind(".npy"))] = npy(zip.substr(data, size));
    at += 46 + name_size + little<uint16_t>(zip, at + 30) + little<uint16_t>(zip, at + 32);
  }
  return found;
}

}  // namespace

std::string read_file(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(stream), {}};
  if (!stream) throw Error(path.string() + ": can't be read (" + std::strerror(errno) + ")");
  return content;
}

std::string digest(const fs::path& path) {
  if (!fs::is_directory(path)) return sha256(read_file(path));
  std::vector<fs::path> files;
  for (const auto& each : fs::recursive_directory_iterator(path))
    if (each.is_regular_file()) files.push_back(each.path());
  std::sort(files.begin(), files.end());
  std::string lines;
  for (const auto& each : files) lines += digest(each) + "  " + each.lexically_relative(path).generic_string() + "\n";
  return sha256(lines);
}

Bundle::Bundle(const fs::path& folder) : folder_(folder) {
  const fs::path path = folder / "manifest.json";
  const std::string text = read_file(path);
  try {
    manifest_ = kvision::manifest(parse_json(text));
  } catch (const Error& error) {
    throw Error(path.string() + ": " + error.what() + "; copy or export the bundle again");
  }
}

std::vector<File> Bundle::runnable() const {
  std::vector<File> found;
  for (const File& each : manifest_.files)
    if (fs::path(each.path).extension() == kSuffix) found.push_back(each);
  return found;
}

File Bundle::choose(const std::string& format) const {
  std::string names;
  for (const File& each : runnable()) {
    if (format.empty() || format == each.format || "tflite-" + format == each.format) return each;
    names += (names.empty() ? "" : ", ") + each.format;
  }
  throw Error(folder_.string() + ": has no " + (format.empty() ? "LiteRT file" : format) + "; it holds " + (names.empty() ? "none" : names));
}

fs::path Bundle::path(const std::string& relative) const {
  const fs::path root = fs::weakly_canonical(folder_), found = fs::weakly_canonical(root / relative);
  const std::string inside = found.lexically_relative(root).generic_string();
  if (inside.empty() || inside == "." || inside == ".." || inside.compare(0, 3, "../") == 0)
    throw Error(folder_.string() + ": the manifest names '" + relative + "', which is not in the bundle; do not use this bundle");
  return found;
}

std::string Bundle::content(const std::string& relative, const std::string& expected) const {
  const fs::path found = path(relative);
  std::string bytes = read_file(found);
  const std::string sum = sha256(bytes);
  if (sum != expected)
    throw Error(found.string() + ": is not the file that was exported (sha256 " + sum.substr(0, 12) + "..., expected " + expected.substr(0, 12) +
                "...); copy it again");
  return bytes;
}

std::map<std::string, Array> Bundle::arrays(const std::string& relative) const {
  const fs::path found = path(relative);
  try {
    return npz(read_file(found));
  } catch (const Error& error) {
    throw Error(found.string() + ": " + error.what() + "; copy the whole bundle again");
  }
}

}  // namespace kvision
