"""Results as Markdown, JSON and SVG."""

import json
import statistics

from arms import cases as table


def spread(values):
    values = [v for v in values if v is not None]
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def number(value):
    if value is None:
        return "–"
    for bound, digits in ((10, 2), (100, 1)):
        if abs(value) < bound:
            return f"{value:.{digits}f}"
    return f"{value:,.0f}".replace(",", " ")


def shown(s):
    return "–" if s is None else f"{number(s['median'])} [{number(s['min'])}–{number(s['max'])}]"


def summarise(case, rounds, found):
    """`rounds`: a list of {arm: run}. Ratios are taken within a round."""
    base = case.arms[-1]
    lines = []
    for arm in case.arms:
        runs = [r[arm] for r in rounds if arm in r]
        if not runs:
            continue
        figures = [table.judge(case.figure, r) for r in runs]
        ratios = []
        for r in rounds:
            if arm != base and arm in r and base in r:
                ours, theirs = (table.judge(case.figure, r[a]) for a in (arm, base))
                if ours and theirs:
                    ratios.append(ours - theirs if case.added else ours / theirs)
        lines.append({
            "arm": arm, "version": found[arm]["version"], "durability": found[arm]["durability"],
            "figure": spread(figures), "ratio": spread(ratios), "base": base,
            "rate": spread([r["operations"] / r["seconds"] for r in runs if r["seconds"]]),
            "p50_us": spread([r["latency_us"]["p50"] for r in runs if "latency_us" in r]),
            "p99_us": spread([r["latency_us"]["p99"] for r in runs if "latency_us" in r]),
            "added_p99_us": spread(added_p99(rounds, arm, base)) if case.added else None,
            "store": [r["store"] for r in runs if "store" in r],
            "errors": sum(r["errors"] for r in runs),
            "first_error": next((r["first_error"] for r in runs if r.get("first_error")), ""),
            "client_bound": sum(bool(r.get("client_bound")) for r in runs), "runs": len(runs),
            "anonymous_bytes": runs[-1].get("server_anonymous_bytes"),
            "cgroup_peak_bytes": runs[-1].get("cgroup_peak_bytes"),
            "cgroup_failures": sum(r.get("cgroup_failures", 0) for r in runs),
            "peak_bytes": max(r.get("server_peak_bytes", 0) for r in runs),
            "operations": sum(r["operations"] for r in runs),
            "started_cpu_ms": spread([r.get("started_cpu_ms") for r in runs]),
        })
    return {"case": case.name, "title": case.title, "unit": case.figure, "good": case.good,
            "aim": case.aim, "added": case.added, "lower_is_better": case.figure in table.LOWER_IS_BETTER,
            "lines": lines, "verdict": verdict(case, lines)}


def added_p99(rounds, arm, base):
    return [r[arm]["latency_us"]["p99"] - r[base]["latency_us"]["p99"] for r in rounds
            if arm != base and arm in r and base in r]


def verdict(case, lines):
    """By the worst ratio of the first arm, so that one lucky round proves nothing."""
    if case.aim is None or not lines or not lines[0]["ratio"]:
        return ""
    lower = case.figure in table.LOWER_IS_BETTER
    low, mid = lines[0]["ratio"]["max" if lower else "min"], lines[0]["ratio"]["median"]

    def reached(value, wanted):
        return value <= wanted if lower else value >= wanted

    if reached(low, case.aim):
        return "aim reached in every round"
    if reached(mid, case.aim):
        return "aim reached by the median"
    if reached(mid, case.good):
        return "good reached by the median"
    return "not reached"


def markdown(all_cases, machine, rounds):
    m = machine
    out = [
        "# Side by side", "",
        f"{m['processor']}, {m['cores']} cores, {m['memory_gib']} GiB, {m['system']}, Linux "
        f"{m['kernel']}, {m['openssl'].split('(')[0].strip()}; commit {m['commit']}"
        f"{' with changes' if m['changed'] else ''}; load average {m['load_at_start']:.1f} "
        "at the start.", "",
        f"Median [least–most] of {rounds} rounds, the arms of a case in turn. Ratios are to the "
        "last line of a case, taken within each round. TLS 1.3, TLS_AES_256_GCM_SHA384, "
        "one key for all.", "",
    ]
    for c in all_cases:
        by = "more than the last arm" if c["added"] else "×"
        aims = f" (good {c['good']} {by}, aim {c['aim']} {by})" if c["aim"] else ""
        result = f" **{c['verdict']}**" if c["verdict"] else ""
        out += [f"## {c['title']}", "", f"Judged by {c['unit']}{aims}.{result}", "",
                "| arm | durability | " + c["unit"] + f" | {'more' if c['added'] else 'ratio'} | per second | p50 / p99, us | |",
                "|---|---|---|---|---|---|---|"]
        for line in c["lines"]:
            p50, p99 = line["p50_us"], line["p99_us"]
            notes = notes_of(line, c)
            times = f"{number(p50['median'])} / {number(p99['median'])}" if p50 else "–"
            rate = line["rate"] if line["rate"] and line["rate"]["median"] else None
            out.append(f"| {line['arm']} ({line['version']}) | {line['durability']} | "
                       f"{shown(line['figure'])} | {shown(line['ratio'])} | {shown(rate)} | "
                       f"{times} | {'; '.join(notes)} |")
        out.append("")
    return "\n".join(out)


