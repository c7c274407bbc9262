// The texts of a message in the answer to a FETCH: BODY[…] in all its forms (RFC 3501 section
// 6.4.5). What was read is told from memory; the rest goes from the file to the client a piece at a
// time, never held as a whole.
#pragma once

#include "imap/proto/fetch_items.h"
#include "imap/server/connection.h"
#include "imap/server/fetch_facts.h"
#include "imap/server/fetch_resume.h"
#include "imap/server/part_places.h"
#include "net/blocking_pool.h"
#include "store/view.h"

namespace posthorn::imap {

// Answered from the message's own header.
bool is_of_header(const Section& section);

struct SectionSource {
  const store::OpenMessage& opened;
  const Loaded& loaded;
  const search::PartFacts* root = nullptr;  // where sections of parts are asked for
};

class SectionWriter {
 public:
  SectionWriter(store::View& view, Responses& responses, net::BlockingPool& pool,
                FetchResumePtr& resume)
      : view_(view), responses_(responses), pool_(pool), resume_(resume) {}

  // After an Error the response stands there in part.
  net::Task<> add(const Section& section, const SectionSource& source);

 private:
  net::Task<> add_fields(const Section& section, const SectionSource& source);
  net::Task<> stream(const store::OpenMessage& opened, Range64 wanted);
  net::Task<> stream_on(store::Uid uid, Range64 wanted);
  net::Task<> send(store::CrlfReader& reader, std::uint64_t left);

  store::View& view_;
  Responses& responses_;
  net::BlockingPool& pool_;
  FetchResumePtr& resume_;
};

}  // namespace posthorn::imap
