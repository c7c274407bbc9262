// The fields of each part of the page, in one list from which the line protocol is written and
// read, and the JSON is made. The first field of a part begins another of its kind.
#pragma once

#include "health/page.h"

namespace posthorn::health {

template <class Visitor>
void visit(Visitor& v, Port& p) {
  v("service", p.service);
  v("address", p.address);
}
template <class Visitor>
void visit(Visitor& v, Role& p) {
  v("role", p.role);
  v("worker", p.worker);
  v("state", p.state);
  v("pid", p.pid);
  v("restarts", p.restarts);
  v("since", p.since);
  v("last_end", p.last_end);
}
template <class Visitor>
void visit(Visitor& v, Tables& p) {
  v("generation", p.generation);
  v("faults", p.faults);
}
template <class Visitor>
void visit(Visitor& v, Table& p) {
  v("name", p.name);
  v("entries", p.entries);
}
template <class Visitor>
void visit(Visitor& v, Auth& p) {
  v("banned", p.banned);
}
template <class Visitor>
void visit(Visitor& v, Database& p) {
  v("state", p.state);
  v("fault", p.fault);
}
template <class Visitor>
void visit(Visitor& v, Certificate& p) {
  v("name", p.name);
  v("file", p.file);
  v("names", p.names);
  v("issuer", p.issuer);
  v("ends", p.ends);
  v("state", p.state);
  v("fingerprint", p.fingerprint);
  v("on_disk", p.on_disk);
  v("remedy", p.remedy);
  v("shown_on", p.shown_on);
}
template <class Visitor>
void visit(Visitor& v, Queue& p) {
  v("messages", p.messages);
  v("deferred", p.deferred);
  v("held", p.held);
  v("oldest_seconds", p.oldest_seconds);
  v("oldest_id", p.oldest_id);
  v("oldest_reason", p.oldest_reason);
}
template <class Visitor>
void visit(Visitor& v, RelayFault& p) {
  v("relay", p.relay);
  v("state", p.state);
  v("reason", p.reason);
}
template <class Visitor>
void visit(Visitor& v, Spamd& p) {
  v("state", p.state);
  v("reason", p.reason);
  v("address", p.address);
}
template <class Visitor>
void visit(Visitor& v, Lessons& p) {
  v("waiting", p.waiting);
  v("learned", p.learned);
  v("dropped", p.dropped);
}
template <class Visitor>
void visit(Visitor& v, Disk& p) {
  v("name", p.name);
  v("path", p.path);
  v("free", p.free);
  v("total", p.total);
  v("needs", p.needs);
}
template <class Visitor>
void visit(Visitor& v, Trail& p) {
  v("state", p.state);
  v("reason", p.reason);
  v("size", p.size);
  v("dropped", p.dropped);
}
template <class Visitor>
void visit(Visitor& v, Acme& p) {
  v("state", p.state);
  v("directory", p.directory);
  v("reason", p.reason);
}
template <class Visitor>
void visit(Visitor& v, AcmeCertificate& p) {
  v("name", p.name);
  v("names", p.names);
  v("ends", p.ends);
  v("renewed", p.renewed);
  v("next", p.next);
  v("error", p.error);
  v("failed", p.failed);
  v("remedy", p.remedy);
}
template <class Visitor>
void visit(Visitor& v, Dns& p) {
  v("state", p.state);
  v("asked", p.asked);
}
template <class Visitor>
void visit(Visitor& v, Mark& p) {
  v("name", p.name);
  v("record", p.record);
  v("outcome", p.outcome);
  v("found", p.found);
  v("remedy", p.remedy);
}
template <class Visitor>
void visit(Visitor& v, Check& p) {
  v("name", p.name);
  v("state", p.state);
  v("detail", p.detail);
}

}  // namespace posthorn::health
