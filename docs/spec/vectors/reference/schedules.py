"""Group of the schedule: from a time to a round, and the windows of a round."""

import messages as m
import world
from case import Group
from primitives import Refused

LAST_MILLISECOND = 2**64 - 1


def at(time_ms, interval_s, submit_s, correction_s):
    """Section 5: everything that a time in milliseconds determines."""
    interval, submit, correction = interval_s * 1000, submit_s * 1000, correction_s * 1000
    metered = time_ms // interval
    border = (metered + 1) * interval
    submitted = metered - 1 if metered > 0 else None
    return {
        "metered_round": str(metered),
        "submitted_round": None if submitted is None else str(submitted),
        "start_ms": str(metered * interval),
        "border_ms": str(border),
        "intake_opens_ms": str(max(border - submit, 0)),
        "submit_deadline_ms": str(border + submit),
        "correction_deadline_ms": str(border + submit + correction),
    }


def schedule():
    g = Group(
        "schedule",
        "5",
        "Times to rounds and windows. All windows given are those of the metered round. Refused: "
        "lengths that no net descriptor may have.",
    )

    def check(name, time_ms, lengths=(900, 60, 60)):
        interval, submit, correction = lengths
        g.accepted(
            name,
            interval_s=interval,
            submit_window_s=submit,
            correction_window_s=correction,
            time_ms=str(time_ms),
            **at(time_ms, *lengths),
        )

    noon = 1_800_000_000_000
    check("the epoch itself", 0)
    check("last millisecond of round 0", 899_999)
    check("first millisecond of round 1", 900_000)
    check("start of a quarter of an hour", noon)
    check("a millisecond before it", noon - 1)
    check("in the submission window", noon + 30_000)
    check("end of the submission window", noon + 60_000)
    check("end of the correction window", noon + 120_000)
    check("last millisecond before intake of the next", noon + 839_999)
    check("intake of the next opens", noon + 840_000)
    check("ten-second rounds", noon + 12_345, (10, 3, 3))
    check("two-second rounds without correction", noon + 999, (2, 1, 0))
    check("windows that leave one second", noon + 1, (60, 40, 19))
    check("an hour", noon + 1, (3600, 300, 600))
    check("longest interval", noon, (2**32 - 1, 2**32 - 2, 0))
    check("a day that had a leap second", 1_483_228_799_999)
    check("the day after it", 1_483_228_800_000)
    check("an interval that does not divide the day", noon + 5, (7, 2, 2))

    def bad(name, interval, submit, correction):
        lengths = {"interval_s": interval, "submit_window_s": submit, "correction_window_s": correction}
        try:
            m.check_descriptor(world.descriptor(**lengths))
        except Refused as refusal:
            g.refused(name, str(refusal), **lengths)
        else:
            raise ValueError(f"{name} was accepted")

    bad("interval 0", 0, 0, 0)
    bad("no submission window", 900, 0, 60)
    bad("windows that fill the interval", 900, 600, 300)
    bad("windows a second too long", 900, 600, 301)
    bad("submission window longer than the interval", 10, 11, 0)
    bad("correction window longer than the interval", 10, 1, 10)
    bad("windows that wrap around in 32 bits", 900, 2**32 - 1, 61)
    return g


GROUPS = [schedule]
