// A bundle on disk: its manifest read, its paths kept inside it, its model files compared with their sha256 before anything uses them.
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "json.h"

namespace kvision {

struct Sample {
  std::string outputs;
  double tolerance;  // in real units
};

/// One model file; of its signatures the first is the one to run.
struct File {
  std::string path, format, sha256, signature;
  std::optional<Sample> sample;
};

struct PreprocessSettings {
  int size_px;
  std::string fit;
  std::array<double, 3> mean, std;
};

struct Manifest {
  std::string name, task, sample_input;
  std::vector<File> files;
  std::optional<PreprocessSettings> preprocess;
  std::vector<std::string> labels;
  std::vector<std::array<uint8_t, 3>> colours;
  Json decode;
  std::vector<std::pair<std::string, std::string>> checksums;
};

/// An array of an .npz file.
struct Array {
  std::string dtype;  // as numpy writes it: "<f4", "|i1" ...
  std::string bytes;
};

class Bundle {
 public:
  /// `folder`: the bundle's folder; Error if it is no bundle, or of another version.
  explicit Bundle(const std::filesystem::path& folder);

  const Manifest& manifest() const { return manifest_; }
  /// The LiteRT files, the best choice first.
  std::vector<File> runnable() const;
  /// The file of a format such as `tflite-int8-full` or `int8-full`; "": the first.
  File choose(const std::string& format) const;
  /// A path of the manifest; Error if it leads out of the bundle, also by a link.
  std::filesystem::path path(const std::string& relative) const;
  /// The bytes of a file; Error if they are not the ones that were exported.
  std::string content(const std::string& relative, const std::string& sha256) const;
  /// The arrays of an .npz file, which numpy.savez wrote.
  std::map<std::string, Array> arrays(const std::string& relative) const;

 private:
  std::filesystem::path folder_;
  Manifest manifest_;
};

std::string read_file(const std::filesystem::path& path);
/// sha256 of a file; of a folder, of the lines `<sha256>  <path>` of its files, sorted by path.
std::string digest(const std::filesystem::path& path);

}  // namespace kvision
