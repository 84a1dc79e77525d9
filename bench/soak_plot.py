"""The course of a soak as one SVG: messages accepted a second, the deferred queue, and a mark for each trouble. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

WIDTH, HEIGHT, LEFT, TOP = 960, 190, 70, 60
COLOURS = {
    "kill": "#c9a9a3", "kill whole": "#a3210f", "cut": "#8a5a00", "restart": "#8a5a00", "wipe": "#0a5a78",
    "stop broker": "#0a5a78",
}  # fmt: skip
WORDS = {
    "kill": "a process of a pool killed",
    "kill whole": "a worker killed",
    "cut": "PostgreSQL cut off or restarted",
    "wipe": "broker wiped or stopped",
}
STEP_SECONDS = 5.0


@dataclass
class Course:
    """`points`: (seconds, accepted so far, deferred, sending); `acts`: (seconds, what happened)."""

    points: list[tuple[float, int, int, int]] = field(default_factory=list)
    acts: list[tuple[float, str]] = field(default_factory=list)


def plot(course: Course, figures: Mapping[str, float]) -> str:
    """Two panels over the same time."""
    whole = max(at for at, *_ in course.points)
    rates = _rates(course.points)
    deferred = [(at, float(queue)) for at, _, queue, _ in course.points]
    title = (
        f"{figures['people']:,.0f} mails, {figures['kills']:.0f} kills: {figures['sent']:,.0f} sent, "
        f"{figures['unknown']:.0f} unknown, {figures['lost']:.0f} lost, {figures['doubled_by_message_id']:.0f} doubled"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {2 * HEIGHT + TOP + 110}" '
        'font-family="system-ui, sans-serif" font-size="13">',
        f'<title>{title}</title><rect width="100%" height="100%" fill="#fdfcfa"/>',
        f'<text x="{LEFT}" y="26" font-size="17" font-weight="600" fill="#1d2327">{title}</text>',
        *_panel(TOP, "accepted a second", rates, whole, course.acts),
        *_panel(TOP + HEIGHT + 40, "deferred", deferred, whole, ()),
        *_legend(2 * HEIGHT + TOP + 90),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _rates(points: Sequence[tuple[float, int, int, int]]) -> list[tuple[float, float]]:
    chosen = points[:1]
    for point in points:
        if point[0] - chosen[-1][0] >= STEP_SECONDS:
            chosen.append(point)
    return [(after[0], (after[1] - before[1]) / (after[0] - before[0])) for before, after in pairwise(chosen)]


def _panel(
    top: float, name: str, line: Sequence[tuple[float, float]], whole: float, acts: Sequence[tuple[float, str]]
) -> list[str]:
    most = max((value for _, value in line), default=1.0) or 1.0
    wide, high = WIDTH - LEFT - 20, HEIGHT - 30

    def x(at: float) -> float:
        return round(LEFT + wide * at / whole, 1)

    def y(value: float) -> float:
        return round(top + high - high * value / most, 1)

    marks = [
        f'<line x1="{x(at)}" x2="{x(at)}" y1="{top}" y2="{top + high}" stroke="{COLOURS[what]}" '
        f'stroke-width="{1 if what == "kill" else 1.6}"/>'
        for at, what in sorted(acts, key=lambda act: act[1])
    ]
    points = " ".join(f"{x(at)},{y(value)}" for at, value in line)
    ticks = [
        f'<text x="{x(whole * n / 4)}" y="{top + high + 18}" text-anchor="middle" fill="#565f66">{whole * n / 4:.0f} s</text>'
        for n in range(5)
    ]
    scale = [
        f'<text x="{LEFT - 8}" y="{y(value) + 4}" text-anchor="end" fill="#565f66">{value:,.0f}</text>'
        for value in (0, most / 2, most)
    ]
    return [
        f'<text x="{LEFT}" y="{top - 8}" fill="#1d2327">{name}</text>',
        *marks,
        f'<polyline points="{points}" fill="none" stroke="#1d2327" stroke-width="1.8"/>',
        f'<line x1="{LEFT}" x2="{LEFT + wide}" y1="{top + high}" y2="{top + high}" stroke="#565f66"/>',
        *ticks,
        *scale,
    ]


def _legend(y: float) -> list[str]:
    parts, x = [], LEFT
    for what, words in WORDS.items():
        parts.append(f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{COLOURS[what]}"/>')
        parts.append(f'<text x="{x + 18}" y="{y}" fill="#1d2327">{words}</text>')
        x += 34 + 7 * len(words)
    return parts
