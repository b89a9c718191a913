#include "storage_server/web/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <utility>
#include <vector>

#include "storage_server/web/human.h"
#include "storage_server/web/page_style.h"

namespace sharestore::web {

namespace {

// Everything that is put into it is escaped, but for the markup of this file.
class Page {
 public:
  using Row = std::vector<std::string>;

  void markup(std::string_view html) { out_ += html; }
  void text(std::string_view plain) { out_ += escape_html(plain); }
  void element(std::string_view tag, std::string_view plain) {
    out_ += fmt::format("<{}>{}</{}>", tag, escape_html(plain), tag);
  }
  void begin_section(std::string_view title, bool wide = false) {
    markup(wide ? "<section class=wide>" : "<section>");
    element("h2", title);
  }
  void end_section() { markup("</section>\n"); }

  // Names and values.
  void list(std::initializer_list<std::pair<std::string_view, std::string>> items) {
    markup("<dl>");
    for (const auto& [name, value] : items) {
      element("dt", name);
      element("dd", value);
    }
    markup("</dl>");
  }

  // Columns whose head begins with '#' hold numbers.
  void table(std::initializer_list<std::string_view> heads, const std::vector<Row>& rows) {
    const std::vector<std::string_view> columns(heads);
    markup("<div class=scroll><table><thead><tr>");
    for (const std::string_view head : columns) {
      const bool number = head.starts_with('#');
      markup(number ? "<th class=n scope=col>" : "<th scope=col>");
      text(number ? head.substr(1) : head);
      markup("</th>");
    }
    markup("</tr></thead><tbody>");
    for (const Row& row : rows) {
      markup("<tr>");
      for (std::size_t i = 0; i < row.size(); ++i) {
        markup(columns[i].starts_with('#') ? "<td class=n>" : "<td>");
        text(row[i]);
        markup("</td>");
      }
      markup("</tr>");
    }
    markup("</tbody></table></div>");
  }

  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

std::string share_text(std::uint64_t shares, std::uint64_t bytes) {
  return fmt::format("{} ({})", human_count(shares), human_bytes(bytes));
}

void write_head(const NodeStatus& status, Page& page) {
  page.markup(
      "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>"
      "<meta name=viewport content=\"width=device-width, initial-scale=1\">"
      "<meta name=color-scheme content=\"light dark\">");
  page.element("title", status.node.nickname + " – storage node");
  page.markup("<style>");
  page.markup(kPageStyle);
  page.markup("</style></head><body><header>");
  page.element("h1", status.node.nickname);
  if (!status.healthy()) {
    page.markup("<p class=\"state bad\">Not well</p>");
  } else if (!status.accepts_shares()) {
    page.markup("<p class=\"state warn\">");
    page.text(status.readonly ? "Read-only" : "Full");
    page.markup("</p>");
  } else {
    page.markup("<p class=\"state good\">Serving</p>");
  }
  page.element("p", fmt::format("{} · up {} · {}", status.node.version,
                                human_span(static_cast<std::int64_t>(status.uptime_s)),
                                human_time(status.now, status.now).substr(0, 23)));
  page.markup("</header><main>\n");
}

void write_notice(Page& page, bool bad, const std::string& sentence) {
  if (sentence.empty()) return;
  page.markup(bad ? "<p class=\"notice bad\">" : "<p class=\"notice warn\">");
  page.text(sentence);
  page.markup("</p>\n");
}

void write_notices(const NodeStatus& status, Page& page) {
  write_notice(page, !status.backend_health.ok, status.backend_health.sentence);
  write_notice(page, !status.index_health.ok, status.index_health.sentence);
  if (status.rebuild) {
    write_notice(
        page, false,
        fmt::format("The index is being rebuilt: {} shares looked at, {:.0f} % done. Shares "
                    "are served, and none is removed meanwhile.",
                    human_count(status.rebuild->scanned_shares), 100 * status.rebuild->done));
  } else if (status.expiry.enabled && !status.expiry.held.empty()) {
    write_notice(page, false, fmt::format("No share is removed: {}.", status.expiry.held));
  }
  if (status.backend_failure) {
    write_notice(page, false,
                 fmt::format("Last failure of the store: {}: {} ({})",
                             human_time(unix_seconds(status.backend_failure->at), status.now),
                             status.backend_failure->sentence, status.backend_failure->operation));
  }
}

// What the bar's parts are of: the limit where there is one, else what is used and what is left.
void write_space(const NodeStatus& status, Page& page) {
  const std::uint64_t used = status.used_bytes();
  const std::uint64_t room = status.space.available_bytes;
  const double whole = std::max(1.0, static_cast<double>(used) + static_cast<double>(room));
  const double percent = 100.0 * static_cast<double>(used) / whole;
  page.begin_section("Space");
  page.markup(fmt::format(
      "<div class=bar role=img aria-label=\"{:.1f} % used\"><span style=\"width:{:.2f}%\">"
      "</span></div>",
      percent, percent));
  page.list({{"Used by shares", human_bytes(used)},
             {"Available", human_bytes(room)},
             {"Size limit", status.sizelimit_bytes ? human_bytes(*status.sizelimit_bytes) : "none"},
             {"Reserved space", human_bytes(status.reserved_space_bytes)}});
  const Space& store = status.store.backend_space;
  if (store.total_bytes != 0) {
    page.list({{"Disk", human_bytes(store.total_bytes)},
               {"Disk used", human_bytes(store.total_bytes - store.free_for_root_bytes)},
               {"Disk free (root)", human_bytes(store.free_for_root_bytes)},
               {"Disk free (this node)", human_bytes(store.free_bytes)}});
  }
  page.list(
      {{"Accepting new shares", status.accepts_shares() ? "Yes" : "No"},
       {"Uploads under way", fmt::format("{} ({} promised)", human_count(status.store.uploads),
                                         human_bytes(status.store.reserved_bytes))}});
  page.end_section();
}

Page::Row ending_row(const char* within, const ForecastLine& line) {
  return {within, share_text(line.immutable_shares, line.immutable_bytes),
          share_text(line.mutable_shares, line.mutable_bytes)};
}

void write_ahead(const EndingShares& ahead, Page& page) {
  page.table({"Within", "#Immutable", "#Mutable"},
             {ending_row("a day", ahead.day), ending_row("a week", ahead.week),
              ending_row("30 days", ahead.month)});
}

void write_expiry(const ExpiryStatus& expiry, Page& page) {
  if (!expiry.enabled) {
    page.element("p", "Shares are kept when their leases have ended (expire.enabled is off).");
    return;
  }
  page.element("h3", "Shares that will be removed unless renewed");
  if (expiry.going) write_ahead(*expiry.going, page);
  page.list(
      {{"Removed since the start", share_text(expiry.removed_shares, expiry.removed_bytes)},
       {"Put off", expiry.last_error.empty()
                       ? human_count(expiry.failures)
                       : fmt::format("{}: {}", human_count(expiry.failures), expiry.last_error)}});
}

void write_shares(const NodeStatus& status, Page& page) {
  const IndexTotals& totals = status.totals;
  page.begin_section("Shares and leases");
  page.list({{"Immutable shares", share_text(totals.immutable_shares, totals.immutable_bytes)},
             {"Mutable shares", share_text(totals.mutable_shares, totals.mutable_bytes)},
             {"Lost shares", human_count(totals.lost_shares)},
             {"Leases", human_count(totals.leases)},
             {"Last upload", human_time(status.activity.upload, status.now)},
             {"Last renewal", human_time(status.activity.renewal, status.now)},
             {"Last download", human_time(status.activity.download, status.now)}});
  if (status.ending) {
    page.element("h3", "Leases that end unless renewed");
    write_ahead(*status.ending, page);
  }
  write_expiry(status.expiry, page);
  page.end_section();
}

Page::Row operation_row(std::string_view name, const OperationFigures& figures, bool failures) {
  Page::Row row = {std::string(name), human_count(figures.count)};
  if (failures) {
    row.push_back(human_count(figures.failures));
    row.push_back(figures.bytes == 0 ? "" : human_bytes(figures.bytes));
  }
  const bool timed = !figures.samples.empty();
  row.push_back(timed ? human_latency(figures.quantile(0.5)) : "");
  row.push_back(timed ? human_latency(figures.quantile(0.99)) : "");
  return row;
}

void write_requests(const NodeStatus& status, Page& page) {
  std::vector<Page::Row> rows;
  for (std::size_t i = 0; i < kServedCalls; ++i) {
    if (status.served[i].count == 0) continue;
    rows.push_back(operation_row(to_string(static_cast<ServedCall>(i)), status.served[i], false));
  }
  page.begin_section("Clients");
  page.list({{"Connections", human_count(status.http.connections_open)},
             {"Requests under way", human_count(status.http.requests_running)},
             {"Received", human_bytes(status.http.bytes_in)},
             {"Sent", human_bytes(status.http.bytes_out)}});
  if (!rows.empty()) page.table({"Request", "#Served", "#Median", "#99 %"}, rows);
  page.end_section();
}

void write_store(const BackendStatus& status, Page& page) {
  if (status.clock_offset_seconds) {
    page.list({{"Store's clock", fmt::format("{:+} s", *status.clock_offset_seconds)}});
  }
  if (const auto& traffic = status.traffic) {
    page.list({{"Requests to the store", human_count(traffic->requests)},
               {"Repeated", human_count(traffic->retries)},
               {"Asked to slow down", human_count(traffic->throttles)},
               {"Sent to the store", human_bytes(traffic->bytes_out)},
               {"Received from it", human_bytes(traffic->bytes_in)}});
  }
  if (const auto& cache = status.cache) {
    page.list({{"Reads answered from memory", human_count(cache->hits)},
               {"Blocks from the store", human_count(cache->misses)}});
  }
}

void write_backend(const NodeStatus& status, Page& page) {
  std::vector<Page::Row> rows;
  for (const auto& [name, figures] : status.backend_operations) {
    rows.push_back(operation_row(name, figures, true));
  }
  page.begin_section("Backend and index");
  page.list({{"Backend", status.node.backend},
             {"Backend health", status.backend_health.ok ? "well" : "not well"},
             {"Index health", status.index_health.ok ? "well" : "not well"},
             {"Index", fmt::format("{} and {} of log", human_bytes(status.index_size.file_bytes),
                                   human_bytes(status.index_size.log_bytes))}});
  write_store(status.backend, page);
  if (!rows.empty()) {
    page.table({"Operation", "#Calls", "#Failed", "#Bytes", "#Median", "#99 %"}, rows);
  }
  page.end_section();
}

void write_introducers(const NodeStatus& status, Page& page) {
  if (status.introducers.empty()) return;
  std::vector<Page::Row> rows;
  for (const auto& state : status.introducers) {
    const std::int64_t published = state.last_published ? unix_seconds(*state.last_published) : 0;
    std::string now = state.connected ? "connected" : state.last_error;
    if (now.empty()) now = "connecting";
    rows.push_back({state.petname, std::move(now), human_time(published, status.now)});
  }
  page.begin_section("Introducers", /*wide=*/true);
  page.table({"Name", "State", "Last announced"}, rows);
  page.end_section();
}

// The first words of a long text; whole characters.
std::string shortened(const std::string& text) {
  constexpr std::size_t kShownBytes = 160;
  if (text.size() <= kShownBytes) return text;
  std::size_t end = kShownBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + " …";
}

void write_advisories(const NodeStatus& status, Page& page) {
  if (status.totals.advisories == 0) return;
  std::vector<Page::Row> rows;
  for (const AdvisoryRow& advisory : status.advisories) {
    rows.push_back({human_time(advisory.at, status.now), advisory.share.to_text(),
                    shortened(advisory.reason)});
  }
  page.begin_section("Corruption advisories", /*wide=*/true);
  page.element("p", fmt::format("Clients have reported damaged shares {} times; the reports are in "
                                "storage/corruption-advisories. The newest:",
                                human_count(status.totals.advisories)));
  page.table({"When", "Share", "Reason"}, rows);
  page.end_section();
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default:
        // A line break or a bell of a stranger is shown, not obeyed.
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          out += "\xEF\xBF\xBD";
        } else {
          out += c;
        }
    }
  }
  return out;
}

std::string render_page(const NodeStatus& status) {
  Page page;
  write_head(status, page);
  write_notices(status, page);
  page.markup("<div class=cards>");
  write_space(status, page);
  write_shares(status, page);
  write_requests(status, page);
  write_backend(status, page);
  write_introducers(status, page);
  write_advisories(status, page);
  page.markup("</div></main><footer><p>Node id ");
  page.element("code", status.node.node_id);
  page.markup(
      "</p><p><a href=\"/storage?t=json\">storage as JSON</a> · "
      "<a href=\"/statistics?t=json\">statistics as JSON</a> · "
      "<a href=\"/statistics?t=openmetrics\">metrics</a></p></footer></body></html>\n");
  return page.take();
}

}  // namespace sharestore::web
