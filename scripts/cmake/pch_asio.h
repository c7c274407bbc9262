// Precompiled for the folders that do I/O: pch_std.h and Asio.
#pragma once
#include "pch_std.h"

#include <asio.hpp>
