// kvision-run: runs a bundle on pictures, and verifies it, without Python. The lines and exit codes are those of `kvision-edge`.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <iostream>
#include <limits>
#include <set>
#include <thread>

#include "bundle.h"
#include "errors.h"
#include "interpreter.h"
#include "pictures.h"
#include "postprocess.h"
#include "preprocess.h"

namespace fs = std::filesystem;
using namespace kvision;

namespace {

const char* const kUsage =
    "usage: kvision-run run BUNDLE PICTURE... [--format int8-full] [--threads N] [--out DIR]\n"
    "       kvision-run verify BUNDLE [--threads N]\n"
    "run prints one JSON object a picture, and writes masks to DIR; verify compares every file, and the networks' answers to the sample.\n";

struct Arguments {
  std::string command, format, out;
  std::vector<std::string> values;
  int threads = static_cast<int>(std::min(4u, std::max(1u, std::thread::hardware_concurrency())));
};

Arguments parsed(int count, char** values) {
  Arguments found;
  for (int i = 1; i < count; ++i) {
    const std::string each = values[i];
    if (each == "--format" || each == "--threads" || each == "--out") {
      if (++i == count) throw Error(each + " needs a value\n" + kUsage, kWrongArguments);
      if (each == "--format") found.format = values[i];
      if (each == "--out") found.out = values[i];
      if (each == "--threads") found.threads = std::atoi(values[i]);
    } else if (each.size() > 1 && each[0] == '-') {
      throw Error(each + ": no such option\n" + kUsage, kWrongArguments);
    } else {
      found.command.empty() ? void(found.command = each) : found.values.push_back(each);
    }
  }
  const bool known = (found.command == "run" && found.values.size() > 1) || (found.command == "verify" && found.values.size() == 1);
  if (!known) throw Error(kUsage, kWrongArguments);
  if (found.threads < 1) throw Error("--threads: accepted is 1 or more", kWrongArguments);
  return found;
}

std::string printed(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6f", value);
  return text;
}

/// A bundle, ready to predict.
class Model {
 public:
  Model(const Bundle& bundle, const File& file, int threads)
      : manifest_(bundle.manifest()),
        interpreter_(bundle.content(file.path, file.sha256), file.path, file.signature, threads),
        preprocess_(settings(manifest_)) {
    const int side = preprocess_.size_px();
    const auto& inputs = interpreter_.inputs();
    if (inputs.size() != 1 || inputs[0].shape != std::vector<int>{1, side, side, 3})
      throw Error(file.path + ": does not take pictures of " + std::to_string(side) + " px, of which the manifest speaks; export it again");
    if (manifest_.task != "segmentation") return;
    if (manifest_.preprocess->fit == "crop")
      throw Error("a segmentation bundle with preprocess.fit crop is run in tiles, which only kvision-edge does");
    const size_t classes = manifest_.labels.size();
    if (classes > 256 || manifest_.colours.size() != classes || chosen().shape != std::vector<int>{1, side, side, static_cast<int>(classes)})
      throw Error("the network's answer is not of the square's size, or its classes, labels and colours are of different number, or over 256; "
                  "export the bundle again");
  }

  /// The answer as the members of a JSON object; `mask` gets the classes of a segmentation.
  std::string predict(const Picture& picture, Picture& mask) {
    const Tensor& input = interpreter_.inputs()[0];
    const auto outputs = interpreter_.run({{input.name, preprocess_.normalised(preprocess_.place(picture), input)}});
    const Tensor& output = chosen();
    std::vector<float> values = real(outputs.at(output.name), output);
    return manifest_.task == "segmentation" ? segmentation(std::move(values), picture, mask) : classification(std::move(values));
  }

 private:
  static const PreprocessSettings& settings(const Manifest& manifest) {
    if (manifest.task != "segmentation" && manifest.task != "classification")
      throw Error("the bundle's task is " + manifest.task + "; this program knows segmentation and classification: use kvision-edge");
    if (!manifest.preprocess) throw Error("the bundle takes no pictures; use kvision-edge");
    return *manifest.preprocess;
  }

