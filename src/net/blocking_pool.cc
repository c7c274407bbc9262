#include "net/blocking_pool.h"

namespace posthorn::net {

BlockingPool::BlockingPool(std::size_t threads, std::size_t waiting_max)
    : pool_(threads), threads_(threads), waiting_max_(waiting_max) {}

BlockingPool::~BlockingPool() {
  join();
}

void BlockingPool::join() {
  pool_.join();
}

}  // namespace posthorn::net
