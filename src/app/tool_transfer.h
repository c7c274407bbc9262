// `posthorn import` and `posthorn export`: mail from mbox files and maildirs into an account, and
// out again, so that anyone may leave. They work on the account themselves, as the store does, and
// so only while the server does not run: an account has one owner at a time. While it runs they
// refuse; an IMAP client does the same then.
#pragma once

#include <string>

#include "base/config.h"

namespace posthorn::app {

enum class MailFormat { mbox, maildir };

struct TransferOptions {
  MailFormat format = MailFormat::mbox;
  Path place;          // the file or folder; "-": standard input or output (mbox)
  std::string user;    // alice@example.org
  std::string folder;  // empty: INBOX; export: every folder, where place is a folder
};

// Exit status: 0; 75 while the server runs; 1, and what was done until then is kept.
int import_mail(const config::Config& config, const TransferOptions& options);
int export_mail(const config::Config& config, const TransferOptions& options);

}  // namespace posthorn::app
