#include "net/blocking_pool.h"

namespace posthorn::net {

BlockingPool::BlockingPool(std::size_t threads) : pool_(threads), threads_(threads) {}

BlockingPool::~BlockingPool() {
  join();
}

void BlockingPool::join() {
  pool_.join();
}

}  // namespace posthorn::net
