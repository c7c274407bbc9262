// `posthorn import` and `posthorn export`: mail from mbox files and maildirs into an account, and
// out again, so that anyone may leave. An account has one owner at a time: while the server runs
// its store does it for them, and sessions see the mail come; else they are the store themselves.
// Nothing is half-made: an import shows when all of it is on disk, an export when it is whole.
#pragma once

#include <string>

#include "config/config.h"

namespace posthorn::tools {

enum class MailFormat { mbox, maildir };

struct TransferOptions {
  MailFormat format = MailFormat::mbox;
  Path place;          // the file or folder; "-": standard input or output (mbox)
  std::string user;    // alice@example.org
  std::string folder;  // empty: INBOX; export: every folder, where place is a folder
};

// Exit status: 0; 75: nothing was done, try again later; 1.
int import_mail(const config::Config& config, const TransferOptions& options);
int export_mail(const config::Config& config, const TransferOptions& options);

}  // namespace posthorn::tools
