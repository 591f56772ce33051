#include "pictures.h"

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

// jpeglib.h needs cstdio before it.
#include <jpeglib.h>
#include <jerror.h>
#include <png.h>

#include "bundle.h"
#include "errors.h"

namespace kvision {
namespace {

constexpr uint64_t kMostPixels = 178956970;  // refused before decoding: a small file can unpack into any amount of memory

void check_size(uint64_t width, uint64_t height) {
  if (width * height == 0 || width * height > kMostPixels)
    throw Error("is far too large (" + std::to_string(width) + "x" + std::to_string(height) + " pixels); shrink or cut it first");
}

/// Orientation 1-8 of an EXIF block, which is a small TIFF file; 1 where there is none.
int orientation(const std::string& exif) {
  const bool big = exif.compare(0, 2, "MM") == 0;
  const auto number = [&](size_t at, int size) {
    uint32_t value = 0;
    for (int i = 0; i < size; ++i)
      value |= uint32_t{at + i < exif.size() ? static_cast<uint8_t>(exif[at + i]) : uint8_t{0}} << 8 * (big ? size - 1 - i : i);
    return value;
  };
  if (!big && exif.compare(0, 2, "II") != 0) return 1;
  const size_t directory = number(4, 4);
  for (uint32_t entry = 0; entry < number(directory, 2); ++entry) {
    const size_t at = directory + 2 + 12 * size_t{entry};
    if (number(at, 2) != 0x0112) continue;
    const uint32_t found = number(at + 8, 2);
    return found >= 1 && found <= 8 ? static_cast<int>(found) : 1;
  }
  return 1;
}

Picture upright(const Picture& picture, int orientation) {
  if (orientation == 1) return picture;
  const bool turned = orientation >= 5;
  Picture found(turned ? picture.width : picture.height, turned ? picture.height : picture.width, picture.channels);
  for (int y = 0; y < found.height; ++y)
    for (int x = 0; x < found.width; ++x) {
      int row = turned ? x : y, column = turned ? y : x;
      if (orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8)
        turned ? column = picture.width - 1 - column : row = picture.height - 1 - row;
      if (orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7)
        turned ? row = picture.height - 1 - row : column = picture.width - 1 - column;
      std::memcpy(found.at(y, x), picture.at(row, column), 3);
    }
  return found;
}

struct JpegErrors : jpeg_error_mgr {
  jmp_buf back;
};

[[noreturn]] void jpeg_failed(j_common_ptr reader) { std::longjmp(static_cast<JpegErrors*>(reader->err)->back, 1); }

void jpeg_warned(j_common_ptr reader, int level) {
  if (level < 0 && reader->err->msg_code == JWRN_JPEG_EOF) jpeg_failed(reader);  // cut short
}

/// Between setjmp and its end there are no objects with destructors: longjmp would leave them.
bool read_jpeg(const std::string& content, jpeg_decompress_struct& reader, JpegErrors& errors, Picture& picture, std::string& exif) {
  reader.err = jpeg_std_error(&errors);
  errors.error_exit = jpeg_failed;
  errors.emit_message = jpeg_warned;
  if (setjmp(errors.back)) return false;
  jpeg_create_decompress(&reader);
  jpeg_mem_src(&reader, reinterpret_cast<const unsigned char*>(content.data()), content.size());
  jpeg_save_markers(&reader, JPEG_APP0 + 1, 0xFFFF);
  jpeg_read_header(&reader, TRUE);
  for (auto* each = reader.marker_list; each && exif.empty(); each = each->next)
    if (each->data_length > 6 && std::memcmp(each->data, "Exif\0\0", 6) == 0)
      exif.assign(reinterpret_cast<char*>(each->data) + 6, each->data_length - 6);
  if (reader.num_components == 4 || uint64_t{reader.image_width} * reader.image_height > kMostPixels) return true;
  reader.out_color_space = JCS_RGB;
  jpeg_start_decompress(&reader);
  picture = Picture(static_cast<int>(reader.output_height), static_cast<int>(reader.output_width), 3);
  while (reader.output_scanline < reader.output_height) {
    JSAMPROW row = picture.at(static_cast<int>(reader.output_scanline), 0);
    jpeg_read_scanlines(&reader, &row, 1);
  }
  jpeg_finish_decompress(&reader);
  return true;
}

Picture jpeg(const std::string& content) {
  jpeg_decompress_struct reader{};
  JpegErrors errors{};
  Picture picture;
  std::string exif;
  const bool ok = read_jpeg(content, reader, errors, picture, exif);
  char message[JMSG_LENGTH_MAX] = "";
  if (!ok) errors.format_message(reinterpret_cast<j_common_ptr>(&reader), message);
  const int components = reader.num_components;
  const uint64_t width = reader.image_width, height = reader.image_height;
  jpeg_destroy_decompress(&reader);
  if (!ok) throw Error(std::string("can't be read (") + message + ")");
  check_size(width, height);
  if (components == 4) throw Error("is a JPEG of four colours (CMYK); convert it to RGB, or use kvision-edge");
  return upright(picture, orientation(exif));
}

struct PngSource {
  const std::string& content;
  size_t at;
};

void png_take(png_structp reader, png_bytep to, size_t size) {
  auto* source = static_cast<PngSource*>(png_get_io_ptr(reader));
  if (size > source->content.size() - source->at) png_error(reader, "cut short");
  std::memcpy(to, source->content.data() + source->at, size);
  source->at += size;
}

void png_failed(png_structp reader, png_const_charp message) {
  std::snprintf(static_cast<char*>(png_get_error_ptr(reader)), 200, "%s", message);
  std::longjmp(png_jmpbuf(reader), 1);
}

/// As `read_jpeg`.
bool read_png(png_structp reader, png_infop info, PngSource& source, Picture& picture, std::vector<png_bytep>& rows, std::string& exif) {
  if (setjmp(png_jmpbuf(reader))) return false;
  png_set_read_fn(reader, &source, png_take);
  png_set_user_limits(reader, 1 << 20, 1 << 20);
  png_read_info(reader, info);
  if (uint64_t{png_get_image_width(reader, info)} * png_get_image_height(reader, info) > kMostPixels) return true;
#ifdef PNG_eXIf_SUPPORTED
  png_uint_32 size = 0;
  png_bytep block = nullptr;
  if (png_get_eXIf_1(reader, info, &size, &block)) exif.assign(reinterpret_cast<char*>(block), size);
#endif
  png_set_palette_to_rgb(reader);
  png_set_expand_gray_1_2_4_to_8(reader);
  png_set_strip_16(reader);
  png_set_strip_alpha(reader);
  png_set_gray_to_rgb(reader);
  png_set_interlace_handling(reader);
  png_read_update_info(reader, info);
  picture = Picture(static_cast<int>(png_get_image_height(reader, info)), static_cast<int>(png_get_image_width(reader, info)), 3);
  for (int y = 0; y < picture.height; ++y) rows.push_back(picture.at(y, 0));
  png_read_image(reader, rows.data());
  return true;
}

Picture png(const std::string& content) {
  char message[200] = "";
  png_structp reader = png_create_read_struct(PNG_LIBPNG_VER_STRING, message, png_failed, [](png_structp, png_const_charp) {});
  png_infop info = png_create_info_struct(reader);
  PngSource source{content, 0};
  Picture picture;
  std::vector<png_bytep> rows;
  std::string exif;
  const bool ok = read_png(reader, info, source, picture, rows, exif);
  const uint64_t width = png_get_image_width(reader, info), height = png_get_image_height(reader, info);
  png_destroy_read_struct(&reader, &info, nullptr);
  if (!ok) throw Error(std::string("can't be read (") + message + ")");
  check_size(width, height);
  return upright(picture, orientation(exif));
}

}  // namespace

Picture rgb(const std::filesystem::path& path) {
  const std::string content = read_file(path);
  try {
    if (content.compare(0, 3, "\xFF\xD8\xFF") == 0) return jpeg(content);
    if (content.compare(0, 8, "\x89PNG\r\n\x1A\n") == 0) return png(content);
    throw Error("is not a picture that can be read; use JPEG or PNG");
  } catch (const Error& error) {
    throw Error(path.string() + ": " + error.what());
  }
}

void write_mask(const std::filesystem::path& path, const Picture& classes, const std::vector<std::array<uint8_t, 3>>& colours) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(classes.width);
  image.height = static_cast<png_uint_32>(classes.height);
  image.format = PNG_FORMAT_RGB_COLORMAP;
  image.colormap_entries = static_cast<png_uint_32>(colours.size());
  if (!png_image_write_to_file(&image, path.c_str(), 0, classes.values.data(), 0, colours.data()))
    throw Error(path.string() + ": can't be written (" + image.message + ")");
}

}  // namespace kvision
