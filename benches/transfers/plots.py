"""Plots of the figures, as SVG by matplotlib: it is under a licence like Python's, well kept, and needed for nothing but this."""

import matplotlib
from matplotlib.figure import Figure

from transfers import goals

# The same figures give the same bytes: no date, no chance in names; text stays text.
matplotlib.rcParams.update({"svg.hashsalt": "dokuei", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9})
# Told apart by those who see colours differently, too (Okabe and Ito).
COLOURS = {"dokuei": "#0072b2", "tar, zstd, TLS": "#d55e00", "tar, TLS": "#e69f00", "dcmtk": "#009e73", "idle": "#555555"}
OTHER = "#cc79a7"
LOSSES = {"clean": 0, "loss-0.5": 0.5, "loss-2": 2, "loss-5": 5}
TITLES = {
    "rates": "MB/s of DICOM by loss",
    "arriving": "Images in the archive over time",
    "usable": "Images usable at the reader over time",
    "ping": "Distribution of another program's ping",
}
DRAWN = set()


def shown(name):
    """The line of a page that shows a plot, if there is one."""
    return f"![{TITLES[name]}]({name}.svg)\n\n" if name in DRAWN else ""


def colour(system):
    return COLOURS.get(system, OTHER)


def draw(scenarios, folder):
    DRAWN.clear()
    for name, plot in {"rates": rates, "arriving": arriving, "usable": usable, "ping": ping}.items():
        figure = Figure(figsize=(7, 3.6), layout="constrained")
        axes = figure.subplots()
        if plot(axes, scenarios):
            axes.set_title(TITLES[name], fontsize=10)
            axes.grid(color="#dddddd", linewidth=0.6)
            axes.legend(fontsize=8, frameon=False)
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
            # A white ground: pages may be dark.
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, facecolor="white")
            DRAWN.add(name)


def median_run(runs):
    return sorted(runs, key=lambda run: run["rate"])[len(runs) // 2]


def runs_by_system(scenario):
    found = {}
    for run in scenario["runs"]:
        found.setdefault(run["system"], []).append(run)
    return found


def rates(axes, scenarios):
    known = {name: loss for name, loss in LOSSES.items() if name in scenarios}
    lines = {}
    for name, loss in known.items():
        for system, runs in runs_by_system(scenarios[name]).items():
            lines.setdefault(system, []).append((loss, median_run(runs)["rate"]))
    for system, points in lines.items():
        axes.plot(*zip(*points), marker="o", label=system, color=colour(system))
    if lines:
        axes.plot(list(known.values()), [goals.RATES[name] for name in known], linestyle=":", color="black", label="goal")
        axes.set(xlabel="packets lost, % (100 Mbit/s, 30 ms)", ylabel="MB/s", ylim=(0, None))
    return bool(lines)


def arriving(axes, scenarios):
    """Over the line of 100 Mbit/s without loss."""
    if "clean" not in scenarios:
        return False
    for system, runs in runs_by_system(scenarios["clean"]).items():
        curve(axes, median_run(runs)["arrivals"], system)
    axes.set(xlabel="seconds from the first C-STORE, or the start of the copy (100 Mbit/s, 30 ms)", ylabel="images", xlim=(0, None), ylim=(0, None))
    return True


def usable(axes, scenarios):
    if "slow" not in scenarios:
        return False
    for system, runs in runs_by_system(scenarios["slow"]).items():
        run = median_run(runs)
        curve(axes, (run["more"] or {}).get("usable") or run["arrivals"], system)
    axes.set(xlabel="seconds from the first C-STORE, or the start of the copy (20 Mbit/s, 30 ms, 0.1 % lost)", ylabel="images", xlim=(0, None), ylim=(0, None))
    return True


def curve(axes, points, system):
    if points:
        times, counts = zip((0, 0), *points)
        axes.step(times, counts, where="post", label=system, color=colour(system))


def ping(axes, scenarios):
    if "ping" not in scenarios:
        return False
    for name, trips in scenarios["ping"]["round_trips"].items():
        trips = sorted(trips)
        shares = [100 * (at + 1) / len(trips) for at in range(len(trips))]
        axes.step(trips, shares, where="post", label=name if name == "idle" else f"beside {name}", color=colour(name))
    for place, share in zip(goals.PING, (50, 95)):
        axes.plot([place], [share], marker="<", color="black", linestyle="none", label=f"goal: {share} % within {place} ms")
    axes.set(xlabel="round trip, ms (100 Mbit/s, 30 ms)", ylabel="% of pings within", ylim=(0, 101))
    return True
