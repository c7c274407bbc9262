// The parts of a session that its commands can work with. A command never sees this whole: it gets
// the parts that its parameters name (commands.h), so that its signature says what it can touch.
//
//   Responses&         says untagged responses
//   const User&        whose session it is: the account, the names of its mailboxes, the log
//   store::View&       the open mailbox; only for commands of the selected state
//   store::ViewPtr&    whether one is open: for what opens and closes mailboxes, and works without
//   Connection&        reads from the client itself, or ends the session
//   FetchResumePtr&    where the last FETCH of a range ended
//   store::AnnotationWatchPtr&
//                      whether changes of annotations are told: by ENABLE METADATA
#pragma once

#include <concepts>

#include "imap/server/connection.h"
#include "imap/server/fetch_resume.h"
#include "imap/server/user.h"
#include "store/annotation_watch.h"
#include "store/view.h"

namespace posthorn::imap {

struct Context {
  Connection connection;
  User user;
  store::ViewPtr view;
  FetchResumePtr resume;
  store::AnnotationWatchPtr watch = nullptr;

  template <class Part>
  Part& part() {
    if constexpr (std::same_as<Part, Responses>)
      return connection.responses();
    else if constexpr (std::same_as<Part, const User>)
      return user;
    else if constexpr (std::same_as<Part, store::View>)
      return *view;
    else if constexpr (std::same_as<Part, store::ViewPtr>)
      return view;
    else if constexpr (std::same_as<Part, Connection>)
      return connection;
    else if constexpr (std::same_as<Part, FetchResumePtr>)
      return resume;
    else if constexpr (std::same_as<Part, store::AnnotationWatchPtr>)
      return watch;
  }
};

}  // namespace posthorn::imap
