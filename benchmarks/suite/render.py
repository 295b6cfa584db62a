# SPDX-License-Identifier: Apache-2.0
"""Renders docs/shadow_vs_ept.md and its plots from the JSON report of shadow_vs_ept_suite.

    render.py REPORT.json DOCS_FOLDER

The texts name the figures that they explain, so they follow the report; what they claim is checked here, and a report that says otherwise is an error.
"""

import json
import re
import string
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

SETUPS = {
    "native": "native",
    "shadow": "shadow",
    "shadow_no_vpid": "shadow, no VPID",
    "ept_4k": "EPT 4 KiB",
    "ept_4k_no_vpid": "EPT 4 KiB, no VPID",
    "ept_2m": "EPT 2 MiB",
    "ept_2m_no_vpid": "EPT 2 MiB, no VPID",
}
VARIANTS = {
    "shadow": "all means on",
    "shadow_no_unsync": "`unsync=off`",
    "shadow_no_filter": "`filter=off`",
    "shadow_no_prefetch": "`prefetch=1`",
    "shadow_no_large": "`large=off`",
    "shadow_one_root": "`roots=1`",
}
STACK = {
    "core": ("issue_percent", "branch_percent"),
    "caches": ("caches_percent",),
    "page walks and TLB": ("translation_percent",),
    "VM exits and entries": ("transitions_percent",),
    "interrupt delivery": ("events_percent",),
}
COLOURS = ["#4878a8", "#8cb4d2", "#e8a33d", "#c44e52", "#8d8d8d"]
PLOTTED = ["native", "shadow", "ept_4k", "ept_2m"]


class Report:
    """The benchmarks by workload and setup, in the report's order."""

    def __init__(self, path):
        document = json.loads(Path(path).read_text())
        self.preset = document["context"].get("preset", "broadwell")
        self.runs = {}
        for entry in document["benchmarks"]:
            if "error_message" in entry:
                raise SystemExit(f"{entry['name']}: {entry['error_message']}")
            workload, setup = entry["name"].split("/")[:2]
            self.runs.setdefault(workload, {})[setup] = entry
        self.workloads = [name for name in self.runs if not name.startswith("together_")]

    def __call__(self, workload, setup, figure):
        return self.runs[workload][setup][figure]

    def label(self, workload, setup):
        return self.runs[workload][setup]["label"]

    def command_line(self, workload):
        return self.label(workload, "native").split("; ")[0]

    def operation(self, workload):
        return re.search(r"; per ([^:]*):", self.label(workload, "native")).group(1)

    def causes(self, workload, setup):
        return self.label(workload, setup).split(": ", 1)[1] if ": " in self.label(workload, setup) else ""

    def share(self, workload, setup, part):
        return sum(self(workload, setup, figure) for figure in STACK[part])


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" + "---:|" * (len(header) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def ratios(report):
    rows = []
    for workload in report.workloads:
        best = min(report(workload, setup, "ratio") for setup in SETUPS if setup != "native")
        cells = []
        for setup in SETUPS:
            ratio = report(workload, setup, "ratio")
            text = f"{report(workload, setup, 'cycles') / 1e6:.2f}" if setup == "native" else f"{ratio:.2f}"
            cells.append(f"**{text}**" if setup != "native" and ratio < best * 1.005 else text)
        rows.append([f"`{report.command_line(workload)}`"] + cells)
    return table(["workload", "native, 10⁶ cycles"] + [SETUPS[s] for s in SETUPS if s != "native"], rows)


def details(report):
    parts = []
    for workload in report.workloads:
        rows = []
        for setup, name in SETUPS.items():
            get = lambda figure: report(workload, setup, figure)  # noqa: E731
            rows.append(
                [name, f"{get('cycles') / get('operations'):.1f}" if get("operations") else ""]
                + [f"{report.share(workload, setup, part):.1f}" for part in STACK]
                + [f"{get('handlers_percent'):.1f}", f"{get('exits_per_operation'):.2f}", report.causes(workload, setup).replace("_", "\\_"), f"{get('walks'):.0f}",
                   f"{get('references_per_walk'):.2f}", f"{get('stlb_misses_per_1000'):.2f}", f"{get('table_kib'):.0f}" if get("table_kib") else ""]
            )
        operation = report.operation(workload)
        header = ["", f"cycles per {operation}"] + [f"{part} %" for part in STACK] + ["in the VMM %", f"exits per {operation}", "by reason", "walks", "references per walk",
                                                                                    "STLB misses per 1000 instructions", "tables, KiB"]
        parts.append(f"### `{report.command_line(workload)}`\n\n{table(header, rows)}")
    return "\n\n".join(parts)


def variants(report):
    chosen = [w for w in ("churn", "fork", "build", "switch", "syscall", "gups_4k", "gups_2m") if w in report.runs]
    rows = []
    for setup, name in VARIANTS.items():
        rows.append([name] + [f"{report(w, setup, 'cycles') / report(w, 'shadow', 'cycles'):.2f}" for w in chosen])
    return table([""] + [f"`{w}`" for w in chosen], rows)


