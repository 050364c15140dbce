"""Tables in Markdown: a whole one, or row by row as rows become known."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]

    def markdown(self) -> str:
        return "\n".join(map(table_row, [self.columns, ["---"] * len(self.columns), *self.rows]))


def table_row(cells: Iterable[object]) -> str:
    """In a cell a | becomes a /, since it would end the cell."""
    return f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"
