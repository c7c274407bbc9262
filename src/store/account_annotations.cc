// What is asked of an account's mailboxes beside their messages: ids, special uses, annotations.
#include "store/account_work.h"
#include "store/annotation_watch.h"
#include "store/mailbox_name.h"

namespace posthorn::store {

net::Task<bool> Account::has_mailbox(std::string mailbox) {
  const auto name = check_mailbox_name(mailbox);
  if (!name) co_return false;
  co_return co_await locked<bool>(
      [&, this](Changes&) -> Result<bool> { return engine_->has_mailbox(*name); });
}

net::Task<std::optional<std::string>> Account::mailbox_id(std::string mailbox) {
  co_return co_await locked<std::optional<std::string>>(
      [&, this](Changes& changes) { return engine_->mailbox_id(mailbox, changes); });
}

net::Task<std::optional<std::string>> Account::find_by_id(std::string id) {
  co_return co_await locked<std::optional<std::string>>(
      [&, this](Changes& changes) { return engine_->find_by_id(id, changes); });
}

net::Task<std::optional<std::string>> Account::find_by_use(SpecialUse use) {
  co_return co_await locked<std::optional<std::string>>(
      [&, this](Changes&) { return engine_->find_by_use(use); });
}

net::Task<std::optional<SpecialUse>> Account::special_use(std::string mailbox) {
  const auto name = check_mailbox_name(mailbox);
  if (!name) co_return std::nullopt;
  co_return co_await locked<std::optional<SpecialUse>>(
      [&, this](Changes&) { return engine_->special_use(*name); });
}

net::Task<std::optional<std::string>> Account::annotation(std::string mailbox, std::string entry) {
  const auto name = check_annotation_name(entry);
  if (!name) co_return std::nullopt;
  CO_TRY(const auto all, co_await annotations(std::move(mailbox)));
  if (!all || !all->contains(*name)) co_return std::nullopt;
  co_return all->at(*name);
}

net::Task<std::optional<Annotations>> Account::annotations(std::string mailbox) {
  const auto name = mailbox.empty() ? std::optional(std::string()) : check_mailbox_name(mailbox);
  if (!name) co_return std::nullopt;
  co_return co_await locked<std::optional<Annotations>>(
      [&, this](Changes& changes) { return engine_->annotations(*name, changes); });
}

net::Task<AnnotationResult> Account::annotate(std::string mailbox,
                                              std::vector<AnnotationChange> wanted,
                                              const AnnotationWatch* by) {
  const auto name = mailbox.empty() ? std::optional(std::string()) : check_mailbox_name(mailbox);
  if (!name) co_return AnnotationResult::not_found;
  CO_TRY(const auto result, co_await locked<AnnotationResult>([&, this](Changes& changes) {
           return engine_->annotate(*name, wanted, changes);
         }));
  if (result == AnnotationResult::done)
    for (AnnotationWatch* const watch : annotation_watches_)
      if (watch != by) watch->add(*name, wanted);
  co_return result;
}

}  // namespace posthorn::store
