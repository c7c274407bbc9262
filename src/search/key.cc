#include "search/key.h"

#include <algorithm>

#include "base/ascii.h"
#include "message/charset.h"
#include "search/facts.h"

namespace posthorn::search {
namespace {

using Kind = Key::Kind;

template <class Test>
bool any_key(const Key& key, const Test& test) {
  return test(key) ||
         std::ranges::any_of(key.keys, [&](const Key& inner) { return any_key(inner, test); });
}

}  // namespace

bool fold_texts(Key& key, const std::string& charset) {
  if (key.kind == Kind::keyword || key.kind == Kind::no_keyword) {
    key.text = to_upper(key.text);
  } else if (!key.text.empty()) {
    const auto utf8 = message::to_utf8(key.text, charset);
    if (!utf8) return false;
    key.text = message::fold_for_search(*utf8);
  }
  return std::ranges::all_of(key.keys, [&](Key& inner) { return fold_texts(inner, charset); });
}

bool asks_for_size(const Key& key) {
  return any_key(key,
                 [](const Key& k) { return k.kind == Kind::larger || k.kind == Kind::smaller; });
}

bool asks_for_header(const Key& key) {
  return any_key(key, [](const Key& k) {
    return k.kind == Kind::sent_before || k.kind == Kind::sent_on || k.kind == Kind::sent_since ||
           (k.kind == Kind::header && find_field_name(k.name).has_value());
  });
}

bool asks_for_body(const Key& key) {
  return any_key(key, [](const Key& k) { return k.kind == Kind::body || k.kind == Kind::text; });
}

bool asks_for_keywords(const Key& key) {
  return any_key(
      key, [](const Key& k) { return k.kind == Kind::keyword || k.kind == Kind::no_keyword; });
}

}  // namespace posthorn::search
