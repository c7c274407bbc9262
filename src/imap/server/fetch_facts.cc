#include "imap/server/fetch_facts.h"

#include "message/headers.h"
#include "store/message_text.h"

namespace posthorn::imap {
namespace {

constexpr std::size_t kSmall = 65'536;  // a message that is read whole, with its neighbours

}  // namespace

Result<Loaded> load_message(const store::OpenMessage& opened, Wanted wanted) {
  Loaded loaded;
  const bool is_small = opened.wire_size <= kSmall;
  if (wanted.record || (wanted.text && is_small)) {
    TRY(std::string text, store::read_text(opened));
    if (wanted.record) loaded.record = search::make_record(text);
    if (wanted.header || wanted.header_record)
      loaded.header =
          text.substr(0, message::find_header_end(text, message::Input::whole)->body_begin);
    if (is_small) loaded.text = std::move(text);
  } else if (wanted.header || wanted.header_record) {
    TRY(loaded.header, store::read_header(opened));
  }
  if (wanted.header_record) loaded.record = search::make_header_record(loaded.header);
  return loaded;
}

FetchFacts::Known::Known(std::string bytes, search::Half half) : record(std::move(bytes)) {
  facts = search::read_record(record, half).value_or(search::Facts());
}

net::Task<> FetchFacts::load(const std::vector<store::Uid>& uids) {
  known_.clear();
  if (!half_) co_return Result<>{};
  CO_TRY(auto records, co_await mailbox_.load_records(uids));
  for (store::MessageRecord& record : records)
    known_.try_emplace(record.uid, std::move(record.bytes), *half_);
  co_return Result<>{};
}

const search::Facts& FetchFacts::of(store::Uid uid) const {
  static const search::Facts kNone;
  const auto at = known_.find(uid);
  return at == known_.end() ? kNone : at->second.facts;
}

Wanted FetchFacts::lacking(store::Uid uid) const {
  if (!half_) return {};
  const search::Facts& facts = of(uid);
  const bool record = *half_ != search::Half::header && !facts.structure;
  const bool header = *half_ != search::Half::structure && !facts.header;
  // An envelope can be made of the header alone.
  return {.record = record, .header_record = header && !record};
}

net::Awaitable<void> FetchFacts::keep(const std::vector<store::Uid>& uids,
                                      std::vector<Loaded>& loaded) {
  std::vector<store::MessageRecord> made;
  for (std::size_t i = 0; i < uids.size(); ++i) {
    if (loaded[i].record.empty()) continue;
    made.push_back({uids[i], loaded[i].record});
    known_.erase(uids[i]);
    known_.try_emplace(uids[i], std::move(loaded[i].record), *half_);
  }
  // Without room for it (a full disk) the next client reads the file once more.
  if (!made.empty()) (void)co_await mailbox_.keep_records(std::move(made));
}

}  // namespace posthorn::imap
