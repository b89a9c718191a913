// What the web port answers, and that nothing a stranger wrote becomes markup.
#include "storage_server/web/web_handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <string>

#include "storage_server/web/human.h"
#include "storage_server/web/page.h"
#include "tests/storage_server/web/full_status.h"
#include "tests/storage_server/web/openmetrics.h"
#include "tests/support/fake_clock.h"

namespace sharestore::web {
namespace {

using http::Method;
using testing::HasSubstr;
using testing::Not;

class WebPages : public testing::Test {
 protected:
  http::Response get(std::string target, Method method = Method::get) {
    target_ = std::move(target);
    const std::string_view whole(target_);
    const std::size_t query = whole.find('?');
    http::Request request;
    request.method = method;
    request.path = whole.substr(0, query);
    if (query != std::string_view::npos) request.query = whole.substr(query + 1);
    auto response = handler_.try_handle(request, clock_.context());
    EXPECT_TRUE(response);
    return std::move(*response);
  }
  std::string body(const std::string& target) { return std::string(get(target).body.text()); }

  FakeClock clock_;
  std::string target_;
  NodeStatus status_ = test::full_status();
  WebHandler handler_{[this] { return status_; }};
};

TEST_F(WebPages, EachPathHasItsForm) {
  EXPECT_EQ(get("/storage").content_type, "text/html; charset=utf-8");
  EXPECT_EQ(get("/storage?t=json").content_type, "text/plain; charset=utf-8");
  EXPECT_EQ(get("/statistics?t=openmetrics").content_type,
            "application/openmetrics-text; version=1.0.0; charset=utf-8");
  EXPECT_EQ(get("/statistics?t=prometheus").content_type,
            "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_TRUE(test::parse_openmetrics(body("/statistics?x=1&t=openmetrics")));
  EXPECT_TRUE(boost::json::parse(body("/statistics?t=json")).at("counters").is_object());
  EXPECT_TRUE(boost::json::parse(body("/storage?t=json")).at("stats").is_object());
  EXPECT_TRUE(boost::json::parse(body("/storage?t=sharestore")).at("requests").is_object());
  EXPECT_EQ(get("/").status, 302);
  EXPECT_EQ(get("/storage?t=xml").status, 400);
  EXPECT_EQ(get("/statistics?t=").status, 302);
}

TEST_F(WebPages, OurJsonTellsWhatIsUnderWayAndWhatWillGo) {
  const auto told = boost::json::parse(body("/storage?t=sharestore"));
  EXPECT_TRUE(told.at("index").at("rebuilding").as_bool());
  EXPECT_EQ(told.at("index").at("rebuild").at("scanned_shares").to_number<int>(), 500);
  EXPECT_EQ(told.at("index").at("rebuild").at("done").as_double(), 0.25);
  const auto& expiry = told.at("expiry");
  EXPECT_TRUE(expiry.at("enabled").as_bool());
  EXPECT_EQ(expiry.at("removed").at("bytes").to_number<int>(), 500);
  EXPECT_EQ(expiry.at("failures").to_number<int>(), 1);
  EXPECT_EQ(expiry.at("goes").at("next_week").at("immutable").at("shares").to_number<int>(), 4);
  EXPECT_EQ(told.at("backend").at("clock_offset_s").to_number<int>(), -7);
  EXPECT_EQ(told.at("backend").at("store").at("retries").to_number<int>(), 4);
}

TEST_F(WebPages, UnknownPathsAreNotFound) {
  for (const char* path : {"/uri", "/storage/", "/Storage", "/storage/x", "//storage", "/status",
                           "/storage/v1/version", "*", "/healthz/", "/%73torage"}) {
    EXPECT_EQ(get(path).status, 404) << path;
  }
}

TEST_F(WebPages, OnlyReadingIsAllowed) {
  EXPECT_EQ(get("/storage", Method::head).status, 200);
  for (const Method method :
       {Method::post, Method::put, Method::patch, Method::del, Method::options, Method::other}) {
    const http::Response response = get("/storage", method);
    EXPECT_EQ(response.status, 405);
    EXPECT_THAT(response.extra_headers, HasSubstr("Allow: GET, HEAD\r\n"));
  }
}

TEST_F(WebPages, EveryAnswerCarriesTheGuardingHeaders) {
  for (const char* path : {"/storage", "/storage?t=json", "/nothing", "/healthz", "/"}) {
    const std::string headers = get(path).extra_headers;
    EXPECT_THAT(headers, HasSubstr("X-Frame-Options: DENY\r\n")) << path;
    EXPECT_THAT(headers, HasSubstr("Referrer-Policy: no-referrer\r\n")) << path;
    EXPECT_THAT(headers, HasSubstr("Content-Security-Policy: default-src 'none';")) << path;
  }
}

TEST_F(WebPages, HealthTellsWhatANewStartCanMendFromWhatItCannot) {
  EXPECT_EQ(get("/healthz").status, 200);
  EXPECT_EQ(get("/readyz").status, 200);
  status_.backend_health = {false, "the store cannot be reached"};
  EXPECT_EQ(get("/healthz").status, 200);
  EXPECT_EQ(get("/readyz").status, 503);
  EXPECT_EQ(body("/readyz"), "the store cannot be reached\n");
  status_.index_health = {false, "a sync of the index failed"};
  EXPECT_EQ(get("/healthz").status, 503);
  EXPECT_EQ(body("/readyz"), "the store cannot be reached\na sync of the index failed\n");
}

TEST_F(WebPages, ThePageShowsStrangersTextAsText) {
  status_.backend_health = {false, test::kMarkup};
  const std::string page = body("/storage");
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;"));
  EXPECT_THAT(page, HasSubstr("Not well"));
  EXPECT_THAT(page, HasSubstr("abcdefghijklmnopqrstuvwxyz234567"));
  EXPECT_EQ(escape_html("a\x01\t\x7f"), "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST_F(WebPages, ThePageNamesTheStateInAWord) {
  EXPECT_THAT(body("/storage"), HasSubstr(">Serving<"));
  status_.space.available_bytes = 0;
  EXPECT_THAT(body("/storage"), HasSubstr(">Full<"));
  status_.readonly = true;
  EXPECT_THAT(body("/storage"), HasSubstr(">Read-only<"));
}

TEST_F(WebPages, AnEmptyNodeHasAPageToo) {
  status_ = NodeStatus();
  EXPECT_THAT(body("/storage"), HasSubstr("</html>"));
}

TEST(Human, FiguresAreShort) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1024), "1.0 KiB");
  EXPECT_EQ(human_bytes((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(human_bytes(~0ULL), "16.0 EiB");
  EXPECT_EQ(human_count(0), "0");
  EXPECT_EQ(human_count(999), "999");
  EXPECT_EQ(human_count(1000), "1 000");
  EXPECT_EQ(human_count(1234567), "1 234 567");
  EXPECT_EQ(human_span(119), "119 s");
  EXPECT_EQ(human_span(120), "2 min");
  EXPECT_EQ(human_span(172'800), "2 days");
  EXPECT_EQ(human_latency(0.00035), "350 µs");
  EXPECT_EQ(human_latency(0.0012), "1.2 ms");
  EXPECT_EQ(human_latency(2.04), "2.0 s");
  EXPECT_EQ(human_time(0, 5), "never");
  EXPECT_EQ(human_time(1'700'000'000, 1'700'000'300), "2023-11-14 22:13:20 UTC (5 min ago)");
  EXPECT_THAT(human_time(1'700'000'300, 1'700'000'000), HasSubstr("(in 5 min)"));
}

}  // namespace
}  // namespace sharestore::web
