// DKIM signatures (RFC 6376, RFC 8463 for Ed25519): what of a message is signed, in which form, and
// the field that says so. Bytes in, text out: hashing and signing are the caller's
// (deliver/dkim_key.h), and so is the key.
//
// A signature speaks for the From domain. It must never be put on what a stranger wrote: who asks
// for one has made sure of that; find_signing_domain() adds what the header tells.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "message/headers.h"

namespace posthorn::message {

enum class Canonicalization { simple, relaxed };

// RFC 6376 sections 3.4.1 and 3.4.2: a field as it is hashed, with its CRLF.
std::string canonical_field(std::string_view raw, Canonicalization form);

// RFC 6376 sections 3.4.3 and 3.4.4: the body, fed in pieces of any size. It holds a few KiB back
// and no more, however many empty lines there are.
class BodyCanonicalizer {
 public:
  using Sink = std::function<void(std::string_view)>;
  BodyCanonicalizer(Canonicalization form, Sink sink) : form_(form), sink_(std::move(sink)) {}
  void feed(std::string_view piece);
  void finish();

 private:
  void end_line();
  void put(std::string_view text);
  void append(std::string_view text);

  Canonicalization form_;
  Sink sink_;
  std::string out_;
  std::uint64_t empty_lines_ = 0;  // line ends that count only if something follows
  bool has_blank_ = false;         // relaxed: white space that counts only if something follows
  bool has_cr_ = false;            // a CR that may be half of a line end
  bool has_text_ = false;
};

// A place in h=. nullptr: no field (any more), and none may be added (section 8.15).
struct SignedField {
  std::string_view name;
  const Field* field = nullptr;
};
// Those of a message: repeated ones from the bottom up (section 5.4.2), and one more of the name
// for each that readers act upon. The fields outlive it.
std::vector<SignedField> choose_signed_fields(const Headers& headers);

struct SignatureTags {
  std::string algorithm;  // "rsa-sha256", "ed25519-sha256"
  Canonicalization header = Canonicalization::relaxed;
  Canonicalization body = Canonicalization::relaxed;
  std::string domain, selector;
  std::string body_hash;                // base64
  std::int64_t time = 0;                // seconds since 1970
  std::optional<std::int64_t> expires;  // likewise
};
// "DKIM-Signature: v=1; … b=", folded, without the signature and without the final CRLF.
std::string make_signature_field(const SignatureTags& tags, const std::vector<SignedField>& fields);
// What is hashed for the signature: the fields, then the signature's own (section 3.7).
std::string make_signing_input(const std::vector<SignedField>& fields,
                               std::string_view signature_field, Canonicalization form);
// The whole field: with the signature, folded, and CRLF.
std::string finish_signature_field(std::string field, std::string_view signature_base64);

// Whose signature the message may get, in lower case: the domain of its one From field. nullopt:
// nobody's, for it has none or two, was sent on by a Sieve script (whoever wrote it), or a Sender
// of another domain tells that its user may not write as From.
std::optional<std::string> find_signing_domain(const Headers& headers);
// It has a signature of that domain and selector already.
bool has_signature(const Headers& headers, std::string_view domain, std::string_view selector);

// "a=1; b=2" (section 3.2), white space in the values removed; nullopt: it is no such list.
using Tags = std::vector<std::pair<std::string, std::string>>;
std::optional<Tags> parse_tags(std::string_view text);
std::string_view find_tag(const Tags& tags, std::string_view name);

// A domain or selector in lower case that may stand in DNS and be a file's name.
bool is_dkim_name(std::string_view text);

// The TXT record of a public key (section 3.6.1), and the line of a zone file that holds it, in
// strings of at most 255 octets.
std::string make_key_record(std::string_view type, std::string_view public_key_base64);
std::string make_zone_line(std::string_view name, std::string_view record);

}  // namespace posthorn::message
