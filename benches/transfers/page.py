"""The page: tables of the figures, each beside its goal. It is made of the figures alone, so it can be made again at any time."""

import json
import re
from statistics import median

from transfers import goals, plots
from transfers.made import TITLES

HEAD = """# Transfers beside others

Made by `benches/run`; what is changed here by hand is gone with its next run. Figures of every run: [transfers.json](transfers.json).

```
benches/run                     # everything (some 20 minutes), as root for the emulated line
benches/run --only clean,ping   # these; the others' figures stay
benches/run --quick             # small and rough, to see that all works; not into this folder
benches/run --page              # this page and its plots again, from the figures
```

dokuei: a node at the clinic and one at the hospital, an archive beside the hospital's; the time is that from the first C-STORE of `storescu` (without options) at the clinic until the archive has every image. {ahead}
Peers: `storescu` to `storescp` over TLS, without Nagle's algorithm and with PDUs of 128 KiB; Orthanc to Orthanc by its job for peers, or the transfers plugin where it is installed; `tar`, `zstd -3` and TLS by `openssl`, and the same without zstd.
Theirs is the time from the start of sending until the receiver has every image as a file; Orthanc has the study before. All in turns, medians; the line is `line/` ([README](../../line/README.md)), its queue 50 ms, TCP of peers CUBIC. A peer that is not done when patience ends is ended:
what has arrived until then counts, and the figure has a ‡. That flatters it a little, as a connection begins without losses. Studies are made up, about as hard to compress as real ones (`benches/transfers/made.py`).
"""


def figures_as_text(figures):
    """JSON in which lists of figures stand in one line."""
    text = json.dumps(figures, ensure_ascii=False, indent=1)
    for _ in range(2):
        # First the innermost, then lists of these.
        text = re.sub(r"\[\s+([^{}\n]*(?:,\n[^{}\n]*)*)\s+\]", lambda found: "[" + re.sub(r"\s+", " ", found[1]) + "]", text)
    return text + "\n"


def table(head, rows):
    right = [cell.endswith(">") for cell in head]
    lines = ["| " + " | ".join(cell.rstrip(">") for cell in head) + " |", "|" + "|".join("--:" if one else "---" for one in right) + "|"]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]) + "\n"


def by_system(runs, kind="ct"):
    found = {}
    for run in runs:
        if run["kind"] == kind:
            found.setdefault(run["system"], []).append(run)
    return found


def middle(runs, of):
    return median(of(run) for run in runs)


def spread(runs):
    """The median rate, its least and most, and whether patience ended it."""
    rates = [run["rate"] for run in runs]
    mark = "" if all(run["is_whole"] for run in runs) else "‡"
    return f"{median(rates):.2f}{mark} ({min(rates):.2f}–{max(rates):.2f})"


def per_gigabyte(runs):
    of = lambda run: sum(run["processor"].values()) / (run["bytes"] / 1e9) if run["bytes"] else float("nan")
    return f"{middle(runs, of):.1f}" if any(run["bytes"] for run in runs) else "–"


def nodes_per_gigabyte(runs):
    """Both ends, without modality and archive."""
    of = lambda run: sum(seconds for name, seconds in run["processor"].items() if name.endswith("node")) / (run["bytes"] / 1e9)
    return middle(runs, of)


def described(line):
    rate, delay, loss = line
    trip = 2 * int(delay.removesuffix("ms"))
    return f"{rate.removesuffix('mbit')} Mbit/s, {trip} ms, {loss.replace('%', ' %')} lost"


def on_the_wire(run):
    return "–" if not run["wire"] or not run["is_whole"] else f"{sum(run['wire']) / 1e6:.0f}"


def rates(scenarios):
    rows = []
    for name in goals.RATES:
        scenario = scenarios.get(name)
        if not scenario:
            continue
        title = described(scenario["line"]) if "line" in scenario else "loopback"
        for system, runs in by_system(scenario["runs"]).items():
            best = max(runs, key=lambda run: run["rate"])
            goal = goals.at_least(middle(runs, lambda run: run["rate"]), goals.RATES[name]) if system == "dokuei" else ""
            rows.append([title, system, spread(runs), goal, on_the_wire(best), per_gigabyte(runs)])
        rows += [[title, system, f"left out: {why}", "", "", ""] for system, why in scenario["left_out"].items()]
    if not rows:
        return ""
    head = ["line", "system", "MB/s of DICOM, median (least–most)>", "goal", "MB on the wire>", "CPU-s/GB of all processes>"]
    return f"## From the clinic to the hospital's archive\n\n{TITLES['ct']}.\n\n{table(head, rows)}\n" + plots.shown("rates") + plots.shown("arriving")


