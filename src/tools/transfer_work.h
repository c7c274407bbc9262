// The work of `posthorn import` and `posthorn export`: mbox files and maildirs on one side, a
// TransferDesk on the other, wherever that desk is.
#pragma once

#include <functional>
#include <string>

#include "base/file.h"
#include "store/transfer_desk.h"

namespace posthorn::tools {

// Asks the account's desk; what it refuses is an Error.
class Desk {
 public:
  using Ask = std::function<net::Task<net::Message>(net::Message request)>;
  explicit Desk(Ask ask) : ask_(std::move(ask)) {}
  net::Task<net::Message> operator()(net::Message request) const;

 private:
  Ask ask_;
};

// Each gives the number of messages.
net::Task<std::size_t> import_mbox(Desk desk, const File& input, std::string folder);
net::Task<std::size_t> import_maildir(Desk desk, Path maildir, std::string folder);
// The same, and says which folders it left.
net::Task<std::size_t> export_one_mbox(Desk desk, const File& output, std::string folder);
net::Task<std::size_t> export_mbox(Desk desk, const File& output, std::string folder);
net::Task<std::size_t> export_mboxes(Desk desk, Path place);  // a file a folder
// account: where the files lie, for they are copied as they are; place: an empty folder.
net::Task<std::size_t> export_maildir(Desk desk, Path account, Path place);

}  // namespace posthorn::tools