def together(report):
    counts = sorted(int(name.split("_")[1]) for name in report.runs if name.startswith("together_"))
    rows = []
    for setup in ("shadow", "shadow_no_vpid", "ept_4k", "ept_4k_no_vpid", "ept_2m", "ept_2m_no_vpid"):
        cells = [SETUPS[setup]]
        for count in counts:
            run = lambda figure: report(f"together_{count}", setup, figure)  # noqa: E731, B023
            cells += [f"{run('cycles') / count / 1e6:.3f}", f"{run('stlb_misses_per_1000'):.2f}"]
        rows.append(cells)
    header = [""]
    for count in counts:
        header += [f"{count} guest{'s' if count > 1 else ''}: 10⁶ cycles each", "STLB misses per 1000"]
    return table(header, rows)


def save(figure, path):
    # The same report makes the same bytes.
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def plot_ratios(report, path):
    figure, axes = plt.subplots(figsize=(11, 4.2), layout="constrained")
    shown = ["shadow", "ept_4k", "ept_2m"]
    width = 0.8 / len(shown)
    for i, setup in enumerate(shown):
        values = [report(w, setup, "ratio") for w in report.workloads]
        places = [x + (i - 1) * width for x in range(len(report.workloads))]
        axes.bar(places, values, width * 0.92, label=SETUPS[setup], color=["#c44e52", "#4878a8", "#8cb4d2"][i])
        for x, value in zip(places, values):
            if value >= 1.005:
                axes.annotate(f"{value:.2f}", (x, value), xytext=(0, 2), textcoords="offset points", ha="center", fontsize=7)
    axes.set_yscale("log", base=2)
    axes.set_yticks([1, 2, 4, 8], ["1", "2", "4", "8"])
    axes.set_ylim(1, 1.2 * max(report(w, s, "ratio") for w in report.workloads for s in shown))
    axes.set_xticks(range(len(report.workloads)), report.workloads, fontsize=8)
    axes.set_ylabel("cycles, native = 1 (log scale)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    save(figure, path)


def plot_stacks(report, path):
    chosen = [w for w in ("churn", "fork", "build", "switch", "gups_4k", "chase_4k") if w in report.runs]
    figure, rows = plt.subplots(1, len(chosen), figsize=(12, 4.2), layout="constrained")
    for axes, workload in zip(rows, chosen):
        bottom = [0.0] * len(PLOTTED)
        for part, colour in zip(STACK, COLOURS):
            values = [report(workload, s, "ratio") * report.share(workload, s, part) / 100 for s in PLOTTED]
            axes.bar(range(len(PLOTTED)), values, 0.75, bottom=bottom, color=colour, label=part)
            bottom = [b + v for b, v in zip(bottom, values)]
        for x, total in enumerate(bottom):
            axes.annotate(f"{total:.2f}", (x, total), xytext=(0, 2), textcoords="offset points", ha="center", fontsize=7)
        axes.set_ylim(0, 1.08 * max(bottom))
        axes.set_title(workload, fontsize=10)
        axes.set_xticks(range(len(PLOTTED)), [SETUPS[s] for s in PLOTTED], rotation=45, ha="right", fontsize=8)
        axes.tick_params(axis="y", labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    rows[0].set_ylabel("cycles, native = 1")
    handles, labels = rows[0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside lower center", ncols=len(STACK), frameon=False, fontsize=8)
    save(figure, path)


def check(report):
    """What the text says must be so."""
    claims = {
        "shadow paging beats EPT 4 KiB on gups_4k": report("gups_4k", "shadow", "ratio") < report("gups_4k", "ept_4k", "ratio"),
        "EPT wins churn by more than 5": report("churn", "shadow", "ratio") > 5 * report("churn", "ept_4k", "ratio"),
        "EPT wins fork by more than 5": report("fork", "shadow", "ratio") > 5 * report("fork", "ept_4k", "ratio"),
        "a CR3 load is one exit at most": report("switch", "shadow", "exits_per_operation") < 1.1,
        "steady compute has no exits": report("compute", "shadow", "exits_per_operation") < 1e-4,
    }
    wrong = [claim for claim, holds in claims.items() if not holds]
    if wrong:
        raise SystemExit("the report says otherwise than the page: " + "; ".join(wrong))


def page(report, template):
    def number(match):
        workload, setup, figure, shape = match.group(1, 2, 3, 4)
        if figure == "cycles_per_operation":
            value = report(workload, setup, "cycles") / report(workload, setup, "operations")
        elif figure in STACK:
            value = report(workload, setup, "cycles") / report(workload, setup, "operations") * report.share(workload, setup, figure) / 100
        else:
            value = report(workload, setup, figure)
        return format(value, shape)

    text = re.sub(r"\{([a-z0-9_]+)/([a-z0-9_]+)/([A-Za-z0-9_ ]+):([^}]*)\}", number, template)
    return string.Template(text).substitute(
        preset=report.preset, ratios=ratios(report), details=details(report), variants=variants(report), together=together(report)
    )


def main(report_path, folder):
    report = Report(report_path)
    check(report)
    folder = Path(folder)
    pictures = folder / "shadow_vs_ept"
    pictures.mkdir(exist_ok=True)
    plt.rcParams.update({"svg.hashsalt": "vtsim", "svg.fonttype": "none"})
    plot_ratios(report, pictures / "ratios.svg")
    plot_stacks(report, pictures / "stacks.svg")
    template = (Path(__file__).parent / "shadow_vs_ept.md.in").read_text()
    (folder / "shadow_vs_ept.md").write_text(page(report, template))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(sys.argv[1], sys.argv[2])
