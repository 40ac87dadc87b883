#!/usr/bin/env python3
"""Draws the pictures of README.md: what the quickstart prints, and the charts of docs/performance.md.

They are SVG, have colors of their own for light and dark pages, and need no other package. Run it from anywhere in the
repository, with Rust installed, after a change to the quickstart or to the measurements.
"""

import os
import re
import subprocess
import textwrap
from html import escape
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
PICTURES = HOME / "docs" / "pictures"
MONOSPACE = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
SANS = "-apple-system, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif"


def svg(name, title, width, height, style, body):
    """Writes a picture. The title is for screen readers."""
    text = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(title)}">\n<style>{style}</style>\n' + "\n".join(body) + "\n</svg>\n"
    )
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / f"{name}.svg").write_text(text, encoding="utf-8")
    print(f"docs/pictures/{name}.svg: {len(text.encode())} bytes")


def terminal():
    """The quickstart in a terminal, as it runs without a key."""
    command = ["cargo", "run", "--quiet", "--example", "quickstart"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENROUTER_")}
    output = subprocess.run(command, cwd=HOME, env=environment, check=True, capture_output=True, text=True).stdout

    columns, advance, leading, margin, bar = 88, 8.43, 21, 20, 36
    lines = [("prompt", "$ cargo run --example quickstart")]
    for line in output.rstrip().split("\n"):
        kind = "note" if re.fullmatch(r"\w+:|\d+ tokens .*", line) else "text"
        lines += [(kind, piece) for piece in textwrap.wrap(line, columns) or [""]]
    width = round(columns * advance + 2 * margin)
    height = bar + len(lines) * leading + margin

    style = f"""
text {{ font: 14px {MONOSPACE}; white-space: pre; fill: #e6edf3 }}
.prompt {{ fill: #7ee787 }}
.note {{ fill: #9198a1 }}
"""
    body = [f'<rect width="{width}" height="{height}" rx="10" fill="#0d1117" stroke="#3d444d"/>']
    for place, color in enumerate(["#ff5f57", "#febc2e", "#28c840"]):
        body.append(f'<circle cx="{margin + 18 * place}" cy="18" r="6" fill="{color}"/>')
    for number, (kind, line) in enumerate(lines):
        if line:
            y = bar + (number + 1) * leading - 4
            body.append(f'<text class="{kind}" x="{margin}" y="{y}">{escape(line)}</text>')
    svg("quickstart", "The quickstart in a terminal: " + " ".join(output.split()), width, height, style, body)


def table(page, first):
    """The rows of the table whose header begins with this cell, by their first cell, each as a map by column."""
    lines = iter(page.split("\n"))
    header = next(line for line in lines if line.startswith(f"| {first} |"))
    cells = lambda line: [cell.strip() for cell in line.strip("| ").split(" | ")]
    columns, rows = cells(header), {}
    next(lines)
    for line in lines:
        if not line.startswith("|"):
            return rows
        # The same kind of row may come twice; the first one counts.
        rows.setdefault(cells(line)[0], dict(zip(columns, cells(line))))


def number(cell):
    """The number that a cell begins with, as it is written: that of `**0.810** (0.83)` is `0.810`."""
    return re.match(r"[\d.]+", cell.replace("*", "").replace(",", "")).group()


def charts():
    """Bars of CPU time and build cost, this crate among its peers."""
    page = (HOME / "docs" / "performance.md").read_text(encoding="utf-8")
    times, programs = table(page, "µs of CPU"), table(page, "program")

    clients = ["hyper, serde_json", "openrouter-kit", "openrouter-rs 0.23.0", "async-openai 0.43.0"]
    panels = []
    for row, title in [
        ("event of a Responses stream, one per chunk", "Event of a Responses stream, µs of CPU"),
        ("event of a chat stream, one per chunk", "Event of a chat stream, µs of CPU"),
        ("Responses call, 2.4 kB", "Responses call of 2.4 kB, µs of CPU"),
    ]:
        bars = [(client.split(" ")[0].rstrip(",") + (" + serde_json" if "," in client else ""),
                 number(times[row][client])) for client in clients]
        others = [f"{sdk.split(' 1')[0]} {times[row][sdk].split(' ')[0]}" for sdk in times[row] if "SDK" in sdk]
        panels.append((title, bars, "Not shown: " + ", ".join(others)))
    names = [("by hand", "by hand"), ("openrouter-kit, `responses` and `tls`", "openrouter-kit"),
             ("openrouter-rs 0.23.0", "openrouter-rs"), ("async-openai 0.43.0", "async-openai")]
    crates = [(name, number(programs[row]["crates"])) for row, name in names]
    sizes = ", ".join(f"{name} {programs[row]['stripped']}" for row, name in names)
    panels.append(("Crates in a program with one streaming call", crates, f"Stripped, MB: {sizes}"))

    width, panel_width, panel_height, label, longest = 900, 430, 178, 136, 216
    style = f"""
text {{ font: 13px {SANS}; fill: #1f2328 }}
.title {{ font-weight: 600 }}
.label {{ text-anchor: end }}
.note {{ font-size: 11px; fill: #59636e }}
.page {{ fill: #ffffff; stroke: #d1d9e0 }}
.bar {{ fill: #afb8c1 }}
.own {{ fill: #0969da }}
@media (prefers-color-scheme: dark) {{
text {{ fill: #f0f6fc }}
.note {{ fill: #9198a1 }}
.page {{ fill: #0d1117; stroke: #3d444d }}
.bar {{ fill: #656c76 }}
.own {{ fill: #4493f8 }}
}}
"""
    height = 2 * panel_height + 20
    body = [f'<rect class="page" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>']
    spoken = []
    for place, (title, bars, note) in enumerate(panels):
        x, y = 16 + place % 2 * (panel_width + 8), 12 + place // 2 * panel_height
        body.append(f'<text class="title" x="{x}" y="{y + 18}">{escape(title)}</text>')
        most = max(float(value) for _, value in bars)
        for row, (name, value) in enumerate(bars):
            top = y + 32 + row * 28
            kind = "bar own" if name == "openrouter-kit" else "bar"
            length = max(2, round(float(value) / most * longest))
            body.append(f'<text class="label" x="{x + label}" y="{top + 15}">{escape(name)}</text>')
            body.append(f'<rect class="{kind}" x="{x + label + 8}" y="{top + 2}" width="{length}" height="18" rx="2"/>')
            body.append(f'<text x="{x + label + 14 + length}" y="{top + 15}">{value}</text>')
        body.append(f'<text class="note" x="{x}" y="{y + 158}">{escape(note)}</text>')
        spoken.append(f"{title}: " + ", ".join(f"{name} {value}" for name, value in bars))
    svg("performance", ". ".join(spoken), width, height, style, body)


terminal()
charts()