def kinds(scenarios):
    scenario = scenarios.get("kinds")
    if not scenario:
        return ""
    rows = []
    for kind in ("mr", "dx"):
        for system, runs in by_system(scenario["runs"], kind).items():
            rows.append([TITLES[kind], system, spread(runs), f"{middle(runs, lambda run: run['seconds']):.1f}", on_the_wire(runs[0])])
    return f"## Other studies\n\n{described(scenario['line'])}.\n\n" + table(["study", "system", "MB/s of DICOM>", "seconds>", "MB on the wire>"], rows) + "\n"


def first_images(scenarios):
    scenario = scenarios.get("slow")
    ours = [run for run in scenario["runs"] if run["more"] and "first_opened" in run["more"]] if scenario else []
    if not ours:
        return ""
    since_asked = middle(ours, lambda run: run["more"]["first_opened"] - run["more"]["asked"])
    since_begun = middle(ours, lambda run: run["more"]["first_opened"])
    rows = [
        ["dokuei, from when the hospital was asked to read it", f"{since_asked:.2f}", goals.at_most(round(since_asked, 2), goals.FIRST_IMAGE)],
        ["dokuei, from the first C-STORE at the clinic", f"{since_begun:.2f}", ""],
    ]
    said = "An image is usable when the hospital's WADO-RS gives it out whole; with the copies it is a file, of which no reader knows yet."
    return f"## The first image at the reader\n\n{described(scenario['line'])}. {said}\n\n" + table(["", "seconds>", "goal"], rows) + "\n" + plots.shown("usable")


def ping(scenarios):
    scenario = scenarios.get("ping")
    if not scenario:
        return ""
    rows = []
    for name, trips in scenario["round_trips"].items():
        trips = sorted(trips)
        p50, p95 = (trips[min(len(trips) - 1, int(len(trips) * share))] for share in (0.5, 0.95))
        goal = f"{goals.at_most(round(p50, 1), goals.PING[0])}; {goals.at_most(round(p95, 1), goals.PING[1])}" if name == "dokuei" else ""
        rows.append([name if name == "idle" else f"beside {name}", len(trips), f"{p50:.1f}", f"{p95:.1f}", f"{trips[-1]:.1f}", goal])
    said = "64 bytes over UDP, 40 a second, from the clinic, while a CT is on its way. 100 Mbit/s, 30 ms, no loss."
    return f"## Another program's ping\n\n{said}\n\n" + table(["line", "pings>", "p50 ms>", "p95 ms>", "most ms>", "goal"], rows) + "\n" + plots.shown("ping")


def sharing(scenarios):
    scenario = scenarios.get("sharing")
    if not scenario:
        return ""
    rows = []
    for title, runs in scenario["transfers"].items():
        least = min(min(run["shares"]) for run in runs)
        shares = "; ".join(" / ".join(f"{100 * share:.0f}" for share in run["shares"]) for run in runs)
        rows.append([title, shares, f"{100 * least:.0f}", goals.at_least(round(100 * least), round(100 * goals.SHARE))])
    said = "100 Mbit/s, 30 ms. Bytes that were delivered to each, from asking until the first of the two was there."
    return f"## Two transfers at once\n\n{said}\n\n" + table(["", "shares of each run, %", "least>", "goal"], rows) + "\n"


def killed(scenarios):
    scenario = scenarios.get("killed")
    if not scenario:
        return ""
    whole = median(run["bytes"] for run in scenario["runs"]["unbroken"])
    rows = [["nobody", f"{whole / 1e6:.1f}", "1", "", f"{median(run['seconds'] for run in scenario['runs']['unbroken']):.1f}"]]
    for victim in ("clinic", "hospital"):
        runs = scenario["runs"][victim]
        ratio = median(run["ratio"] for run in runs)
        size, seconds = (median(run[name] for run in runs) for name in ("bytes", "seconds"))
        rows.append([f"the {victim}'s node", f"{size / 1e6:.1f}", f"{ratio:.3f}", goals.at_most(round(ratio, 3), goals.KILLED), f"{seconds:.1f}"])
    said = "100 Mbit/s, 30 ms; a node is killed when half of the bytes of an unbroken run are on the wire, and started again at once. Bytes of IP packets, both directions. The peers start again from the beginning."
    return f"## `kill -9` at half\n\n{said}\n\n" + table(["killed", "MB on the wire>", "× unbroken>", "goal", "seconds>"], rows) + "\n"


