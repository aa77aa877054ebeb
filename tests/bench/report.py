"""Figures beside their bars."""

import json
import math


class Figure:
    """One measured value. `most` and `least` are the bar; without one it is there to compare with."""

    def __init__(self, name, value, unit, most=None, least=None, note=""):
        self.name, self.value, self.unit, self.most, self.least, self.note = name, value, unit, most, least, note

    @property
    def met(self):
        if self.most is not None:
            return self.value <= self.most
        return None if self.least is None else self.value >= self.least

    def as_json(self):
        bar = {"most": self.most} if self.most is not None else {"least": self.least} if self.least is not None else None
        return {"name": self.name, "value": self.value, "unit": self.unit, "bar": bar, "met": self.met, "note": self.note}


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


def _number(value):
    if value is None:
        return ""
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:,.2f}"


def print_table(title, figures):
    print(title)
    rows = []
    for figure in figures:
        bar = "" if figure.met is None else ("<= " if figure.most is not None else ">= ") + _number(
            figure.most if figure.most is not None else figure.least)
        verdict = {None: "", True: "met", False: "MISSED"}[figure.met]
        rows.append((figure.name, f"{_number(figure.value)} {figure.unit}".rstrip(), bar, verdict, figure.note))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for name, value, bar, verdict, note in rows:
        print(f"  {name:<{widths[0]}}  {value:>{widths[1]}}  {bar:<{widths[2]}}  {verdict:<{widths[3]}}  {note}".rstrip())
    print(flush=True)


def print_json(parts, more):
    print(json.dumps({name: [figure.as_json() for figure in figures] for name, figures in parts.items()} | more, indent=2))
