// Any bytes as a mailbox name: one that passes stays inside the account's folder and comes back
// from its folder.
#include "store/mailbox_name.h"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn::store;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto name = check_mailbox_name(text)) {
    const std::string folder = folder_of(*name);
    if (*name == "INBOX") {
      if (!folder.empty()) std::abort();
    } else if (folder.size() < 2 || folder.size() > kFolderNameMax || folder.starts_with("..") ||
               folder.find('/') != std::string::npos || folder.find('\0') != std::string::npos ||
               name_of_folder(folder) != *name) {
      std::abort();
    }
  }
  return 0;
}
