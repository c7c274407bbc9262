// AnnotationWatch: a session that wants to know of annotations which others change (RFC 5464
// section 4.4.2). It keeps the names that were not told yet, bounded. On the role's thread.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "store/account.h"

namespace posthorn::store {

class AnnotationWatch {
 public:
  explicit AnnotationWatch(AccountPtr account);
  ~AnnotationWatch();
  AnnotationWatch(const AnnotationWatch&) = delete;
  AnnotationWatch& operator=(const AnnotationWatch&) = delete;

  // The names of the entries that were changed, by mailbox; "" is the account.
  using Names = std::map<std::string, std::set<std::string>>;
  Names take() { return std::exchange(names_, {}); }

 private:
  friend class Account;
  void add(const std::string& mailbox, const std::vector<AnnotationChange>& changes);

  AccountPtr account_;
  Names names_;
};
using AnnotationWatchPtr = std::unique_ptr<AnnotationWatch>;

}  // namespace posthorn::store
