#include "store/delivery.h"

#include "store/account.h"
#include "store/sharing.h"

namespace posthorn::store {
namespace {

constexpr std::size_t kPieceMax = 128U << 10U;

}  // namespace

Delivery::Delivery(std::shared_ptr<Account> account, Path staged, std::string base)
    : account_(std::move(account)), staged_(std::move(staged)), base_(std::move(base)) {}

Delivery::~Delivery() {
  abort();
}

void Delivery::abort() {
  // A name that was never made is not looked for; removing one is short enough for the role's
  // thread.
  file_.close();
  if (is_made_ && !staged_.empty()) (void)account_->disk().remove(staged_);
  staged_.clear();
}

Result<> Delivery::write_out() {
  if (!file_.is_open()) {
    TRY(file_, account_->disk().open(staged_, OpenMode::create));
    is_made_ = true;
    if (account_->settings().unix_users) TRY_OK(share_file(file_));
  }
  TRY_OK(account_->disk().write(file_, buffer_));
  buffer_.clear();
  return {};
}

net::Task<> Delivery::flush() {
  co_return co_await account_->pool().run([this] { return write_out(); });
}

net::Task<> Delivery::write(std::string_view wire_bytes) {
  if (staged_.empty() || is_settled_)
    co_return fail(ErrorKind::permanent, "the delivery has ended");
  while (!wire_bytes.empty()) {
    const std::string_view piece = wire_bytes.substr(0, kPieceMax);
    wire_bytes.remove_prefix(piece.size());
    converter_.feed(piece, buffer_);
    if (buffer_.size() >= kPieceMax) CO_TRY_OK(co_await flush());
  }
  co_return Result<>{};
}

net::Task<> Delivery::settle(std::optional<WallTime> date) {
  if (staged_.empty() || is_settled_)
    co_return fail(ErrorKind::permanent, "the delivery has ended");
  converter_.finish(buffer_);
  CO_TRY_OK(co_await account_->pool().run([this, date]() -> Result<> {
    TRY_OK(write_out());
    if (date) TRY_OK(account_->disk().set_modified(staged_, *date));
    return account_->disk().sync(file_);
  }));
  file_.close();
  buffer_.shrink_to_fit();
  is_settled_ = true;
  co_return Result<>{};
}

net::Task<Delivery::Staged> Delivery::reread() {
  if (staged_.empty()) co_return fail(ErrorKind::permanent, "the delivery has ended");
  CO_TRY_OK(co_await flush());
  CO_TRY(File file, co_await account_->pool().run(
                        [this] { return account_->disk().open(staged_, OpenMode::read); }));
  co_return Staged{std::move(file), size(), wire_size()};
}

net::Task<std::vector<Placed>> Delivery::commit(std::vector<Target> targets, quota::Check check) {
  std::vector<Account::Append> appends;
  appends.reserve(targets.size());
  for (Target& target : targets) appends.push_back({this, std::move(target)});
  co_return co_await account_->commit(std::move(appends), check);
}

}  // namespace posthorn::store
