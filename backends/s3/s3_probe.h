// Finds out what a store can do and how it wants to be asked, with throw-away objects under the
// prefix, which are removed again.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include "backends/object/store_probe.h"
#include "backends/s3/s3_container.h"

namespace sharestore::s3 {

// Begins with the settings given; where they fail, other signatures and addressings are tried. At
// most some 30 requests and 5 MiB sent. An error: the store was not reached, or refuses every way
// of asking; its sentence is that of the settings given. `pool` and the executor's loop outlive the
// call.
Task<ProbeReport> probe(OpContext context, S3Options options, IoPool& pool,
                        boost::asio::any_io_executor executor);

}  // namespace sharestore::s3
