"""The text in Parquet files, row by row, in memory that does not grow with the file; needs pyarrow, when used."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from common.errors import InputError, NoTextError, first_line

ROWS = 64  # at a time: documents may be long
BUFFER = 1 << 20  # bytes of the file at a time, instead of a whole column of a row group


def read_rows(path: Path, field: str, start: int = 0, stop: int | None = None) -> Iterator[str]:
    """As `read_values`, but raises InputError for a row without text."""
    for row, text in enumerate(read_values(path, field, start, stop), start):
        if text is None:
            raise InputError(f"{path}, row {row}: no text under {field!r}")
        yield text


def read_values(path: Path, field: str, start: int = 0, stop: int | None = None) -> Iterator[str | None]:
    """The texts under ``field`` in rows start .. stop - 1; bytes that are no UTF-8 become lone surrogates.

    ``field`` is a column, or, as ``meta.text``, part of one. A row without text is None.
    """
    arrow, parquet = pyarrow()
    try:
        with parquet.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False) as file:
            column, *inside = names_of(arrow, file.schema_arrow, field, path)
            groups, row = groups_of(file, start, stop)
            for batch in file.iter_batches(ROWS, row_groups=groups, columns=[field], use_threads=False):
                for value in as_bytes(arrow, batch.column(column), inside):
                    if row >= start and (stop is None or row < stop):
                        yield None if value is None else value.decode("utf-8", "surrogateescape")
                    row += 1
    except (arrow.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk, not of what is in the file
        raise damaged(path, error) from None


def measure(path: Path, field: str) -> tuple[int, int]:
    """How many rows there are, and about how many bytes of text in them, from the end of the file alone."""
    arrow, parquet = pyarrow()
    try:
        about = parquet.read_metadata(path)
    except (arrow.ArrowException, OSError) as error:
        raise damaged(path, error) from None
    groups = [about.row_group(i) for i in range(about.num_row_groups)]
    columns = [group.column(i) for group in groups for i in range(group.num_columns)]
    n_bytes = sum(column.total_uncompressed_size for column in columns if column.path_in_schema == field)
    return about.num_rows, n_bytes


def damaged(path: Path, error: Exception) -> InputError:
    """Of what pyarrow says, the first line."""
    return InputError(f"{path}: damaged, or no Parquet file ({first_line(error).rstrip('.')})")


def pyarrow() -> tuple[ModuleType, ModuleType]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError("Parquet files are read by pyarrow, which is not installed: pip install pyarrow") from None
    return pyarrow, pyarrow.parquet


def names_of(arrow: ModuleType, schema: Any, field: str, path: Path) -> list[str]:
    """The column with that text, and the names that lead to it in there; raises InputError where there is none."""
    for names in ([field], field.split(".")):
        inside = schema
        for name in names:
            inside = type_of(arrow, inside, name)
        if inside is not None and is_text(arrow.types, inside):
            return names
    columns = list(columns_of_text(arrow, schema))
    remedy = f"name the column with data.field=..., of {', '.join(columns)}" if columns else "no column has any"
    raise NoTextError(str(path), field, remedy)


def columns_of_text(arrow: ModuleType, inside: Any) -> Iterator[str]:
    """What there is to name in a schema or a struct: columns of text, and, as ``meta.text``, text inside of one."""
    for field in map(inside.field, range(len(inside))):
        if isinstance(field.type, arrow.StructType):
            yield from (f"{field.name}.{name}" for name in columns_of_text(arrow, field.type))
        elif is_text(arrow.types, field.type):
            yield field.name


def type_of(arrow: ModuleType, inside: Any, name: str) -> Any:
    """The type of what has this name in a schema or a struct; None where there is none, or two."""
    if not isinstance(inside, (arrow.Schema, arrow.StructType)):
        return None
    index = inside.get_field_index(name)
    return inside.field(index).type if index >= 0 else None


def is_text(types: ModuleType, kind: Any) -> bool:
    """Whether a column holds text: also as bytes, which is what Parquet has where a tool did not say that they are
    text, or as nothing but nulls.
    """
    if types.is_dictionary(kind):
        kind = kind.value_type
    strings = (types.is_string, types.is_large_string, types.is_string_view)
    others = (types.is_binary, types.is_large_binary, types.is_binary_view, types.is_null)
    return any(is_one(kind) for is_one in (*strings, *others))


def as_bytes(arrow: ModuleType, column: Any, inside: list[str]) -> list[bytes | None]:
    """A column of text as it lies in the file: unlike arrow's own strings, its bytes need not be UTF-8."""
    for name in inside:
        column = column.flatten()[column.type.get_field_index(name)]
    if arrow.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(arrow.large_binary()).to_pylist()


def groups_of(file: Any, start: int, stop: int | None) -> tuple[list[int], int]:
    """The row groups with any of rows start .. stop - 1, and the first row in them."""
    groups, first, row = [], 0, 0
    for group in range(file.metadata.num_row_groups):
        end = row + file.metadata.row_group(group).num_rows
        if end > start and (stop is None or row < stop):
            first = first if groups else row
            groups.append(group)
        row = end
    return groups, first
