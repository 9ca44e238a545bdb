"""What an example prints at its end."""


def table(rows):
    """Prints rows in columns. The first row has the names; numbers are on the right."""
    texts = [[cell if isinstance(cell, str) else f"{cell:,}" for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in texts) for column in range(len(texts[0]))]
    for row, text in zip(rows, texts):
        cells = []
        for column, width in enumerate(widths):
            right = column > 0 and (not isinstance(rows[-1][column], str) or rows[-1][column][:1].isdigit())
            cells.append(text[column].rjust(width) if right else text[column].ljust(width))
        print("  ".join(cells).rstrip())
