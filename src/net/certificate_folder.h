// Folders of certificates: the pairs that lie in tls.folder, as people fill it, and in paths.acme,
// and what lies there and serves nobody, or another host than its folder says. All calls block.
#pragma once

#include <optional>
#include <vector>

#include "config/finding.h"
#include "net/tls.h"

namespace posthorn::net {

// The pairs below a folder, a folder each: fullchain.pem and privkey.pem (as certbot makes them) or
// cert.pem and key.pem.
Result<std::vector<CertificateFiles>> find_certificates(const Path& folder);

// The pairs that the server got itself (paths.acme): each a file NAME.pem with the key and the
// chain, which is never half new. Links are passed over.
Result<std::vector<CertificateFiles>> find_acme_certificates(const Path& folder);

// There, or not to be seen: then reading it will tell why.
bool may_be_there(const Path& path);

// pairs: those that were found there.
config::Findings find_folder_doubts(const Path& folder, const std::vector<CertificateFiles>& pairs);

// The pair's folder has a host's name, and its certificate another. certbot adds "-0001" to a name,
// and a name may stand for all below it.
std::optional<config::Finding> find_name_doubt(const CertificateFiles& files,
                                               const CertificateInfo& info);

}  // namespace posthorn::net
