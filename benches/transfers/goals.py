"""What the figures should be. Nothing fails when they are not: the page says so."""

# Megabytes of DICOM a second, from the first C-STORE until the hospital's archive has everything, at least.
RATES = {"clean": 28, "loss-0.5": 27, "loss-2": 26, "loss-5": 24, "far": 18, "slow": 5.8, "loopback": 250}
# Seconds from asking to an image that can be opened, at most.
FIRST_IMAGE = 2.0
# Milliseconds of another program's ping beside a transfer, p50 and p95, at most.
PING = (45, 60)
# Of two transfers at once, the share of the lesser, at least.
SHARE = 0.40
# Seconds of processor time of both nodes for a gigabyte of DICOM, at most.
PROCESSOR = 15
# Bytes on the wire of a transfer whose end was killed, in those of an unbroken one, at most.
KILLED = 1.02
# Mebibytes of a node's memory, at most.
MEMORY = 256


def at_least(figure, goal):
    return mark(figure >= goal, f"≥ {goal}")


def at_most(figure, goal):
    return mark(figure <= goal, f"≤ {goal}")


def mark(is_met, goal):
    return f"{goal}: {'met' if is_met else '**missed**'}"