def notes_of(line, c):
    notes = []
    if line["client_bound"]:
        notes.append(f"load was the limit in {line['client_bound']} of {line['runs']}")
    if line["errors"]:
        notes.append(f"{line['errors']} errors: {line['first_error']}")
    if line["anonymous_bytes"] and c["unit"] == table.MB:
        notes.append(f"anonymous {line['anonymous_bytes'] / 1e6:.1f} MB")
    if line["started_cpu_ms"]:
        notes.append(f"CPU until then {number(line['started_cpu_ms']['median'])} ms")
    if line["cgroup_peak_bytes"]:
        notes.append(f"cgroup peak {line['cgroup_peak_bytes'] / 1e6:.0f} MB, "
                     f"resident {line['peak_bytes'] / 1e6:.0f} MB, "
                     f"{line['cgroup_failures']} killed")
    if line["added_p99_us"]:
        notes.append(f"p99 {shown(line['added_p99_us'])} us more")
    if line["store"]:
        asked, stalled = (sum(s[key] for s in line["store"]) for key in ("reads", "stalled"))
        notes.append(f"store asked {asked / line['operations']:.4f} times a read"
                     + (f", {stalled} of {asked} stalled" if stalled else ""))
    return notes


def svg(all_cases):
    """One bar per arm: its ratio to the last arm of its case, with the range of the rounds."""
    rows = []
    for c in all_cases:
        for line in c["lines"]:
            if line["ratio"] and not c["added"]:
                rows.append((f"{c['title']}: {line['arm']} / {line['base']}", line["ratio"],
                             c["lower_is_better"]))
    width, left, row, top = 900, 470, 26, 34
    most = max([r["max"] for _, r, _ in rows] + [1.2])
    scale = (width - left - 70) / most
    height = top + row * len(rows) + 12
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
           f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{width}" height="{height}" fill="#fff"/>',
           f'<text x="10" y="18" fill="#333">ratio within a round: median, line from least to most; '
           'blue: more is better, green: less is better</text>']
    one = left + scale
    out.append(f'<line x1="{one}" y1="{top - 6}" x2="{one}" y2="{height - 8}" stroke="#888" '
               'stroke-dasharray="3 3"/>')
    for i, (label, ratio, lower) in enumerate(rows):
        y = top + i * row
        text = label.replace("&", "&amp;").replace("<", "&lt;")
        colour = "#5a9e6f" if lower else "#4a7ab5"
        end = left + ratio["median"] * scale
        low, high = left + ratio["min"] * scale, left + ratio["max"] * scale
        out += [f'<text x="{left - 8}" y="{y + 14}" text-anchor="end" fill="#333">{text}</text>',
                f'<rect x="{left}" y="{y + 2}" width="{end - left:.1f}" height="16" fill="{colour}"/>',
                f'<line x1="{low:.1f}" y1="{y + 10}" x2="{high:.1f}" y2="{y + 10}" stroke="#222"/>',
                f'<text x="{max(end, high) + 6:.1f}" y="{y + 14}" fill="#333">'
                f'{number(ratio["median"])} ×</text>']
    return "\n".join([*out, "</svg>", ""])


def write(directory, all_cases, raw, machine, rounds):
    directory.mkdir(parents=True, exist_ok=True)
    text = markdown(all_cases, machine, rounds)
    (directory / "side_by_side.md").write_text(text)
    whole = {"machine": machine, "rounds": rounds, "cases": all_cases, "runs": raw}
    (directory / "side_by_side.json").write_text(json.dumps(whole, indent=1) + "\n")
    (directory / "side_by_side.svg").write_text(svg(all_cases))
    return text
