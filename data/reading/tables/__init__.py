"""Tables with a header, or without one, to rows: as text, Excel's and Parquet's."""

from .delimited import read_csv
from .parquet import read_parquet
from .workbook import read_xlsx

__all__ = ["read_csv", "read_parquet", "read_xlsx"]
