"""What was measured, its medians, and how it grows with the work."""

import csv
import math
import statistics

RATES = ("per_second",)
TIMES = ("seconds", "lookup_ms")
SLACK = 0.15  # of an exponent, which two measurements on a machine with other work may be off


class Record:
    """Rows of (work, size, figure, who, round, value, done); size: how many messages, names or bytes; done:
    how many of them it was stopped after, None: none were left."""

    def __init__(self):
        self.rows = []
        self.before = set()  # works that were measured before: what is measured anew takes their place

    def add(self, work, size, who, turn, done=None, **figures):
        if work in self.before:
            self.before.discard(work)
            self.rows = [row for row in self.rows if row[0] != work]
        for figure, value in figures.items():
            self.rows.append((work, size, figure, who, turn, value, done))
        words = ", ".join(f"{figure} {show_value(value)}" for figure, value in figures.items())
        print(f"  {show_work(work, size):38} {who:14} {words}{show_done(done)}", flush=True)

    def median(self, work, size, figure, who):
        values = [row[5] for row in self.rows if row[:4] == (work, size, figure, who)]
        return statistics.median(values) if values else None

    def done(self, work, size, figure, who):
        """The fewest that it did in any round, when not all; None: always all."""
        return min((row[6] for row in self.rows
                    if row[:4] == (work, size, figure, who) and row[6] is not None), default=None)

    def medians(self, work, size, figure):
        """By name of the program."""
        found = {who: self.median(work, size, figure, who) for who in self.who()}
        return {who: value for who, value in found.items() if value is not None}

    def works(self):
        """(work, size, figure), as they came."""
        return list(dict.fromkeys(row[:3] for row in self.rows))

    def who(self):
        return list(dict.fromkeys(row[3] for row in self.rows))

    def growth(self):
        """
        (work, figure, smaller size, larger size, who, exponent): time grows with the work to that power,
        from the largest size but one to the largest that this program was measured at, and came to the
        end of: the speed of who was stopped is of less work than that.
        """
        found = []
        for work, figure in dict.fromkeys((row[0], row[2]) for row in self.rows):
            if figure not in RATES + TIMES:
                continue
            for who in self.who():
                times = {}
                for size in sorted({row[1] for row in self.rows if row[0] == work}):
                    value = self.median(work, size, figure, who)
                    if value and self.done(work, size, figure, who) is None:
                        times[size] = size / value if figure in RATES else value
                if len(times) > 1:
                    fewer, more = list(times)[-2:]
                    found.append((work, figure, fewer, more, who,
                                  math.log(times[more] / times[fewer]) / math.log(more / fewer)))
        return found

    def write(self, path):
        with open(path, "w", newline="", encoding="ascii") as file:
            writer = csv.writer(file)
            writer.writerow(("work", "size", "figure", "who", "round", "value", "done"))
            writer.writerows(self.rows)

    @classmethod
    def read(cls, path):
        record = cls()
        with open(path, newline="", encoding="ascii") as file:
            for work, size, figure, who, turn, value, done in list(csv.reader(file))[1:]:
                record.rows.append((work, int(size), figure, who, int(turn), float(value),
                                    int(done) if done else None))
        record.before = {row[0] for row in record.rows}
        return record


def show_value(value):
    """Three digits or more, and never a power of ten."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def show_done(done):
    """The mark of what was stopped."""
    return "" if done is None else f" (stopped after {done})"


def show_work(work, size):
    """Sizes of large messages are bytes."""
    return f"{work}, {size >> 20} MB" if work.startswith("large") else f"{work}, {size}"


def most_exponent(fewer, more):
    """Of n log n between these, and what measuring may add."""
    if fewer < 2:
        return 1 + SLACK
    return 1 + math.log(math.log(more) / math.log(fewer)) / math.log(more / fewer) + SLACK


def best(figure, values):
    return (max if figure in RATES else min)(values)


def is_better_or_worse(figure):
    """Whether one can be said to be better than another by it."""
    return figure != "connections"
