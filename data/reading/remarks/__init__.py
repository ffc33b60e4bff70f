"""What is said once of a file of rows, with its share: never a warning for each row."""

from .escapes import Escapes
from .remarks import Remarks

__all__ = ["Escapes", "Remarks"]
