"""Scenarios: one study over a line, or over loopback, by every system in turns."""

import os
from dataclasses import asdict

from transfers.ground import Line, Loopback
from transfers.machine import load
from transfers.systems.copying import Copying
from transfers.systems.dcmtk import Dcmtk
from transfers.systems.dokuei import Dokuei
from transfers.systems.orthanc import Orthanc

QUEUE = ("--queue", "50ms")
# Name: rate, delay one way, loss.
LINES = {
    "clean": ("100mbit", "15ms", "0%"),
    "loss-0.5": ("100mbit", "15ms", "0.5%"),
    "loss-2": ("100mbit", "15ms", "2%"),
    "loss-5": ("100mbit", "15ms", "5%"),
    "far": ("100mbit", "150ms", "0.1%"),
    "slow": ("20mbit", "15ms", "0.1%"),
}
# In the order of their turns: what is to be judged is first, when nothing has warmed up.
SYSTEMS = {
    "dokuei": lambda ground, place: Dokuei(ground, place, ahead=True),
    "zstd": lambda ground, place: Copying(ground, place, True),
    "tar": lambda ground, place: Copying(ground, place, False),
    "dcmtk": Dcmtk,
    "orthanc": Orthanc,
}
# Points of a curve that a plot can show.
POINTS = 120


def line(name, sites="clinic,hospital"):
    rate, delay, loss = LINES[name]
    return Line("--rate", rate, "--delay", delay, "--loss", loss, *QUEUE, sites=sites)


def thinned(curve):
    """As many points as are seen, the last one among them."""
    step = max(1, len(curve) // POINTS)
    kept = curve[::step]
    return kept if not curve or kept[-1] == curve[-1] else [*kept, curve[-1]]


def told(measured, kind):
    """A run as it is kept among the figures."""
    run = asdict(measured)
    run["arrivals"] = [(round(at, 3), count) for at, count in thinned(measured.arrivals)]
    run["seconds"] = round(measured.seconds, 3)
    run["processor"] = {name: round(seconds, 3) for name, seconds in measured.processor.items()}
    for name, value in (run["more"] or {}).items():
        if name == "usable":
            run["more"][name] = [(round(at, 3), count) for at, count in thinned(value)]
        elif isinstance(value, float):
            run["more"][name] = round(value, 3)
    return {"kind": kind, "rate": round(measured.rate, 3), **run}


class Turns:
    """Runs in turns of all systems on one ground. `say` is told of each as it ends."""

    def __init__(self, ground, place, options, maker, say):
        self.ground, self.place, self.options, self.maker, self.say = ground, place, options, maker, say
        self.systems, self.failures = {}, {}

    def __enter__(self):
        try:
            for name in self.options.systems:
                system = self.attempt(name, lambda: SYSTEMS[name](self.ground, self.place / name))
                if system:
                    self.systems[name] = system
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for system in self.systems.values():
            system.close()

    def attempt(self, name, act):
        """A peer that is not installed or fails leaves a gap and its reason; dokuei's failure is the runner's."""
        try:
            return act()
        except Exception as failure:
            if name == "dokuei":
                raise
            self.failures[name] = f"{type(failure).__name__}: {failure}"
            self.say(f"{name} is left out: {self.failures[name]}")
            return None

    def run(self, kind, patience, turns, watched=False):
        """The runs of one kind of study, `patience` by system. Only dokuei needs a new study each time: it knows what it has sent."""
        images = self.options.images
        runs, same = [], self.maker.make(kind, images)
        for turn in range(turns):
            for name, system in self.systems.items():
                is_ours = name == "dokuei"
                study = self.maker.make(kind, images) if is_ours and turn > 0 else same
                # What an earlier run left to be written is not this one's.
                os.sync()
                measured = self.attempt(name, lambda: system.transfer(study, patience[name], watched=watched and is_ours))
                if measured:
                    runs.append(told(measured, kind))
                    self.say(f"{kind}, {measured.system}: {measured.rate:.1f} MB/s{'' if measured.is_whole else ', not whole'}")
        return runs


def over(name, options, maker, place, say):
    """All systems over one of the lines."""
    # On the slow line little arrives in a short time.
    patience = patient(options, 2 if name == "slow" else 1)
    if name == "clean":
        # The best of the peers is waited for where it gets through.
        patience["zstd"] *= 4
    return on_line(name, ["ct"], patience, options.runs, options, maker, place, say)


def kinds(options, maker, place, say):
    """Other kinds of studies over the slow line: once, as they differ little from one turn to the next."""
    return on_line("slow", ["mr", "dx"], patient(options, 4), 1, options, maker, place, say)


def patient(options, factor):
    return dict.fromkeys(SYSTEMS, options.patience * factor)


def on_line(name, kinds, patience, times, options, maker, place, say):
    before, runs, ground = load(), [], line(name)
    with ground, Turns(ground, place, options, maker, say) as turns:
        for kind in kinds:
            runs += turns.run(kind, patience, times, watched=name == "slow")
    ways = ground.report["sites"]["clinic"]
    late = {way: ways[way]["late_ms"]["p95"] for way in ("up", "down")}
    return {"line": LINES[name], "runs": runs, "left_out": turns.failures, "load": [before, load()], "late_p95_ms": late}


def loopback(options, maker, place, say):
    """Everything on this machine, without a line."""
    before = load()
    with Turns(Loopback(), place, options, maker, say) as turns:
        # Without a line nothing is slow by nature: everything is waited for.
        runs = turns.run("ct", patient(options, 12), options.runs)
    return {"runs": runs, "left_out": turns.failures, "load": [before, load()]}
