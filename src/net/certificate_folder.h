// The folder of further certificates (tls.folder) as people fill it: what lies there and serves
// nobody, or another host than its folder is called. Warnings, all of them. All calls block.
#pragma once

#include <optional>
#include <vector>

#include "config/finding.h"
#include "net/tls.h"

namespace posthorn::net {

// pairs: those that were found there.
config::Findings find_folder_doubts(const Path& folder, const std::vector<CertificateFiles>& pairs);

// The pair's folder has a host's name, and its certificate another. certbot adds "-0001" to a name,
// and a name may stand for all below it.
std::optional<config::Finding> find_name_doubt(const CertificateFiles& files,
                                               const CertificateInfo& info);

}  // namespace posthorn::net
