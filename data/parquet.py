"""The text in Parquet files, row by row, in memory that does not grow with the file; needs pyarrow, when used."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from data.errors import InputError

ROWS = 64  # at once: documents may be long
BUFFER = 1 << 20  # bytes of the file at once, instead of a whole column of a row group


def read_rows(path: Path, field: str, start: int = 0, stop: int | None = None) -> Iterator[str]:
    """The texts under ``field`` in rows start .. stop - 1; bytes that are no UTF-8 become lone surrogates."""
    arrow, parquet = pyarrow()
    try:
        with parquet.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False) as file:
            if file.schema_arrow.names.count(field) != 1 or not is_text(arrow, file.schema_arrow.field(field).type):
                columns = ", ".join(file.schema_arrow.names)
                raise InputError(f"{path}: no text under {field!r}; name the column with data.field=..., of {columns}")
            groups, row = groups_of(file, start, stop)
            for batch in file.iter_batches(ROWS, row_groups=groups, columns=[field], use_threads=False):
                for value in as_bytes(arrow, batch.column(0)):
                    if row >= start and (stop is None or row < stop):
                        if value is None:
                            raise InputError(f"{path}, row {row}: no text under {field!r}")
                        yield value.decode("utf-8", "surrogateescape")
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
    first_line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return InputError(f"{path}: damaged, or no Parquet file ({first_line.rstrip('.')})")


def pyarrow() -> tuple[ModuleType, ModuleType]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError("Parquet files are read by pyarrow, which is not installed: pip install pyarrow") from None
    return pyarrow, pyarrow.parquet


def is_text(arrow: ModuleType, kind: object) -> bool:
    if arrow.types.is_dictionary(kind):
        kind = kind.value_type
    return arrow.types.is_string(kind) or arrow.types.is_large_string(kind) or arrow.types.is_string_view(kind)


def as_bytes(arrow: ModuleType, column: object) -> list[bytes | None]:
    """A column of text as it lies in the file: unlike arrow's own strings, its bytes need not be UTF-8."""
    if arrow.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(arrow.large_binary()).to_pylist()


def groups_of(file: object, start: int, stop: int | None) -> tuple[list[int], int]:
    """The row groups with any of rows start .. stop - 1, and the first row in them."""
    groups, first, row = [], 0, 0
    for group in range(file.metadata.num_row_groups):
        end = row + file.metadata.row_group(group).num_rows
        if end > start and (stop is None or row < stop):
            first = first if groups else row
            groups.append(group)
        row = end
    return groups, first
