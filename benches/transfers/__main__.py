"""The runner: measures what was chosen, puts it among the figures, and makes page and plots of them.

    benches/run                         everything, into docs/benchmarks
    benches/run --only clean,ping       these scenarios; what else is among the figures stays
    benches/run --quick                 small studies, one turn, little patience, into the build folder: to see that all works
    benches/run --page                  nothing is measured; page and plots are made of the figures again
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from line import LINE
from world import PROGRAM, ROOT

from transfers import beside, machine, over_lines, page
from transfers.made import Maker

DOCS = ROOT / "docs" / "benchmarks"
BUILT = Path(os.environ.get("BENCHES_BUILT", ROOT / "target" / "benches"))
# What is run, in this order.
SCENARIOS = {
    **{name: partial(over_lines.over, name) for name in over_lines.LINES},
    "kinds": over_lines.kinds,
    "ping": beside.ping,
    "sharing": beside.sharing,
    "killed": beside.killed,
    "loopback": over_lines.loopback,
    "memory": beside.memory,
}
WITHOUT_LINE = ("loopback", "memory")
# Images of a CT, and seconds for a peer, when all is only tried.
QUICK_IMAGES, QUICK_PATIENCE = 40, 3


def listed(known):
    def of(text):
        chosen = text.split(",")
        unknown = [name for name in chosen if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(known)}")
        return chosen

    return of


def arguments():
    parser = argparse.ArgumentParser(prog="benches/run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=listed(SCENARIOS), default=list(SCENARIOS), metavar="SCENARIO,…", help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--systems", type=listed(over_lines.SYSTEMS), default=list(over_lines.SYSTEMS), metavar="SYSTEM,…", help=f"of {', '.join(over_lines.SYSTEMS)}")
    parser.add_argument("--runs", type=int, default=3, help="turns of every system (3)")
    parser.add_argument("--patience", type=float, default=5, help="seconds after which a peer on a line is ended and what has arrived counts (5; on the slow line twice, for other studies four times that)")
    parser.add_argument("--images", type=int, help="only the first so many images of each study")
    parser.add_argument("--quick", action="store_true", help="only to see that all works")
    parser.add_argument("--page", action="store_true", help="measure nothing, make page and plots again")
    parser.add_argument("--into", type=Path, help="where figures, page and plots are (docs/benchmarks)")
    options = parser.parse_args()
    if options.quick:
        options.runs, options.patience = 1, QUICK_PATIENCE
        options.images = options.images or QUICK_IMAGES
    options.into = options.into or (BUILT / "quick" if options.quick else DOCS)
    return options


def measured(options, figures, save):
    """Runs what was chosen. What is measured is kept as soon as it is there."""
    for program in (PROGRAM, LINE):
        if not program.exists():
            sys.exit(f"{program.name} is not built; benches/run builds it")
    begun = time.monotonic()

    def say(name, text):
        print(f"{time.monotonic() - begun:6.0f} s  {name}: {text}", flush=True)

    for name in options.only:
        if os.geteuid() != 0 and name not in WITHOUT_LINE:
            say(name, "left out: threads of this process enter the sites of an emulated line, which only root's may")
            continue
        # On the disk that is meant, and removed whatever happens.
        place = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=BUILT))
        try:
            maker = Maker(BUILT / "cache", place / "studies")
            say(name, "begins")
            scenario_begun = time.monotonic()
            found = SCENARIOS[name](options, maker, place, partial(say, name))
            took = round(time.monotonic() - scenario_begun)
            figures["scenarios"][name] = {"machine": machine.described(), "runs_each": options.runs, "patience": options.patience, "took": took, **found}
            save()
        finally:
            shutil.rmtree(place)


def main():
    options = arguments()
    options.into.mkdir(parents=True, exist_ok=True)
    BUILT.mkdir(parents=True, exist_ok=True)
    file = options.into / "transfers.json"
    figures = json.loads(file.read_text()) if file.exists() else {"scenarios": {}}

    def save():
        file.write_text(page.figures_as_text(figures))

    if not options.page:
        measured(options, figures, save)
    page.write(figures, options.into)
    print(f"page, plots and figures are in {options.into}")


if __name__ == "__main__":
    main()
