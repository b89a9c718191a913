// What an operation that may wait returns: a coroutine that ends in a Result.
//
// Coroutine parameters are taken by value. A reference, string_view or span crosses a suspension
// only where the header says who keeps it alive.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "backends/core/error.h"

namespace sharestore {

template <class T>
using Task = boost::asio::awaitable<Result<T>>;

}  // namespace sharestore