  std::string setting(const std::string& key, const std::string& otherwise) const {
    const Json* found = manifest_.decode.find(key);
    return found ? found->text : otherwise;
  }

  const Tensor& chosen() const {
    const auto& outputs = interpreter_.outputs();
    for (const Tensor& each : outputs)
      if (each.name == setting("output", "")) return each;
    if (outputs.size() != 1) throw Error("decode.output is '" + setting("output", "") + "', which the file does not give; export the bundle again");
    return outputs[0];
  }

  std::string segmentation(std::vector<float> values, const Picture& picture, Picture& mask) const {
    const int side = preprocess_.size_px();
    const Scores scores(side, side, static_cast<int>(manifest_.labels.size()), std::move(values));
    mask = segmented(scores, setting("activation", "softmax"), preprocess_, picture.height, picture.width);
    std::vector<size_t> counts(256);
    for (const uint8_t each : mask.values) ++counts[each];
    std::string shares;
    for (size_t k = 0; k < manifest_.labels.size(); ++k)
      if (counts[k])
        shares += (shares.empty() ? "" : ", ") + json_text(manifest_.labels[k]) + ": " + printed(static_cast<double>(counts[k]) / mask.values.size());
    return "\"task\": \"segmentation\", \"width\": " + std::to_string(mask.width) + ", \"height\": " + std::to_string(mask.height) +
           ", \"classes\": {" + shares + "}";
  }

  std::string classification(std::vector<float> values) const {
    const int classes = static_cast<int>(values.size());
    const Scores scores(1, 1, classes, std::move(values));
    const Json* count = manifest_.decode.find("top_k");
    std::string rows;
    for (const auto& [k, probability] :
         top_k(activated(scores, setting("activation", "softmax")).values, count ? static_cast<int>(count->number) : 5)) {
      const std::string label = static_cast<size_t>(k) < manifest_.labels.size() ? manifest_.labels[k] : "class " + std::to_string(k);
      rows += (rows.empty() ? "" : ", ") + ("{\"class\": " + std::to_string(k)) + ", \"label\": " + json_text(label) +
              ", \"probability\": " + printed(probability) + "}";
    }
    return "\"task\": \"classification\", \"classes\": [" + rows + "]";
  }

