// A message of one number between two processes, with room for one descriptor (SCM_RIGHTS,
// unix(7)), over a pair of sockets that keeps messages apart.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <sys/socket.h>

#include "base/file.h"

namespace posthorn::net {

struct Parcel {
  std::uint32_t number = 0;
  iovec part{&number, sizeof number};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> room{};
  msghdr head{};

  Parcel() {
    head.msg_iov = &part;
    head.msg_iovlen = 1;
  }
  Parcel(const Parcel&) = delete;
  Parcel& operator=(const Parcel&) = delete;

  // To be sent along; it stays the sender's, too.
  void put(int fd) {
    make_room();
    cmsghdr* const header = CMSG_FIRSTHDR(&head);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  // Before it is received.
  void make_room() {
    head.msg_control = room.data();
    head.msg_controllen = room.size();
  }
  // Not open: none came, or it did not fit (EMFILE).
  File take() {
    for (cmsghdr* header = CMSG_FIRSTHDR(&head); header != nullptr;
         header = CMSG_NXTHDR(&head, header)) {
      if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
      return File(fd);
    }
    return {};
  }
};

}  // namespace posthorn::net
