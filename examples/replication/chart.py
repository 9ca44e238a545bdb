"""A bar chart as SVG, for light and dark backgrounds."""


def chart(results, path):
    """Writes the hours and the share of throttled requests of each way."""
    longest = max(result["hours"] for result in results.values())
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 150" font-family="system-ui, sans-serif" font-size="13">',
        "<style>text { fill: light-dark(#222, #ddd) } rect { fill: light-dark(#2b6cb0, #63a4ff) } svg { color-scheme: light dark }</style>",
        '<text x="8" y="20" font-weight="600">Hours to replicate a period (simulated), and requests that were throttled</text>',
    ]
    for row, (name, result) in enumerate(results.items()):
        y, width = 36 + row * 36, max(2, 300 * result["hours"] / longest)
        share = 100 * result["throttled"] / result["requests"]
        lines.append(f'<text x="8" y="{y + 16}">{name}</text><rect x="150" y="{y}" width="{width:.0f}" height="22" rx="3"/>')
        lines.append(f'<text x="{160 + width:.0f}" y="{y + 16}">{result["hours"]:.2f} h, {share:.2f} %</text>')
    path.write_text("\n".join([*lines, "</svg>", ""]))
