// The message as a script sees it: header fields decoded once and kept, the text and its parts only
// when asked for, and what editheader, replace and enclose made of it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <typeindex>
#include <vector>

#include "message/headers.h"
#include "message/part.h"
#include "sieve/language/actions.h"
#include "sieve/language/world.h"

namespace posthorn::sieve {

class MessageView {
 public:
  MessageView(const Mail& mail, World& world);

  const std::vector<message::Field>& fields() const { return headers_.fields(); }
  // Of every field of the name, in order: unfolded, trimmed, encoded words as UTF-8 (RFC 5228
  // section 2.7.2).
  const std::vector<std::string>& values(std::string_view name);
  // The same, still encoded: for addresses.
  std::vector<std::string> raw_values(std::string_view name) const;
  bool has(std::string_view name) const { return headers_.has(name); }
  std::uint64_t size() const;
  std::size_t header_size() const { return block_ ? block_->size() : mail_.header.size(); }

  // Wire form, with what was edited; nullopt: the text is not at hand yet.
  std::optional<std::string_view> text();
  std::optional<std::string_view> body();
  const message::Part* parts();  // its places are in text(); nullptr: not at hand yet
  // All of them as they stand in the message, the whole first; empty: not at hand yet.
  struct Place {
    const message::Part* part = nullptr;
    std::size_t end = 0;  // where in the list the parts within it end
  };
  const std::vector<Place>& all_parts();

  // Which fields: places in fields(), ascending.
  void remove(const std::vector<std::size_t>& which);
  enum class At { front, back };
  void add(std::string_view name, std::string_view value, At at);  // value in UTF-8
  // The whole message anew, in wire form (RFC 5703 sections 5 and 6).
  void replace(std::string wire);
  // What a row made of the message as it is now, for the next time; gone when it is edited.
  template <class T>
  T& memo() {
    std::shared_ptr<void>& place = memos_[std::type_index(typeid(T))];
    if (!place) place = std::make_shared<T>();
    return *static_cast<T*>(place.get());
  }
  // As an action takes it now; nullptr: it is as it came.
  VersionPtr version();

 private:
  void set_header(std::string block);
  void forget();

  const Mail& mail_;
  World& world_;
  std::shared_ptr<const std::string> block_;  // nullptr: mail_.header
  std::optional<std::string> body_;           // replaced
  message::Headers headers_;
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
  std::optional<std::string> text_;  // edited
  std::unique_ptr<message::Part> parts_;
  std::vector<Place> all_parts_;
  VersionPtr version_;
  std::map<std::type_index, std::shared_ptr<void>> memos_;
};

}  // namespace posthorn::sieve
