// Names of mailboxes. In the interface they are UTF-8 with '.' between levels (Dovecot's separator
// for Maildir++), "INBOX" in capitals; on disk ".Work.2026" in modified UTF-7 (RFC 3501
// section 5.1.3). Nothing that could leave the account's folder passes: no '/', NUL, control
// character, empty level, leading or trailing separator, invalid UTF-8.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"

namespace posthorn::store {

inline constexpr char kSeparator = '.';
inline constexpr std::size_t kFolderNameMax = 255;  // bytes on disk, the leading '.' included
inline constexpr std::size_t kDepthMax = 20;
// Its folder would be .dovecot.sieve, which is the link to the active Sieve script
// (scripts/script_folder.h): neither it nor one below it can be made, and none is shown.
inline constexpr std::string_view kNoMailbox = "dovecot.sieve";

// The canonical name (INBOX in capitals, also as the first level's whole name), nullopt: no mailbox
// may be named so.
std::optional<std::string> check_mailbox_name(std::string_view utf8);
// A checked name's folder: "" for INBOX, ".Work.2026" else.
std::string folder_of(std::string_view checked_name);
// A folder's name back, nullopt if it is not a mailbox's (".", "..", no dot, names that do not
// convert back).
std::optional<std::string> name_of_folder(std::string_view folder);

// The name that a client sees for a folder whose own is none (UTF-8 or Latin-1 on disk, invalid
// UTF-7, an empty level, ".inbox"): one near to it that is_taken does not know. nullopt: the folder
// cannot be a mailbox (no dot in front, or our own).
std::optional<std::string> readable_name(std::string_view folder,
                                         const std::function<bool(std::string_view)>& is_taken);
// What a Sieve script or a client of another server calls a mailbox: '/' between levels, "INBOX" in
// front of them. nullopt: no mailbox can be called so.
std::optional<std::string> mailbox_name_from(std::string_view foreign);

// Folders whose mailboxes have another name than their own says: name -> folder. In the account's
// file posthorn-folders, "<folder>\t<name>" a line, % and controls as %xx; synced before one of the
// names is told, so that a name stays when the folders change.
using OddFolders = std::map<std::string, std::string, std::less<>>;
inline constexpr std::string_view kOddFoldersFile = "posthorn-folders";
OddFolders parse_odd_folders(std::string_view text);
std::string format_odd_folders(const OddFolders& folders);

// The level above, "" if there is none.
std::string_view parent_of(std::string_view name);
// Is name below the other ("Work.2026" below "Work")?
bool is_below(std::string_view name, std::string_view above);

}  // namespace posthorn::store
