#include "storage_server/protocol/route.h"

#include "config/text.h"

namespace sharestore {

namespace {

constexpr std::string_view kPrefix = "/storage/v1/";
using http::Method;

// Cuts the text before the next '/' off the front of `path`; the '/' goes too.
std::string_view take_segment(std::string_view& path) {
  const std::size_t slash = path.find('/');
  const std::string_view segment = path.substr(0, slash);
  path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  return segment;
}

RouteMatch no_such_path() { return {}; }

RouteMatch only(Method wanted, std::string_view allowed, Method method, Route route) {
  const bool fits = method == wanted || (wanted == Method::get && method == Method::head);
  if (fits) return {RouteMatch::Outcome::found, route, {}};
  return {RouteMatch::Outcome::wrong_method, {}, allowed};
}

RouteMatch get_only(Method method, const Route& route) {
  return only(Method::get, "GET, HEAD", method, route);
}

// Decimal digits of any count. The outer optional: it is a number; the inner: it fits.
std::optional<std::optional<ShareNumber>> share_number(std::string_view text) {
  if (!all_digits(text)) return std::nullopt;
  return share_number_from_text(text, false);
}

// What follows /storage/v1/<kind>/<storage index>/<number>.
RouteMatch match_share(Method method, std::string_view action, Route route) {
  if (action.data() == nullptr) {
    if (route.kind == ShareKind::immutable && method == Method::patch) {
      route.endpoint = Endpoint::write_upload;
      return {RouteMatch::Outcome::found, route, {}};
    }
    route.endpoint = Endpoint::read_share;
    if (route.kind == ShareKind::mutable_slot) return get_only(method, route);
    return only(Method::get, "GET, HEAD, PATCH", method, route);
  }
  if (action == "corrupt") {
    route.endpoint = Endpoint::advise_corrupt;
    return only(Method::post, "POST", method, route);
  }
  if (action == "abort" && route.kind == ShareKind::immutable) {
    route.endpoint = Endpoint::abort_upload;
    return only(Method::put, "PUT", method, route);
  }
  return no_such_path();
}

// What follows /storage/v1/<kind>/<storage index>/.
RouteMatch match_slot(Method method, std::string_view rest, Route route) {
  if (rest == "shares") {
    route.endpoint = Endpoint::list_shares;
    return get_only(method, route);
  }
  if (rest == "read-test-write" && route.kind == ShareKind::mutable_slot) {
    route.endpoint = Endpoint::read_test_write;
    return only(Method::post, "POST", method, route);
  }
  const std::size_t slash = rest.find('/');
  const auto number = share_number(rest.substr(0, slash));
  if (!number) return no_such_path();
  route.number = *number;
  // A null view: no action; "" would be a path that ends in '/'.
  const std::string_view action =
      slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  return match_share(method, action, route);
}

}  // namespace

RouteMatch match_route(Method method, std::string_view path) {
  if (!path.starts_with(kPrefix)) return no_such_path();
  path.remove_prefix(kPrefix.size());
  if (path == "version") return get_only(method, {});

  Route route;
  const std::string_view kind = take_segment(path);
  const bool has_more = path.data() != nullptr;
  const bool bare = path.find('/') == std::string_view::npos;
  const auto storage_index = StorageIndex::from_text(take_segment(path));
  if (!has_more || !storage_index) return no_such_path();
  route.storage_index = *storage_index;
  if (kind == "lease") {
    route.endpoint = Endpoint::add_lease;
    return bare ? only(Method::put, "PUT", method, route) : no_such_path();
  }
  if (kind == "mutable") {
    route.kind = ShareKind::mutable_slot;
    return bare ? no_such_path() : match_slot(method, path, route);
  }
  if (kind != "immutable") return no_such_path();
  route.endpoint = Endpoint::allocate;
  return bare ? only(Method::post, "POST", method, route) : match_slot(method, path, route);
}

}  // namespace sharestore
