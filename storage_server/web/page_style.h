// How the status page looks: one column on a phone, two on a wide screen, light or dark as the
// reader's system is.
#pragma once

#include <string_view>

namespace sharestore::web {

inline constexpr std::string_view kPageStyle = R"css(
:root{--back:#f6f7f9;--card:#fff;--text:#1c2024;--dim:#5b6570;--line:#dfe3e8;--accent:#2563a8;
--good:#1a7f42;--warn:#8a5a00;--bad:#b42318;--goodback:#e3f4e9;--warnback:#fdf1d8;--badback:#fde6e4}
@media(prefers-color-scheme:dark){:root{--back:#14171a;--card:#1d2125;--text:#e6e9ec;--dim:#9aa5b1;
--line:#343b42;--accent:#6aa8e8;--good:#6fd193;--warn:#ecc05c;--bad:#ff9088;--goodback:#163323;
--warnback:#3a2d0e;--badback:#42191a}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--text);font:16px/1.5 system-ui,sans-serif}
header,main,footer{max-width:76rem;margin:0 auto;padding:0 1rem}
header{padding-top:1.25rem;display:flex;flex-wrap:wrap;align-items:center;gap:.25rem .9rem}
header>p{margin:0;color:var(--dim)}
h1{margin:0;font-size:1.6rem;overflow-wrap:anywhere}
h2{margin:0 0 .6rem;font-size:1.1rem}
h3{margin:1.1rem 0 .3rem;font-size:.95rem}
header>.state{padding:.1rem .7rem;border-radius:1rem;font-weight:600;font-size:.9rem}
.good{color:var(--good);background:var(--goodback)}
header>.good{color:var(--good)}
.warn,header>.warn{color:var(--warn);background:var(--warnback)}
.bad,header>.bad{color:var(--bad);background:var(--badback)}
.notice{margin:.9rem 0 0;padding:.6rem .9rem;border-radius:.5rem;overflow-wrap:anywhere}
.cards{display:grid;gap:1rem;margin:1rem 0;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));align-items:start}
section{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:1rem;min-width:0}
.wide{grid-column:1/-1}
section p{color:var(--dim);margin:.6rem 0 0;font-size:.9rem}
dl{display:grid;grid-template-columns:minmax(8rem,auto) 1fr;gap:.15rem 1rem;margin:.6rem 0 0}
dt{color:var(--dim)}
dd{margin:0;text-align:right;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto;margin-top:.6rem}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:left;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
td{overflow-wrap:anywhere}
td:first-child{white-space:nowrap}
th{color:var(--dim);font-weight:600;white-space:nowrap}
.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
th:last-child,td:last-child{padding-right:0}
.bar{height:.7rem;border-radius:.35rem;background:var(--line);overflow:hidden}
.bar span{display:block;height:100%;min-width:2px;background:var(--accent)}
footer{color:var(--dim);font-size:.9rem;padding-bottom:1.5rem}
footer p{margin:.3rem 0}
code{overflow-wrap:anywhere}
a{color:var(--accent)}
@media(max-width:34rem){.wide td:first-child{white-space:normal}th,td{padding-right:.35rem;font-size:.78rem}dl{font-size:.92rem;grid-template-columns:auto 1fr}}
)css";

}  // namespace sharestore::web