def limits(scenarios):
    """Processor time and memory, and what is busy on loopback."""
    rows = []
    for name in ("clean", "loopback"):
        ours = by_system(scenarios[name]["runs"]).get("dokuei") if name in scenarios else None
        if ours:
            title = described(scenarios[name]["line"]) if "line" in scenarios[name] else "loopback"
            spent = round(nodes_per_gigabyte(ours), 1)
            rows.append([title, f"{spent:.1f}", goals.at_most(spent, goals.PROCESSOR), busy(ours)])
    text = ""
    if rows:
        said = "Of dokuei; the goal is of both nodes. Taking the study in from the modality and storing it in the archive are part of it."
        text += f"## What it costs\n\n{said}\n\n" + table(["", "CPU-s/GB of both nodes>", "goal", "processors busy, from the first C-STORE to the end"], rows) + "\n"
        text += limit_on_loopback(scenarios)
    if "memory" in scenarios:
        scenario = scenarios["memory"]
        found = ((f"the {role}'s node", f"{peak:.0f}", goals.at_most(round(peak), goals.MEMORY)) for role, peak in scenario["peak_mib"].items())
        said = f"{scenario['at_once']} transfers of {scenario['images']} CT slices each at once, on loopback, after as many associations from modalities at once."
        text += f"{said}\n\n" + table(["", "most memory held, MiB>", "goal"], found) + "\n"
    return text


def limit_on_loopback(scenarios):
    """Where the time goes without a line, in the run of median length."""
    ours = by_system(scenarios["loopback"]["runs"]).get("dokuei") if "loopback" in scenarios else None
    if not ours:
        return ""
    run = usual(ours)
    asked, first, whole = run["more"]["asked"], run["arrivals"][0][0], run["seconds"]
    return (
        f"On loopback the two halves of the work cannot overlap. `storescu` was done after {asked:.2f} of {whole:.2f} s: it sends one image, and waits until that is on the disk. Then the hospital was asked, and had the key; "
        f"its archive had the first image {first - asked:.2f} s later and the last one {whole - first:.2f} s after that ({run['images'] / (whole - first):.0f} images a second are opened, checked, sealed again, written and passed on). "
        "The peers begin with a study that they have.\n\n"
    )


def usual(runs):
    """The run of median length."""
    return sorted(runs, key=lambda run: run["seconds"])[len(runs) // 2]


def busy(runs):
    """How many processors each process kept busy, in the run of median length."""
    run = usual(runs)
    each = {name: seconds / run["seconds"] for name, seconds in run["processor"].items()}
    return ", ".join(f"{name} {share:.2f}" for name, share in each.items()) + f"; together {sum(each.values()):.2f}"


def ahead(scenarios):
    """Whether studies went ahead, which takes a line of configuration."""
    ours = [run["more"].get("ahead", False) for scenario in scenarios.values() if "line" in scenario for run in scenario["runs"] if run["more"]]
    if not ours or not all(ours):
        return "Nothing is sent before the hospital was asked to read it."
    return "The clinic sends ahead (`[network] send_ahead_to`); the hospital is asked to read the study when `storescu` has ended."


def measured_on(scenarios):
    """Where and when, one line for all scenarios that have it in common."""
    machines = {}
    for name, scenario in scenarios.items():
        machines.setdefault(json.dumps(scenario["machine"], sort_keys=True), []).append(name)
    lines = []
    for told, names in machines.items():
        one = json.loads(told)
        loads = [load for name in names for load in scenarios[name]["load"]]
        late = [value for name in names for value in scenarios[name].get("late_p95_ms", {}).values()]
        late = f"; packets came out of the line {max(late):.2f} ms late at most (p95)" if late else ""
        lines.append(
            f"- {', '.join(names)}: {one['date']}, dokuei {one['dokuei']} ({one['build']} build), {one['processor']}, {one['processors']} processors, "
            f"{one['memory_gib']} GiB, Linux {one['kernel']}, dcmtk {one['dcmtk']}, Orthanc {one['orthanc']}, {one['openssl']}, zstd {one['zstd']}; "
            f"load {min(loads)} to {max(loads)}, what is measured included{late}; {max(scenarios[name]['runs_each'] for name in names)} turns, patience {scenarios[names[0]]['patience']:.0f} s."
        )
    return "## Measured on\n\n" + "\n".join(lines) + "\n"


def write(figures, folder):
    """Page and plots of everything there are figures of."""
    scenarios = figures["scenarios"]
    plots.draw(scenarios, folder)
    parts = [HEAD.format(ahead=ahead(scenarios)), *(part(scenarios) for part in (rates, first_images, kinds, ping, sharing, killed, limits)), measured_on(scenarios)]
    (folder / "transfers.md").write_text("\n".join(part for part in parts if part))