  const Manifest& manifest_;
  Interpreter interpreter_;
  Preprocess preprocess_;
};

void run(const Arguments& given) {
  const Bundle bundle(given.values[0]);
  Model model(bundle, bundle.choose(given.format), given.threads);
  if (!given.out.empty()) {
    if (fs::exists(given.out) && !(fs::is_directory(given.out) && fs::is_empty(given.out)))
      throw Error("--out " + given.out + ": holds files, which are not overwritten; give a new folder", kWrongArguments);
    fs::create_directories(given.out);
  }
  std::string failed;
  std::set<std::string> used;
  for (size_t i = 1; i < given.values.size(); ++i) {
    const fs::path path = given.values[i];
    try {
      const Picture picture = rgb(path);
      Picture mask;
      std::string entry = "{\"file\": " + json_text(path.string()) + ", " + model.predict(picture, mask);
      if (!given.out.empty() && !mask.values.empty()) {
        std::string name = path.stem().string() + ".mask.png";
        for (int number = 2; !used.insert(name).second; ++number) name = path.stem().string() + "-" + std::to_string(number) + ".mask.png";
        write_mask(fs::path(given.out) / name, mask, bundle.manifest().colours);
        entry += ", \"mask\": " + json_text(name);
      }
      std::cout << entry << "}" << std::endl;
    } catch (const Error& error) {
      std::cout << "{\"file\": " << json_text(path.string()) << ", \"error\": " << json_text(error.what()) << "}" << std::endl;
      failed += std::string("\n  ") + error.what();
    }
  }
  if (!failed.empty()) throw Error("some pictures failed, the others are done:" + failed);
}

/// How far a file's answers to the sample are from those that were exported, in real units.
double worst(const Bundle& bundle, const File& file, int threads) {
  Interpreter interpreter(bundle.content(file.path, file.sha256), file.path, file.signature, threads);
  const auto inputs = bundle.arrays(bundle.manifest().sample_input), expected = bundle.arrays(file.sample->outputs);
  std::map<std::string, std::string> taken;
  for (const Tensor& each : interpreter.inputs()) {
    const auto found = inputs.find(each.name);
    if (found == inputs.end() || found->second.dtype != "<f4") throw Error("the sample has no float32 " + each.name + "; export the bundle again");
    taken[each.name] = stored(real(found->second.bytes, Tensor{}), each);
  }
  const auto outputs = interpreter.run(taken);
  double largest = 0;
  for (const Tensor& each : interpreter.outputs()) {
    const auto found = expected.find(each.name);
    if (found == expected.end()) throw Error("the sample has no " + each.name + "; export the bundle again");
    const std::vector<float> ours = real(outputs.at(each.name), each), theirs = real(found->second.bytes, each);
    if (ours.size() != theirs.size()) return std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < ours.size(); ++i) {
      const double difference = std::abs(double{ours[i]} - double{theirs[i]});
      if (!(difference <= largest)) largest = difference;  // also NaN, which stays
      if (std::isnan(difference)) return difference;
    }
  }
  return largest;
}

void verify(const Arguments& given) {
  const Bundle bundle(given.values[0]);
  int wrong = 0;
  const auto look = [&](const std::string& what, const std::function<std::pair<bool, std::string>()>& check) {
    std::pair<bool, std::string> found;
    try {
      found = check();
    } catch (const std::exception& error) {  // also a loop of links
      found = {false, error.what()};
    }
    wrong += !found.first;
    std::cout << (found.first ? "ok    " : "WRONG ") << what << ": " << found.second << std::endl;
  };
  auto sums = bundle.manifest().checksums;
  for (const File& each : bundle.manifest().files) sums.emplace_back(each.path, each.sha256);
  for (const auto& [path, expected] : sums)
    look(path, [&, &path = path, &expected = expected]() -> std::pair<bool, std::string> {
      const fs::path inside = bundle.path(path);
      if (!fs::exists(inside)) return {false, "is missing; copy the whole bundle again"};
      const std::string found = digest(inside);
      if (found != expected) return {false, "is not the file that was exported (sha256 " + found.substr(0, 12) + "...); copy it again"};
      return {true, "sha256 " + found.substr(0, 12) + "..."};
    });
  for (const File& each : bundle.runnable()) {
    const std::string what = each.format + " on the sample";
    if (!each.sample || bundle.manifest().sample_input.empty()) {
      std::cout << "skip  " << what << ": the bundle has no sample for it" << std::endl;
      continue;
    }
    look(what, [&]() -> std::pair<bool, std::string> {
      const double found = worst(bundle, each, given.threads);
      char text[100];
      std::snprintf(text, sizeof text, "differs by %.3g, allowed %.3g", found, each.sample->tolerance);
      return {found <= each.sample->tolerance, text};
    });
  }
  if (wrong)
    throw Error(given.values[0] + ": " + std::to_string(wrong) + " of the checks failed; do not use this bundle on this device", kWrongBundle);
}

}  // namespace

int main(int count, char** values) {
  try {
    const Arguments given = parsed(count, values);
    given.command == "run" ? run(given) : verify(given);
    return 0;
  } catch (const Error& error) {
    std::cerr << error.what() << std::endl;
    return error.exit_code;
  } catch (const std::exception& error) {  // no memory, a folder that may not be read
    std::cerr << error.what() << std::endl;
    return 1;
  }
}
