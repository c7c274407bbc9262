// Annotations of a mailbox, or of the account: names with a value each (RFC 5464). They are no
// cache: the file posthorn-annotations in the mailbox's folder is all there is of them, so they
// move with a RENAME and go with a DELETE; those of the account itself lie in posthorn-account
// beside INBOX. The special use that a user gave a mailbox is one of them (RFC 6154 section 4).
//
//   /private/comment<tab>My own\r\nwords    a line an entry, sorted; \\ \t \r \n \0 written so
//
//   a crash                        leaves
//   while it is written            the old file or the new one, whole (base/file.h, replace_file)
//   while a mailbox is made        its annotations are there before cur/ makes it one
//
// Lines that make no sense are passed over. Sans-I/O: texts in, values out.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/types.h"

namespace posthorn::store {

inline constexpr std::string_view kAnnotationsFile = "posthorn-annotations";
inline constexpr std::string_view kAccountAnnotationsFile = "posthorn-account";
inline constexpr std::string_view kSpecialUseEntry = "/private/specialuse";

// RFC 5464 section 4.1 asks for 10 entries of 1024 bytes at least. A file is written as a whole, so
// it has a bound as well, and all of an account's have one. None of it counts for a quota.
inline constexpr std::size_t kAnnotationNameMax = 255;
inline constexpr std::size_t kAnnotationValueMax = 65'536;
inline constexpr std::size_t kAnnotationsMax = 1000;              // of a mailbox, of the account
inline constexpr std::size_t kAnnotationBytesMax = 1U << 20U;     // the same: names and values
inline constexpr std::uint64_t kAnnotationFilesMax = 16U << 20U;  // all files of an account

using Annotations = std::map<std::string, std::string, std::less<>>;

// RFC 5464 section 3.2: the name in small letters, for case does not count; nullopt: no entry can
// be called so. "/shared" and "/private" are names too: what is below them can be asked for.
std::optional<std::string> check_annotation_name(std::string_view name);
// Two components at least, and four below vendor.
bool may_have_value(std::string_view checked_name);

Annotations parse_annotations(std::string_view text);
std::string format_annotations(const Annotations& annotations);

// nullopt: it is none of those that a mailbox can have; none for "".
std::optional<SpecialUse> parse_special_use(std::string_view text);  // "\\Junk", in any case
// What the entry kSpecialUseEntry says; nullopt: there is none.
std::optional<SpecialUse> special_use_in(const Annotations& annotations);

// What is to become of an entry; nullopt: it goes.
struct AnnotationChange {
  std::string name;  // checked
  std::optional<std::string> value;
};

enum class AnnotationResult : std::uint8_t {
  done,
  not_found,  // [NONEXISTENT]: there is no such mailbox
  too_long,   // [METADATA MAXSIZE]: a value
  too_many,   // [METADATA TOOMANY]: one of the other limits
  bad_name,   // an entry of this name has no value
  bad_use,    // [USEATTR]: no special use that a mailbox can have, or another mailbox has it
};

// done, or what it fails with: then nothing is to be changed.
AnnotationResult apply(const std::vector<AnnotationChange>& changes, Annotations& annotations);

}  // namespace posthorn::store
