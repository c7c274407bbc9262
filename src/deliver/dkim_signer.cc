#include "deliver/dkim_signer.h"

#include "base/base64.h"
#include "deliver/dkim_key.h"
#include "deliver/wire_text.h"
#include "message/dkim.h"
#include "message/headers.h"

namespace posthorn::deliver {
namespace {

using message::Canonicalization;

struct Loaded {
  std::string selector;
  DkimKey key;
};

Canonicalization form_of(std::string_view name) {
  return name == "simple" ? Canonicalization::simple : Canonicalization::relaxed;
}

// The message up to its body at least, and where the body begins; nullopt: no empty line ends the
// header, or more fields are in it than are looked at. What signs must see what others see.
struct Top {
  std::string text;
  std::size_t header_size = 0, body_begin = 0;
};
Result<std::optional<Top>> read_top(WireText& text) {
  Top top;
  message::HeaderCollector collector;
  while (!collector.is_whole()) {
    TRY(const auto piece, text.next());
    if (piece.empty()) {
      collector.finish();
      break;
    }
    top.text += piece;
    collector.feed(piece);
  }
  top.header_size = collector.block().size();
  top.body_begin = top.header_size + 2;
  if (top.text.compare(top.header_size, 2, "\r\n") != 0) return std::nullopt;
  return top;
}

void load_keys(const config::Dkim& config, const message::Headers& headers, bool is_changed,
               DkimSignatures& signatures, std::vector<Loaded>& keys) {
  const auto files = find_dkim_keys(config.folder, signatures.domain);
  if (!files) {
    signatures.faults.push_back(files.error().what);
    return;
  }
  for (const DkimKeyFile& file : *files) {
    // It was here before, as a copy that a user sends again. What is converted broke it.
    if (!is_changed && message::has_signature(headers, signatures.domain, file.selector)) continue;
    auto key = DkimKey::read(file.path);
    if (key)
      keys.push_back({file.selector, *std::move(key)});
    else
      signatures.faults.push_back(key.error().what);
  }
}

Result<std::string> hash_body(WireText& text, std::string_view begin, Canonicalization form) {
  Sha256 hash;
  message::BodyCanonicalizer body(form, [&](std::string_view bytes) { hash.update(bytes); });
  body.feed(begin);
  while (true) {
    TRY(const auto piece, text.next());
    if (piece.empty()) break;
    body.feed(piece);
  }
  body.finish();
  return encode_base64(hash.finish());
}

}  // namespace

Result<DkimSignatures> make_dkim_signatures(const config::Dkim& config, const Body& body,
                                            const message::RefitPlan& plan, WallTime now) {
  DkimSignatures signatures;
  WireText text(body, plan);
  TRY(const auto top, read_top(text));
  if (!top) return signatures;
  const message::Headers headers(std::string_view(top->text).substr(0, top->header_size));
  if (headers.fields().size() >= message::kFieldsMax) return signatures;
  auto domain = message::find_signing_domain(headers);
  if (!domain) return signatures;
  signatures.domain = *std::move(domain);
  std::vector<Loaded> keys;
  load_keys(config, headers, plan.is_changed, signatures, keys);
  if (keys.empty()) return signatures;

  const std::string_view forms = to_string(config.canonicalization);  // of header and body
  const std::size_t slash = forms.find('/');
  message::SignatureTags tags;
  tags.header = form_of(forms.substr(0, slash));
  tags.body = form_of(forms.substr(slash + 1));
  tags.domain = signatures.domain;
  TRY(tags.body_hash,
      hash_body(text, std::string_view(top->text).substr(top->body_begin), tags.body));
  tags.time = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  if (config.life > 0s)
    tags.expires =
        tags.time + std::chrono::duration_cast<std::chrono::seconds>(config.life).count();
  const auto chosen = message::choose_signed_fields(headers);
  for (const auto& [selector, key] : keys) {
    tags.selector = selector;
    tags.algorithm = key.algorithm();
    std::string field = message::make_signature_field(tags, chosen);
    Sha256 hash;
    hash.update(message::make_signing_input(chosen, field, tags.header));
    const auto signature = key.sign(hash.finish());
    if (!signature) {
      signatures.faults.push_back(selector + ": " + signature.error().what);
      continue;
    }
    signatures.fields += message::finish_signature_field(std::move(field), *signature);
    signatures.selectors += (signatures.selectors.empty() ? "" : ",") + selector;
  }
  return signatures;
}

}  // namespace posthorn::deliver
