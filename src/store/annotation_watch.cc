#include "store/annotation_watch.h"

#include <algorithm>

namespace posthorn::store {
namespace {

// Of a mailbox. A client that asks so seldom has no use for all the names.
constexpr std::size_t kNamesMax = kAnnotationsMax;
constexpr std::size_t kMailboxesMax = 1000;

}  // namespace

AnnotationWatch::AnnotationWatch(AccountPtr account) : account_(std::move(account)) {
  account_->annotation_watches_.push_back(this);
}

AnnotationWatch::~AnnotationWatch() {
  std::erase(account_->annotation_watches_, this);
}

void AnnotationWatch::add(const std::string& mailbox,
                          const std::vector<AnnotationChange>& changes) {
  if (names_.size() == kMailboxesMax && !names_.contains(mailbox)) return;
  std::set<std::string>& names = names_[mailbox];
  for (const AnnotationChange& change : changes)
    if (names.size() < kNamesMax) names.insert(change.name);
}

}  // namespace posthorn::store
