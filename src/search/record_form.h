// What the writer and the reader of records share; search/record.h has the form.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace posthorn::search {

// Words that mails often have, by their number. Their order is part of the version.
inline constexpr std::string_view kWords[] = {
    "text",        "plain",        "html",          "7bit",        "8bit",
    "base64",      "charset",      "utf-8",         "UTF-8",       "quoted-printable",
    "us-ascii",    "US-ASCII",     "iso-8859-1",    "ISO-8859-1",  "multipart",
    "mixed",       "boundary",     "alternative",   "related",     "attachment",
    "inline",      "filename",     "name",          "format",      "flowed",
    "message",     "rfc822",       "application",   "pdf",         "octet-stream",
    "image",       "png",          "jpeg",          "gif",         "signed",
    "report",      "protocol",     "micalg",        "delsp",       "yes",
    "type",        "text/html",    "calendar",      "pgp-sha256",  "delivery-status",
    "iso-8859-15", "windows-1252", "Windows-1252",  "x-unix-mode", "size",
    "binary",      "digest",       "filename*",     "name*",       "pgp-signature",
    "zip",         "csv",          "method",        "REQUEST",     "report-type",
    "gmail.com",   "no",           "rfc822-headers"};

inline constexpr std::size_t kDepthMax = 102;     // of parts inside parts
inline constexpr std::size_t kPartsMax = 20'000;  // of a message

// What a part has, a bit each.
enum PartHas : std::uint8_t {
  kHasParameters = 1,
  kHasId = 2,
  kHasDescription = 4,
  kHasMd5 = 8,
  kHasLocation = 16,
  kHasDisposition = 32,
  kHasLanguages = 64,
  kHasChildren = 128
};

enum TextForm : std::uint8_t { kTextNone = 0, kTextBytes = 1, kTextWord = 2, kTextEarlier = 3 };

std::uint32_t record_check(std::string_view content);

}  // namespace posthorn::search
