#include "store/email_id.h"

#include "net/openssl.h"
#include "store/line_ends.h"

namespace posthorn::store {
namespace {

constexpr std::size_t kPiece = 65'536;

}  // namespace

Result<std::string> digest_of(const OpenMessage& opened) {
  const net::DigestContextPtr context(EVP_MD_CTX_new());
  if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1)
    return fail(ErrorKind::temporary, "no digest can be made");
  CrlfReader reader(opened.file, 0, opened.size, CrlfReader::Nul::kept);
  std::string piece(kPiece, '\0');
  for (;;) {
    TRY(const std::size_t n, reader.read(piece));
    if (n == 0) break;
    if (EVP_DigestUpdate(context.get(), piece.data(), n) != 1)
      return fail(ErrorKind::temporary, "no digest can be made");
  }
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  if (EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr) !=
      1)
    return fail(ErrorKind::temporary, "no digest can be made");
  digest.resize(kDigestSize);
  return digest;
}

std::string email_id_from(std::string_view digest) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string id = "M";
  for (const char c : digest) {
    const auto byte = static_cast<unsigned char>(c);
    id += kHex[byte >> 4U];
    id += kHex[byte & 15U];
  }
  return id;
}

}  // namespace posthorn::store
